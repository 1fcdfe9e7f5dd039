"""Each kind of momentum in a block, against the equations as they are printed."""

import functools

import jax
import jax.numpy as jnp
import oracle
import pytest

from fnet_jax.sparse_coding import momentum
from fnet_jax.sparse_coding.lzsc import LZSC

FILTERS = {"nesterov": 19, "none": 13, "polyak": 13, "quasi-hyperbolic": 13}  # at N = 4


def block_and_input(rng, kind, *, iterations=3, **settings):
    block = LZSC(features=3, iterations=iterations, kernel_size=5, momentum=kind, **settings)
    e = jnp.asarray(rng.uniform(size=(2, 9, 8, 2)), jnp.float32)
    return block, oracle.tame(oracle.drawn(block, channels=2)), e


def code(block, params, e):
    return jax.jit(block.apply)(params, e)[0]


@pytest.mark.parametrize(
    ("kind", "shared"),
    [  # Nesterov's with filters of their own is the block of test_lzsc.py
        (kind, shared)
        for kind in momentum.KINDS
        for shared in (False, True)
        if shared or kind != "nesterov"
    ],
)
def test_merged_equals_literal_with_gradients(rng, kind, shared):
    block, params, e = block_and_input(rng, kind, shared=shared)
    output, gradient = oracle.compare(
        lambda p, e: block.apply(p, e)[0],
        lambda p, e: oracle.variant(p["params"], e, 3, momentum=kind, shared=shared),
        params,
        e,
    )
    assert output < 1e-5  # float32, amplified by three iterations
    assert gradient < 1e-5


@pytest.mark.parametrize(
    ("settings", "threshold"),
    [
        ({"threshold": "soft"}, oracle.soft),
        (
            {"alpha": 0.9, "gamma": 50.0},
            functools.partial(oracle.sigmoidal, alpha=0.9, gamma=50.0),
        ),
    ],
    ids=["AE2", "AE7 and AE8"],
)
def test_other_thresholds_equal_the_literal_ones(rng, settings, threshold):
    """AE2, AE7, AE8, and IFNet of AE12, whose blocks are AE2's."""
    block, params, e = block_and_input(rng, "nesterov", iterations=2, **settings)
    output, gradient = oracle.compare(
        lambda p, e: block.apply(p, e)[0],
        lambda p, e: oracle.variant(p["params"], e, 2, threshold=threshold),
        params,
        e,
    )
    assert output < 1e-5  # as above
    assert gradient < 1e-5
    plain, _, _ = block_and_input(rng, "nesterov", iterations=2)
    assert oracle.relative_error(code(block, params, e), code(plain, params, e)) > 1e-3


@pytest.mark.parametrize("kind", momentum.KINDS)
def test_number_of_parameters(kind):
    for shared, filters in ((False, FILTERS[kind]), (True, 5 if kind == "nesterov" else 3)):
        block = LZSC(momentum=kind, shared=shared)
        e = jax.ShapeDtypeStruct((1, 8, 8, 1), jnp.float32)
        params = jax.eval_shape(block.init, jax.random.key(0), e)
        scalars = 2 if kind == "none" else 4  # without momentum there is no rho
        assert sum(x.size for x in jax.tree.leaves(params)) == filters * 81 * 64 + scalars


@pytest.mark.parametrize("kind", momentum.KINDS[2:])
def test_momentum_changes_the_code(rng, kind):
    block, params, e = block_and_input(rng, kind)
    without = LZSC(features=3, iterations=3, kernel_size=5, momentum="none")
    names = {"w_rho", "b_rho"}
    same = {"params": {n: x for n, x in params["params"].items() if n not in names}}
    assert oracle.relative_error(code(block, params, e), code(without, same, e)) > 1e-3


def test_without_momentum_rho_is_zero(rng):
    block, params, e = block_and_input(rng, "none", iterations=2)
    assert not jax.jit(block.apply)(params, e)[1]["rho"].any()


@pytest.mark.parametrize("kind", momentum.KINDS)
def test_no_iteration_needs_one_before(kind, rng):
    block, params, e = block_and_input(rng, kind, iterations=0)
    expected = jax.jit(lambda p: oracle.variant(p, e, 0, momentum=kind))(params["params"])
    assert oracle.relative_error(code(block, params, e), expected) < 1e-5


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="unknown momentum 'heavy': use 'nesterov', 'none'"):
        LZSC(momentum="heavy").init(jax.random.key(0), jnp.zeros((1, 4, 4, 1)))
