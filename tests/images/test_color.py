import numpy as np
import pytest

from fnet_jax.images import color


@pytest.fixture
def rgb(rng):
    return rng.integers(0, 256, size=(20, 30, 3), dtype=np.uint8)


def test_to_unit_and_back_is_exact():
    for dtype in (np.uint8, np.uint16):
        levels = np.arange(np.iinfo(dtype).max + 1, dtype=dtype)
        np.testing.assert_array_equal(color.from_unit(color.to_unit(levels), levels.dtype), levels)


def test_published_grey_keeps_grey_and_cuts_the_fraction(rgb):
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(color.published_grey(np.stack([levels] * 3, axis=-1)), levels)
    exact = rgb @ np.array([0.299, 0.587, 0.114])
    below = exact - color.published_grey(rgb)
    assert below.min() > -0.02  # weights of 15 bits: at most 255·2⁻¹⁵ above
    assert below.max() < 1.02


def test_grey_by_type(rgb):
    np.testing.assert_array_equal(color.grey(rgb), np.float32(color.published_grey(rgb)) / 255)
    unit = color.to_unit(rgb)
    np.testing.assert_allclose(color.grey(unit), unit @ np.float32([0.299, 0.587, 0.114]))
    np.testing.assert_array_equal(color.grey(rgb[..., 0]), unit[..., 0])


def test_colour_is_measured(rng, rgb):
    grey = np.stack([rng.integers(0, 256, size=(100, 100), dtype=np.uint8)] * 3, axis=2)
    assert not color.is_color(grey[..., 0])
    assert not color.is_color(grey)
    assert not color.is_color(np.clip(grey + rng.integers(-2, 3, grey.shape), 0, 255) / 255.0)
    assert color.is_color(rgb)
    grey[:4, :4] = (200, 30, 30)  # 16 pixels of 10,000
    assert color.is_color(grey)


def test_auto_chooses(rgb):
    grey = np.stack([rgb[..., 0]] * 3, axis=2)
    for image, expected in ((grey, (20, 30)), (rgb, (20, 30, 3)), (rgb[..., 1], (20, 30))):
        channel, recombine = color.separate(image, "auto")
        assert channel.dtype == np.float32
        assert recombine(channel).shape == expected


@pytest.mark.parametrize("mode", ["full", "limited"])
def test_unchanged_luma_gives_the_image_back(rgb, mode):
    channel, recombine = color.separate(rgb, mode)
    back = color.from_unit(recombine(channel), rgb.dtype).astype(int)
    # Limited range rounds Y', Cb and Cr to 8 bits, which moves a channel by up to 2 levels.
    assert np.abs(back - rgb).max() <= (0 if mode == "full" else 2)


def test_full_keeps_chroma(rgb):
    channel, recombine = color.separate(rgb // 2 + 60, "full")  # far enough from 0 and 255
    before, after = color.to_unit(rgb // 2 + 60), recombine(channel + 0.1)
    np.testing.assert_allclose(after - after[..., :1], before - before[..., :1], atol=1e-6)
    np.testing.assert_allclose(color.grey(after), channel + 0.1, atol=1e-6)


def test_limited_range_of_known_colours():
    """Corners of the cube and their studio-swing luma (ITU-R BT.601)."""
    corners = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], "u1")
    channel, _ = color.separate(corners, "limited")
    np.testing.assert_allclose(channel[0] * 255, [16, 235, 81, 145, 41], atol=1e-4)


def test_results_are_clipped(rgb):
    for mode in color.MODES:
        channel, recombine = color.separate(rgb, mode)
        for value in (-1.0, 2.0):
            result = recombine(np.full_like(channel, value))
            assert result.min() >= 0
            assert result.max() <= 1


def test_unknown_mode_is_refused(rgb):
    with pytest.raises(ValueError, match="'sepia'"):
        color.separate(rgb, "sepia")


def test_rounded_grey():
    """Thousandths of 299 R + 587 G + 114 B, to the nearest level; grey stays as it is."""
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [5, 5, 5], [0, 0, 250]]], "u1")
    assert color.rounded_grey(colours).tolist() == [[76, 150, 29, 5, 28]]  # 28.5 to the even 28
    levels = np.arange(256, dtype=np.uint8)[None]
    assert (color.rounded_grey(np.stack([levels] * 3, axis=2)) == levels).all()
    assert color.rounded_grey(levels) is levels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_color_begins_at_the_same_level_in_every_type(dtype):
    white = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    for levels, colored in ((7, False), (7.9, False), (8, True), (200, True)):
        for low, high in ((0, 2), (1, 0), (2, 1)):  # which channels are darkest and brightest
            image = np.full((10, 100, 3), 20 * white / 255).astype(dtype)
            image[0, 0, low] = 10 * white / 255
            image[0, 0, high] = (10 + levels) * white / 255
            image[0, 0, 3 - low - high] = (10 + levels / 2) * white / 255
            assert color.is_color(image) == colored
