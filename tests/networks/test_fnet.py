import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from conftest import SMALL

from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.start import initial_params


def pair(rng, shape=(2, 20, 17, 1)):
    return [jnp.asarray(rng.uniform(size=shape), jnp.float32) for _ in range(2)]


def test_number_of_parameters():
    image = jax.ShapeDtypeStruct((1, 16, 16, 1), jnp.float32)
    params = jax.eval_shape(FNet().init, jax.random.key(0), image, image)
    assert sum(x.size for x in jax.tree.leaves(params)) == 419_916


def test_merged_equals_literal_with_gradients(rng):
    network, (I1, I2) = FNet(**SMALL), pair(rng, (1, 14, 11, 1))
    params = oracle.tame(initial_params(network, 1, method="xavier"))
    output, gradient = oracle.compare(
        lambda p, I1, I2: network.apply(p, I1, I2)[0],
        lambda p, I1, I2: oracle.fnet(p, I1, I2, SMALL["iterations"]),
        params,
        I1,
        I2,
    )
    assert output < 1e-5  # float32
    assert gradient < 1e-5


def test_intermediates_add_up(rng):
    network, (I1, I2) = FNet(**SMALL), pair(rng)
    params = initial_params(network, 1, method="xavier")
    If, found = jax.jit(network.apply)(params, I1, I2)
    p, correlate = params["params"], jax.jit(oracle.correlate)
    assert found["u1"].shape == found["u2"].shape == found["c"].shape == (2, 20, 17, 4)
    np.testing.assert_array_equal(found["If"], If)
    # Float32: the same terms, added or correlated in another order.
    np.testing.assert_allclose(found["If_u1"] + found["If_u2"] + found["If_c"], If, atol=1e-5)
    np.testing.assert_allclose(found["I1_hat"], I1 - correlate(found["u1"], p["D_u1"]), atol=1e-5)
    np.testing.assert_allclose(found["I2_hat"], I2 - correlate(found["u2"], p["D_u2"]), atol=1e-5)
    np.testing.assert_allclose(found["If_c"], correlate(found["c"], p["G_c"]), atol=1e-5)
    for name, code in (("lzsc_u1", "u1"), ("lzsc_u2", "u2"), ("lzsc_c", "c")):
        np.testing.assert_array_equal(found[name]["u"][-1], found[code])


def test_settings_make_an_equal_network():
    network = FNet(features=3, iterations=1, kernel_size=7, threshold="soft", alpha=0.2, gamma=5.0)
    assert FNet(**network.settings()) == network
    assert network.settings()["gamma"] == 5.0


def test_mask_makes_the_outside_zero(rng):
    network, (I1, I2) = FNet(**SMALL), pair(rng, (1, 11, 6, 1))
    params, fused = initial_params(network, 0, method="xavier"), jax.jit(network.apply)
    around = [jnp.ones((1, 16, 16, 1)).at[:, :11, :6].set(image) for image in (I1, I2)]
    mask = jnp.zeros((1, 16, 16, 1), bool).at[:, :11, :6].set(True)
    inside = np.asarray(fused(params, *around, mask=mask)[0])
    alone = fused(params, I1, I2)[0]
    assert oracle.relative_error(inside[:, :11, :6], alone) < 1e-6  # float32, another order
    assert not inside[:, 11:].any()
    assert not inside[:, :, 6:].any()


def test_gradients_of_black_images_are_finite():
    network, image = FNet(**SMALL), jnp.zeros((1, 8, 8, 1))
    params = initial_params(network, 0, method="xavier")
    gradient = jax.jit(jax.grad(lambda p: network.apply(p, image, image)[0].sum()))(params)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradient))


def test_wrong_images_are_refused(rng):
    I1, I2 = pair(rng)
    with pytest.raises(
        ValueError, match=r"I2 must have shape \(N, H, W, 1\): got \(2, 20, 17, 3\)"
    ):
        FNet().init(jax.random.key(0), I1, jnp.concatenate([I2] * 3, axis=3))
    with pytest.raises(ValueError, match="must have the same size"):
        FNet().init(jax.random.key(0), I1, I2[:, 1:])
