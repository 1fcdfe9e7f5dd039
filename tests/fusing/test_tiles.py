import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import tame

from fnet_jax.fusing import plan, tiles
from fnet_jax.fusing.costs import COSTS
from fnet_jax.fusing.programs import Programs
from fnet_jax.fusing.shapes import area
from fnet_jax.networks.fnet import FNet


@pytest.fixture(scope="module")
def network(small_network):
    """A small network that does not amplify, as ``(network, params)``."""
    network, params = small_network
    return network, tame(params)


def programs(network):
    return Programs(network, jax.local_devices()[0])


@pytest.fixture(scope="module")
def whole(network):
    """Two images of odd size and what the network makes of them at once."""
    network, params = network
    I1, I2 = np.random.default_rng(0).random((2, 61, 75), np.float32)
    apply = jax.jit(lambda *images: network.apply(params, *images)[0])
    return I1, I2, np.asarray(apply(I1[None, ..., None], I2[None, ..., None]))[0, ..., 0]


@pytest.mark.parametrize("tile", [(16, 16), (61, 20), (31, 75), (13, 75), (20, 38), (61, 75)])
def test_tiles_give_the_whole(network, whole, tile):
    network, params = network
    I1, I2, expected = whole
    found = tiles.fuse(programs(network), params, I1, I2, tile)
    # Values are about 0.1. Sums in arrays of another shape are rounded otherwise, by some 1e-8.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_a_narrower_margin_would_not_do(network, whole, monkeypatch):
    network, params = network
    I1, I2, expected = whole
    assert tiles.margin(network) == 12  # (2 · 2 + 2) · 2
    assert tiles.margin(FNet()) == 40
    # The farthest pixels of the receptive field count for little: 6e-5 for 8 fewer of the 12.
    monkeypatch.setattr(tiles, "margin", lambda network: 4)
    found = tiles.fuse(programs(network), params, I1, I2, (31, 38))
    assert np.abs(found - expected).max() > 1e-5


def test_images_share_programs_where_tiles_have_one_shape(small_network, rng):
    network, params = small_network
    shared = programs(network)
    for size in ((64, 64), (80, 96), (96, 64)):
        I1, I2 = rng.random((2, *size), np.float32)
        tiles.fuse(shared, params, I1, I2, (32, 32))
    assert shared.compiled == len(shared) <= 2 * 3


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(20_000, 2_000_000))
def test_tiles_keep_to_the_pixels(height, width, pixels):
    network, size = FNet(), (height, width)
    tile = tiles.cut(size, network, pixels=pixels)
    assert 1 <= tile[0] <= height
    assert 1 <= tile[1] <= width
    assert area(tiles.shape_of(tile, size, network)) <= pixels
    if area((-(-height // 16) * 16, -(-width // 16) * 16)) <= pixels:
        assert tile == size  # nothing is cut without need


def test_tiles_of_a_given_side():
    network = FNet()
    assert tiles.cut((1000, 700), network, side=512) == (500, 350)
    assert tiles.cut((1000, 700), network, side=1000) == (1000, 700)
    assert max(tiles.cut((97, 101), network, side=10)) <= 10


def test_margins_of_a_large_image_cost_little():
    """Of 3840×2160 in the default budget, less than an eighth is computed twice."""
    network, size = FNet(), (2160, 3840)
    tile = tiles.cut(size, network, pixels=plan.BUDGET / (COSTS["xla"].tile * 4 * network.features))
    number = -(-size[0] // tile[0]) * -(-size[1] // tile[1])
    assert number * area(tiles.shape_of(tile, size, network)) < 1.125 * area(size)
