import functools
import inspect
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from conftest import SMALL
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fnet_jax.sparse_coding.lzsc import LZSC
from fnet_jax.sparse_coding.schedule import inverse_softplus, schedule

free = st.floats(-1e4, 1e4, width=32)


ULP = np.finfo(np.float32).eps


@functools.partial(jax.jit, static_argnums=1)
def schedule_and_gradients(parameters, iterations):
    gradients = jax.jacrev(lambda p: schedule(*p, iterations))(parameters)
    return *schedule(*parameters, iterations), gradients


@given(st.tuples(free, free, free, free), st.sampled_from([0, 1, 4, 12]))
@settings(max_examples=300, deadline=None)
@example((-200.0, -200.0, -200.0, -200.0), 4)
@example((0.0, 0.0, 0.0, -45.0), 4)
@example((1e4, 1e4, 1e4, -1e4), 4)
@example((8.896, -21.020, -17.423, 0.1145), 4)
def test_schedule_holds_for_any_free_parameters(parameters, iterations):
    theta, rho, gradients = schedule_and_gradients(jnp.float32(parameters), iterations)
    assert theta.shape == rho.shape == (iterations + 1,)
    assert (theta > 0).all()
    assert rho[0] == 0
    assert (rho >= 0).all()
    assert (rho < 1).all()
    # Monotone but for the last bit, where float32 cannot tell neighbours apart.
    assert (jnp.diff(theta) <= 2 * ULP * theta[:-1]).all()
    assert (jnp.diff(rho) >= -2 * ULP).all()
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))


@given(st.tuples(*[st.floats(-5, 5, width=32)] * 4))
@settings(max_examples=100, deadline=None)
def test_schedule_is_strict_for_moderate_parameters(parameters):
    theta, rho, _ = schedule_and_gradients(jnp.float32(parameters), 4)
    assert (jnp.diff(theta) < 0).all()
    assert (jnp.diff(rho) > 0).all()


def test_schedule_starts_as_in_the_paper():
    slope = jnp.float32(inverse_softplus(0.5))
    theta, rho = schedule(slope, jnp.float32(-2), slope, jnp.float32(0), 4)
    k = np.arange(5)
    sp = lambda x: np.log1p(np.exp(x))
    np.testing.assert_allclose(theta, sp(-0.5 * k - 2), rtol=1e-5)  # float32
    np.testing.assert_allclose(rho, 1 - sp(0.0) / sp(0.5 * k), atol=1e-6)


@pytest.mark.parametrize(
    ("channels", "iterations", "double"),
    [(1, 0, True), (2, 1, True), (2, 4, True), (2, 4, False)],
)
def test_merged_equals_literal_with_gradients(rng, channels, iterations, double):
    block = LZSC(features=6, iterations=iterations)
    with jax.enable_x64(double):
        e = jnp.asarray(rng.uniform(size=(2, 12, 9, channels)), float)
        params = jax.tree.map(e.dtype.type, oracle.drawn(block, channels))
        output, gradient = oracle.compare(
            lambda p, e: block.apply(p, e)[0],
            lambda p, e: oracle.lzsc(p["params"], e, iterations),
            params if double else oracle.tame(params),
            e,
        )
    tolerance = 1e-11 if double else 1e-5  # rounding, amplified by four iterations
    assert output < tolerance
    assert gradient < tolerance


def test_number_of_parameters():
    for channels in (1, 2):
        e = jax.ShapeDtypeStruct((1, 8, 8, channels), jnp.float32)
        params = jax.eval_shape(LZSC().init, jax.random.key(0), e)
        # 5 W_e, 4 W_d and W_u, 3 W'_d and W'_u of 81·64·C each, and the four scalars of eq. 21.
        assert sum(x.size for x in jax.tree.leaves(params)) == 19 * 81 * 64 * channels + 4


def test_intermediates(rng):
    block = LZSC(**SMALL)
    e = jnp.asarray(rng.uniform(size=(2, 9, 8, 1)), jnp.float32)
    u, found = jax.jit(block.apply)(oracle.drawn(block, channels=1), e)
    assert len(found["u"]) == len(found["before_threshold"]) == 3
    assert found["theta"].shape == found["rho"].shape == (3,)
    np.testing.assert_array_equal(found["u"][-1], u)
    sigmoidal = jax.jit(oracle.sigmoidal)
    for k in range(3):
        np.testing.assert_allclose(
            sigmoidal(found["before_threshold"][k], found["theta"][k]),
            found["u"][k],
            atol=1e-6,  # float32: another form of the sigmoid
        )


def test_gradients_of_a_black_image_are_finite():
    block = LZSC(**SMALL)
    params, e = oracle.drawn(block, channels=1), jnp.zeros((1, 8, 8, 1))
    gradient = jax.jit(jax.grad(lambda p, e: block.apply(p, e)[0].sum(), argnums=(0, 1)))(params, e)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradient))


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_threshold_kinds_make_exact_zeros(rng, kind):
    block = LZSC(**SMALL, threshold=kind)
    e = jnp.asarray(rng.uniform(size=(1, 16, 16, 1)), jnp.float32)
    u, found = jax.jit(block.apply)(oracle.drawn(block, channels=1), e)
    u = np.asarray(u)
    nonzero = u[u != 0]
    assert 0 < nonzero.size < u.size
    if kind == "hard":
        assert abs(nonzero).min() > found["theta"][-1]


def test_mask_makes_the_outside_zero(rng):
    """A 9×7 image inside an array of 16×16, with garbage around, is coded as it is alone."""
    block = LZSC(**SMALL)
    e = jnp.asarray(rng.uniform(size=(1, 9, 7, 1)), jnp.float32)
    params, code = oracle.drawn(block, channels=1), jax.jit(block.apply)
    around = jnp.ones((1, 16, 16, 1)).at[:, :9, :7].set(e)
    mask = jnp.zeros((1, 16, 16, 1)).at[:, :9, :7].set(1)
    alone, inside = code(params, e)[0], code(params, around, mask=mask)[0]
    np.testing.assert_allclose(inside[:, :9, :7], alone, atol=1e-6)  # sums in another order
    assert not inside[:, 9:].any()
    assert not inside[:, :, 7:].any()


def test_wrong_settings_and_images_are_refused():
    image = jnp.zeros((1, 8, 8, 1))
    for bad, message in [
        ({"features": 0}, "features must be a whole number from 1"),
        ({"iterations": -1}, "iterations must be a whole number from 0"),
        ({"kernel_size": 4}, "kernel_size must be odd"),
        ({"threshold": "firm"}, "unknown threshold 'firm'"),
    ]:
        with pytest.raises(ValueError, match=message):
            LZSC(**bad).init(jax.random.key(0), image)
    with pytest.raises(ValueError, match=r"e must have shape \(N, H, W, C\): got \(8, 8, 1\)"):
        LZSC().init(jax.random.key(0), image[0])
    with pytest.raises(ValueError, match="e must be floating point"):
        LZSC().init(jax.random.key(0), image.astype(jnp.uint8))


def test_the_experiment_of_the_docstring_runs(capsys):
    text = inspect.getdoc(LZSC).split("::\n\n", 1)[1].split("\n\nParameters", 1)[0]
    exec(textwrap.dedent(text), {})
    missed, density = map(float, capsys.readouterr().out.split())
    # An all-black answer misses 1. Before training 0.79 of the code is not zero; it measured
    # 0.11 and 0.69 after.
    assert missed < 0.2
    assert 0 < density < 0.75
