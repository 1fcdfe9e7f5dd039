import numpy as np
import pytest
from made_up_fff import photo
from PIL import Image

from fnet_jax.errors import InputError
from fnet_jax.images import files
from fnet_jax.images.alignment import on_one_grid
from fnet_jax.pairs.match import Pair
from fnet_jax.registration import apply, sources


def test_two_files_of_any_size(tmp_path, rng):
    one, two = tmp_path / "vi.png", tmp_path / "ir.png"
    Image.fromarray(rng.integers(0, 256, (60, 80, 3), np.uint8)).save(one)
    Image.fromarray(rng.integers(0, 65536, (24, 32), np.uint16)).save(two)
    found = sources.load(Pair(one, two))
    assert found.i1.shape == (60, 80, 3)
    assert found.i2.shape == (24, 32)
    assert found.i2.dtype == np.uint16
    assert found.by_tags is None


def test_a_photo_gives_both_images_and_what_its_tags_say(tmp_path, rng):
    path = photo(tmp_path / "a.jpg", rng)
    found = sources.load(Pair(path, path))
    assert found.i1.shape == (60, 80, 3)
    assert found.by_tags is not None
    # The same as laying them over each other by the tags, up to the interpolation.
    camera = files.thermal_camera(path)
    assert found.i2.shape == camera.thermal.size
    visible, thermal = on_one_grid(found.i1, found.i2, camera.alignment)
    laid = apply(found.i2, found.by_tags, (60, 80))
    height, width = visible.shape[:2]
    for y in range(61 - height):
        for x in range(81 - width):
            if np.array_equal(found.i1[y : y + height, x : x + width], visible):
                part = laid[y : y + height, x : x + width]
                inner = (slice(4, -4), slice(4, -4))
                assert np.abs(part - thermal)[inner].max() < 0.03 * np.ptp(thermal)
                return
    pytest.fail("the visible image is not a part of the photo's")


def test_a_file_with_one_image_is_named(tmp_path, rng):
    path = photo(tmp_path / "a.jpg", rng, visible=False)
    with pytest.raises(InputError, match=r"a\.jpg contains no visible image"):
        sources.load(Pair(path, path))
