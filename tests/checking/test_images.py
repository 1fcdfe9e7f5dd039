import numpy as np
import pytest
from made_up_cameras import scene, seen, transform
from matplotlib import colormaps
from PIL import Image

from fnet_jax.checking import images
from fnet_jax.synthetic import phantom, random_scene

SIZE = (240, 320)


def test_empty_and_saturated_images_are_noticed_and_others_are_not(rng):
    for value in (0, 128, 255):
        assert images.is_empty(np.full(SIZE, value, np.uint8))
    assert images.is_empty(rng.integers(100, 104, SIZE).astype(np.uint8))
    bright = scene()[0].copy()
    bright[:80] = 255
    assert images.saturated(bright) == pytest.approx(1 / 3, abs=0.02)
    for seed in range(4):
        for image in (*scene(seed), *random_scene(*SIZE, seed=seed)):
            assert not images.is_empty(image)
            assert not images.saturated(image)


@pytest.mark.parametrize(
    "matrix",
    [
        transform(0, 1, 30, 0, size=SIZE),
        transform(5, 1, 0, 0, size=SIZE),
        transform(-8, 0.9, 12, -20, size=SIZE),
        transform(0, 0.95, 0, 0, size=SIZE),
    ],
)
def test_what_warping_leaves_is_a_frame(matrix):
    for image in scene(1):
        warped = seen(np.maximum(image, 40), matrix)
        share = images.frame(warped)
        assert share == pytest.approx((warped.reshape(*SIZE, -1).max(2) < 3).mean(), abs=0.02)


def test_a_white_edge_of_a_screenshot_is_a_frame():
    image = scene(2)[0].copy()
    image[:12] = image[-12:] = 255
    assert images.frame(image) == pytest.approx(0.1, abs=0.01)


def test_a_picture_of_single_rows_is_no_frame():
    striped = np.zeros((800, 1000), np.uint8)
    striped[::2] = 80
    striped[301:308, 301:308] = 200
    assert images.frame(striped) == 0


def test_a_bright_sky_in_a_corner_is_no_frame():
    image = scene(2)[0].copy()
    y, x = np.mgrid[:240, :320]
    image[(y < 60) & (x > 220 + y)] = 255
    assert images.frame(image) == 0


def test_round_heads_and_scenes_are_in_no_frame():
    for seed in range(3):
        for image in (*scene(seed), *random_scene(*SIZE, seed=seed)):
            assert images.frame(image) == 0
    for image in phantom(256, 256)[:2]:
        levels = image if image.dtype == np.uint8 else np.uint8(255 * image)
        assert images.frame(levels) == 0


@pytest.mark.parametrize("name", ["inferno", "jet", "hot"])
def test_a_palette_is_told_from_natural_colors(name):
    infrared = scene(1)[1]
    drawn = np.uint8(255 * colormaps[name](infrared)[..., :3])
    assert images.is_palette(drawn)
    assert not images.is_palette(scene(1)[0])
    assert not images.is_palette(random_scene(*SIZE, seed=3)[0])


def test_a_palette_survives_jpeg(tmp_path):
    drawn = np.uint8(255 * colormaps["inferno"](scene(1)[1])[..., :3])
    Image.fromarray(drawn).save(tmp_path / "a.jpg", quality=90)
    assert images.is_palette(np.asarray(Image.open(tmp_path / "a.jpg")))
