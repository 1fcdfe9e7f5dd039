"""The ℓ1 block of Sreter and Giryes, against its equations as they are printed."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.start import initial_params
from fnet_jax.sparse_coding.lcsc import LCSC


@pytest.mark.parametrize("channels", [1, 2])
def test_it_equals_the_printed_equations_with_gradients(rng, channels):
    block = LCSC(features=3, iterations=2, kernel_size=5)
    e = jnp.asarray(rng.uniform(size=(2, 9, 8, channels)), jnp.float32)
    params = oracle.tame(oracle.drawn(block, channels))
    output, gradient = oracle.compare(
        lambda p, e: block.apply(p, e)[0], lambda p, e: oracle.lcsc(p["params"], e, 2), params, e
    )
    assert output < 1e-5  # float32
    assert gradient < 1e-5


def test_number_of_parameters():
    for channels in (1, 2):
        e = jax.ShapeDtypeStruct((1, 8, 8, channels), jnp.float32)
        params = jax.eval_shape(LCSC().init, jax.random.key(0), e)
        assert sum(x.size for x in jax.tree.leaves(params)) == 2 * 81 * 64 * channels + 64


def test_a_tied_block_descends_on_its_l1_problem(rng):
    """With W_d the adjoint of W_e, of norm 1, it is ISTA: the objective never rises."""
    e = jnp.asarray(rng.uniform(size=(1, 16, 16, 1)), jnp.float32)
    fnet = FNet(features=6, block="lcsc", threshold="soft", shared=True, momentum="none")
    params = initial_params(fnet, 0)["params"]["lzsc_u1"]
    _, found = jax.jit(LCSC(features=6, iterations=20).apply)({"params": params}, e)
    image = jax.jit(oracle.correlate)
    costs = [
        0.5 * np.sum((e - image(u, params["W_d"])) ** 2) + found["theta"][0] * np.sum(np.abs(u))
        for u in found["u"]
    ]
    assert (np.diff(costs) < 1e-4).all()  # of about 5: rounding
    assert costs[-1] < costs[0]


def test_each_feature_has_a_threshold_that_makes_zeros(rng):
    block = LCSC(features=4, iterations=2, kernel_size=5)
    e = jnp.asarray(rng.uniform(size=(1, 16, 16, 1)), jnp.float32)
    params, code = oracle.drawn(block, channels=1), jax.jit(block.apply)
    u, found = code(params, e)
    assert found["theta"].shape == (4,)
    assert (found["theta"] > 0).all()
    np.testing.assert_array_equal(found["u"][-1], u)
    params["params"]["free_theta"] = np.float32([50, -4, -4, -4])
    u, _ = code(params, e)
    assert not u[..., 0].any()
    assert u[..., 1].any()


def test_mask_makes_the_outside_zero(rng):
    block = LCSC(features=4, iterations=2, kernel_size=5)
    e = jnp.asarray(rng.uniform(size=(1, 9, 7, 1)), jnp.float32)
    params, code = oracle.drawn(block, channels=1), jax.jit(block.apply)
    around = jnp.ones((1, 16, 16, 1)).at[:, :9, :7].set(e)
    mask = jnp.zeros((1, 16, 16, 1)).at[:, :9, :7].set(1)
    alone, inside = code(params, e)[0], code(params, around, mask=mask)[0]
    np.testing.assert_allclose(inside[:, :9, :7], alone, atol=1e-6)  # sums in another order
    assert not inside[:, 9:].any()
    assert not inside[:, :, 7:].any()


def test_settings_that_make_another_block_are_refused():
    with pytest.raises(ValueError, match="shared weights and no momentum: got shared False"):
        LCSC(shared=False).init(jax.random.key(0), jnp.zeros((1, 4, 4, 1)))
