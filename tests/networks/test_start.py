import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import SMALL

from fnet_jax.networks import start
from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.ifnet import IFNet
from fnet_jax.networks.start import initial_params
from fnet_jax.sparse_coding.correlation import correlate
from fnet_jax.sparse_coding.operators import adjoint

NETWORKS = [FNet(), IFNet(**SMALL), FNet(features=30, iterations=3, kernel_size=3)]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("method", start.METHODS)
def test_the_shapes_are_the_networks(network, method):
    image = jnp.zeros((1, 4, 4, 1))
    images = (image, image) if isinstance(network, FNet) else (image,)
    expected = jax.eval_shape(network.init, jax.random.key(0), *images)
    found = initial_params(network, 0, method=method)
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(lambda x: x.shape, expected)
    assert {x.dtype for x in jax.tree.leaves(found)} == {np.dtype("float32")}


@pytest.mark.parametrize("network", NETWORKS)
def test_every_tied_block_is_one_dictionary_that_does_not_expand(network):
    params = initial_params(network, 3)["params"]
    blocks = [block for name, block in params.items() if name.startswith("lzsc_")]
    for block in blocks:
        W = block["W_e_0"]
        np.testing.assert_allclose(start.operator_norm(W), 1, rtol=1e-4)
        for name, filters in block.items():
            if filters.ndim:
                np.testing.assert_array_equal(filters, adjoint(W) if "W_d" in name else W)
    first, second = blocks[0]["W_e_0"], blocks[1]["W_e_0"]
    assert first.shape != second.shape or (first != second).any()


def test_atoms_are_orthogonal(rng):
    W = start.dictionary(rng, (9, 9, 2, 64)).reshape(-1, 64)
    gram = W.T @ W
    np.testing.assert_allclose(gram, gram[0, 0] * np.eye(64), atol=1e-6)


def test_the_start_averages_and_keeps_brightness(rng):
    x = np.linspace(0, 3, 48)
    I1 = np.float32(0.5 + 0.3 * np.sin(x)[:, None] * np.cos(x))[None, ..., None]
    I2 = np.float32(0.4 + 0.3 * np.cos(x)[:, None] * np.sin(2 * x))[None, ..., None]
    fnet, ifnet = FNet(), IFNet()
    If, _ = jax.jit(fnet.apply)(initial_params(fnet, 0), I1, I2)
    (again, _), _ = jax.jit(ifnet.apply)(initial_params(ifnet, 1), If)
    inside = np.s_[:, 8:-8, 8:-8]  # zeros outside darken the border
    # thresholds and few iterations lose some of it; Xavier is off by hundreds
    assert np.abs(If - (I1 + I2) / 2)[inside].mean() < 0.08
    assert np.abs(again - If)[inside].mean() < 0.15


def test_the_seed_decides():
    one, same, other = (initial_params(FNet(**SMALL), s) for s in (1, 1, 2))
    leaves = [jax.tree.leaves(p) for p in (one, same, other)]
    assert all((a == b).all() for a, b in zip(leaves[0], leaves[1], strict=True))
    assert any((a != b).any() for a, b in zip(leaves[0], leaves[2], strict=True))


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="'zeros': use one of tied, xavier"):
        initial_params(FNet(), 0, method="zeros")


@pytest.mark.parametrize("channels", [(1, 6), (2, 6), (6, 1)])
def test_the_norm_is_reached_by_large_images_and_never_passed(rng, channels):
    kernel = jnp.asarray(rng.normal(size=(5, 5, *channels)), jnp.float32)
    norm = start.operator_norm(kernel)
    np.testing.assert_allclose(start.operator_norm(adjoint(kernel)), norm, rtol=1e-5)
    x = np.float32(rng.normal(size=(1, 24, 24, channels[0])))
    round_trip = jax.jit(lambda x: correlate(correlate(x, kernel), adjoint(kernel)))
    for _ in range(60):  # the power method: from below
        x = np.asarray(round_trip(x))
        x = x / np.linalg.norm(x)
    assert 0.8 * norm < np.linalg.norm(jax.jit(correlate)(x, kernel)) <= norm * (1 + 1e-5)
