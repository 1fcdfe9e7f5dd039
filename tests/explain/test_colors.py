import itertools

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from fnet_jax.explain import colors


@pytest.mark.parametrize("kind", [None, *colors.DICHROMACY])
def test_all_kinds_of_color_vision_tell_the_colors_apart(kind):
    of_codes = np.stack([colors.rgb(code) for code in colors.COLORS])
    looks = of_codes if kind is None else colors.seen(of_codes, kind)
    lab = rgb2lab(looks)
    # 1 is the least difference that can be seen; 10 is told apart at a glance.
    assert all(deltaE_ciede2000(a, b) > 45 for a, b in itertools.combinations(lab, 2))


def test_mixtures_have_the_colors_at_their_corners():
    corners = colors.mixed(np.eye(3))
    for corner, code in zip(corners, colors.COLORS, strict=True):
        np.testing.assert_allclose(corner, colors.rgb(code))
    np.testing.assert_array_equal(colors.mixed(np.full((1, 3), np.nan)), [[1, 1, 1]])
    half = colors.mixed(np.array([0.5, 0, 0.5]))
    np.testing.assert_allclose(half, colors.rgb("u1") / 2)


def test_grey_looks_the_same_to_all():
    grey = np.full((1, 3), 0.4)
    for kind in colors.DICHROMACY:
        np.testing.assert_allclose(colors.seen(grey, kind), grey, atol=1e-4)


def test_light_is_decoded_and_encoded():
    levels = np.linspace(0, 1, 256)
    np.testing.assert_allclose(colors.encode(colors.decode(levels)), levels, atol=1e-6)
