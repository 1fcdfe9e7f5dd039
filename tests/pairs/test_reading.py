from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fnet_jax import images
from fnet_jax.pairs.match import Pair
from fnet_jax.pairs.reading import grey_and_color, swapped

COLORED = ("RGB", "RGBA", "P", "CMYK", "YCbCr")


def picture(rng, mode):
    levels = rng.integers(0, 256, (24, 40, 3), dtype=np.uint8)
    if mode == "I;16":
        return Image.fromarray(levels[..., 0].astype(np.uint16) * 257)
    return Image.fromarray(levels).convert(mode)


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [(".png", m) for m in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]
    + [(".jpg", m) for m in ("L", "RGB", "CMYK", "YCbCr")]
    + [(".tif", m) for m in ("1", "L", "P", "RGB", "RGBA", "I;16", "CMYK")]
    + [(".bmp", m) for m in ("L", "P", "RGB")],
)
def test_grey_is_that_of_images_read(tmp_path, rng, suffix, mode):
    path = tmp_path / f"a{suffix}"
    picture(rng, mode).save(path)
    found, colored = grey_and_color(path)
    expected = images.read(path, grey=True)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    assert colored == (mode in COLORED)


def test_the_line_names_one_pair_and_counts_more():
    pair = Pair(Path("a/1.png"), Path("b/1.png"))
    said = ": I2 shows color and I1 does not; are they swapped?"
    assert swapped([pair]) == f"a/1.png and b/1.png{said}"
    assert swapped([pair] * 1200) == f"1,200 pairs, such as a/1.png and b/1.png{said}"
