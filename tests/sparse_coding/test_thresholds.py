import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fnet_jax.sparse_coding import thresholds

X = np.linspace(-3, 3, 601, dtype=np.float32)  # holds 0 and, up to rounding, ±θ below


def minimiser(cost):
    """The z on a dense grid that minimises ``cost(z, x)``, for each x of X."""
    z = np.linspace(-4, 4, 8001, dtype=np.float64)
    return z[np.argmin(cost(z[None, :], X[:, None].astype(np.float64)), axis=1)]


@pytest.mark.parametrize("theta", [0.3, 1.0])
def test_hard_solves_its_problem(theta):
    found = thresholds.hard(X, theta)
    best = minimiser(lambda z, x: 0.5 * (z - x) ** 2 + 0.5 * theta**2 * (np.abs(z) > 1e-9))
    away = np.abs(np.abs(X) - theta) > 1e-3  # at |x| = θ both 0 and x are minimisers
    np.testing.assert_allclose(found[away], best[away], atol=1e-3)  # the grid's spacing


@pytest.mark.parametrize("theta", [0.3, 1.0])
def test_soft_solves_its_problem(theta):
    best = minimiser(lambda z, x: 0.5 * (z - x) ** 2 + theta * np.abs(z))
    np.testing.assert_allclose(thresholds.soft(X, theta), best, atol=1e-3)  # the grid's spacing


@pytest.mark.parametrize(("alpha", "limit"), [(0.0, thresholds.hard), (1.0, thresholds.soft)])
def test_sigmoidal_becomes_hard_or_soft(alpha, limit):
    away = np.abs(np.abs(X) - 1) > 1e-3  # within 1/γ of θ the sigmoid is still rising
    found = thresholds.sigmoidal(X, 1.0, alpha=alpha, gamma=1e6)
    np.testing.assert_allclose(found[away], limit(X, 1.0)[away], atol=1e-6)


def test_sigmoidal_converges_as_gamma_grows():
    away = np.abs(np.abs(X) - 1) > 0.05
    error = [
        np.abs(thresholds.sigmoidal(X, 1.0, alpha=0, gamma=g) - thresholds.hard(X, 1.0))[away].max()
        for g in (10, 100, 1000)
    ]
    assert error[0] > 10 * error[1] > 100 * error[2]


@pytest.mark.parametrize("kind", ["hard", "soft", "sigmoidal"])
def test_odd_and_finite_with_finite_gradients(kind):
    threshold = thresholds.make(kind, alpha=0.1, gamma=100.0)
    x = jnp.concatenate([X, jnp.array([0.0, -0.0, 1e30, -1e30, 1e-38])])
    np.testing.assert_array_equal(threshold(-x, 0.5), -threshold(x, 0.5))
    for theta in (0.0, 0.5):
        gradient = jax.grad(lambda x, t: threshold(x, t).sum(), argnums=(0, 1))(x, theta)
        assert all(np.isfinite(g).all() for g in gradient)
    assert threshold(jnp.zeros(3), 0.5).tolist() == [0, 0, 0]


def test_sigmoidal_gradient_is_that_of_finite_differences():
    x = jnp.array([-2.0, -1.01, -0.3, 0.2, 0.99, 1.5])
    f = lambda x, t: thresholds.sigmoidal(x, t, alpha=0.1, gamma=10.0)
    dx, dt = jax.grad(lambda x, t: f(x, t).sum(), argnums=(0, 1))(x, 1.0)
    h = 1e-3  # truncation h² and rounding 1e-7 / h both stay below 1e-3
    np.testing.assert_allclose(dx, (f(x + h, 1.0) - f(x - h, 1.0)) / (2 * h), atol=2e-3)
    np.testing.assert_allclose(dt, ((f(x, 1.0 + h) - f(x, 1.0 - h)) / (2 * h)).sum(), atol=5e-3)


@pytest.mark.parametrize("theta", [0.3, [0.1, 0.3, 0.5], [[0.2], [0.4]]])
def test_sigmoidal_gradient_is_that_of_the_equation(rng, theta):
    """Against JAX's own derivative of eq. 6, where θ is one number or broadcasts either way."""

    def equation(x, theta):
        magnitude = jnp.abs(x)
        gate = jax.nn.sigmoid(30 * (magnitude - theta))
        return jnp.sign(x) * (magnitude - 0.1 * theta) * gate

    x = jnp.asarray(rng.normal(size=(2, 3)), jnp.float32).at[0, 1].set(0)
    theta = jnp.asarray(theta)
    found, pull = jax.vjp(lambda x, t: thresholds.sigmoidal(x, t, alpha=0.1, gamma=30.0), x, theta)
    expected, pull_expected = jax.vjp(equation, x, theta)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    cotangent = jnp.asarray(rng.normal(size=(2, 3)), jnp.float32)
    # Of sums of terms up to γ·|x|/4 ≈ 10, in another order.
    for one, other in zip(pull(cotangent), pull_expected(cotangent), strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    wide = thresholds.sigmoidal(x[0, :1], theta, alpha=0.1, gamma=30.0)
    np.testing.assert_allclose(wide, equation(x[0, :1], theta), atol=1e-6)


def test_sigmoidal_keeps_nan():
    assert np.isnan(thresholds.sigmoidal(jnp.array([np.nan]), 0.1)).all()


def test_unknown_kind_is_refused():
    with pytest.raises(ValueError, match=r"'firm'.*'sigmoidal', 'hard' or 'soft'"):
        thresholds.make("firm", alpha=0.1, gamma=100.0)
