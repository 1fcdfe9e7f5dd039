import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from conftest import SMALL

from fnet_jax.networks.ifnet import IFNet
from fnet_jax.networks.start import initial_params


def test_number_of_parameters():
    image = jax.ShapeDtypeStruct((1, 16, 16, 1), jnp.float32)
    params = jax.eval_shape(IFNet().init, jax.random.key(0), image)
    assert sum(x.size for x in jax.tree.leaves(params)) == 207_368


def test_merged_equals_literal_with_gradients(rng):
    network = IFNet(**SMALL)
    If = jnp.asarray(rng.uniform(size=(2, 9, 12, 1)), jnp.float32)
    params = oracle.tame(initial_params(network, 1, method="xavier"))
    output, gradient = oracle.compare(
        lambda p, If: network.apply(p, If)[0],
        lambda p, If: oracle.ifnet(p, If, SMALL["iterations"]),
        params,
        If,
    )
    assert output < 1e-5  # float32
    assert gradient < 1e-5


def test_intermediates(rng):
    If = jnp.asarray(rng.uniform(size=(1, 8, 9, 1)), jnp.float32)
    network = IFNet(**SMALL)
    params = initial_params(network, 0, method="xavier")
    (I1, I2), found = jax.jit(network.apply)(params, If)
    np.testing.assert_array_equal(found["I1"], I1)
    np.testing.assert_array_equal(found["I2"], I2)
    assert found["x1"].shape == found["x2"].shape == (1, 8, 9, 4)
    for name, code in (("lzsc_x1", "x1"), ("lzsc_x2", "x2")):
        np.testing.assert_array_equal(found[name]["u"][-1], found[code])


def test_wrong_image_is_refused():
    with pytest.raises(ValueError, match="If must have shape"):
        IFNet().init(jax.random.key(0), jnp.zeros((8, 8, 1)))
