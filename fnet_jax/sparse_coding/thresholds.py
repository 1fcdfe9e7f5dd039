"""The thresholds of sparse coding: hard (eq. 3), soft (eq. 5) and sigmoidal (eq. 6).

Each acts element by element on arrays ``x`` of any shape and is odd in ``x``. θ ≥ 0 broadcasts
against ``x``; the result has the broadcast shape.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

KINDS = ("sigmoidal", "hard", "soft")


def hard(x: jax.Array, theta: jax.Array | float) -> jax.Array:
    """Hard threshold H_θ(x) = x where |x| > θ, else 0 (eq. 3).

    Solves argmin_z ½(z − x)² + (θ²/2)·[z ≠ 0]. Its derivative is 1 or 0 in ``x`` and 0 in θ, so
    gradient descent cannot learn θ through it. θ ≥ 0 broadcasts against ``x``.
    """
    return jnp.where(jnp.abs(x) > theta, x, jnp.zeros_like(x))


def soft(x: jax.Array, theta: jax.Array | float) -> jax.Array:
    """Soft threshold S_θ(x) = sign(x)·max(|x| − θ, 0) (eq. 5).

    Solves argmin_z ½(z − x)² + θ|z|. θ ≥ 0 broadcasts against ``x``.
    """
    return jnp.sign(x) * jnp.maximum(jnp.abs(x) - theta, 0)


def sigmoidal(
    x: jax.Array, theta: jax.Array | float, *, alpha: float = 0.1, gamma: float = 100.0
) -> jax.Array:
    """Sigmoidal threshold T_{α,γ,θ}(x) = sign(x)·(|x| − αθ)·σ(γ(|x| − θ)) (eq. 6).

    It minimizes nothing exactly: it is a smooth approximation of the hard threshold (α → 0, γ →
    ∞) and the soft one (α → 1, γ → ∞) through which θ can be learned. σ is the logistic function.
    The paper omits sign(x), which belongs there. Values do not become exactly 0: below θ they are
    scaled by less than ½, and below αθ they have the opposite sign of x, with a jump of
    2αθ·σ(−γθ) at x = 0, where value and derivatives are defined as 0. Differentiable in reverse
    mode only.

    Args:
        x: values before the threshold, any shape.
        theta: threshold θ ≥ 0, broadcast against ``x``.
        alpha: share α in [0, 1] of θ that large values lose.
        gamma: steepness γ > 0 of the transition at θ, in 1 / units of ``x``.
    """
    dtype = jnp.result_type(x, theta, 0.0)
    x, theta = jnp.asarray(x, dtype), jnp.asarray(theta, dtype)
    shape = jnp.broadcast_shapes(x.shape, theta.shape)
    return _sigmoidal(jnp.broadcast_to(x, shape), theta, alpha, gamma)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _sigmoidal(x: jax.Array, theta: jax.Array, alpha: float, gamma: float) -> jax.Array:
    return _sigmoidal_forward(x, theta, alpha, gamma)[0]


def _sigmoidal_forward(
    x: jax.Array, theta: jax.Array, alpha: float, gamma: float
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    gate = jax.nn.sigmoid(gamma * (jnp.abs(x) - theta))
    less = alpha * theta
    shrunk = jnp.where(x > 0, x - less, jnp.where(x < 0, x + less, x))
    return shrunk * gate, (x, theta, gate)


def _sigmoidal_backward(
    alpha: float, gamma: float, residuals: tuple[jax.Array, ...], cotangent: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The derivatives, in an order in which XLA on a CPU writes one map instead of six.

    With σ the gate and d = (|x| − αθ)·γσ(1 − σ), they are σ + d in x and −sign(x)·(ασ + d) in θ.
    """
    x, theta, gate = residuals
    slope = gamma * (jnp.abs(x) - alpha * theta) * gate * (1 - gate)
    in_x = jnp.where(x == 0, 0, gate + slope) * cotangent
    in_theta = -jnp.sign(x) * (in_x - (1 - alpha) * gate * cotangent)
    _, sum_over_broadcast = jax.vjp(lambda theta: jnp.broadcast_to(theta, x.shape), theta)
    return in_x, sum_over_broadcast(in_theta)[0]


_sigmoidal.defvjp(_sigmoidal_forward, _sigmoidal_backward)


def make(kind: str, *, alpha: float, gamma: float) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """The threshold ``(x, theta) -> array`` of a kind; ``alpha`` and ``gamma`` are eq. 6's.

    Raises:
        ValueError: ``kind`` is not ``"sigmoidal"``, ``"hard"`` or ``"soft"``.
    """
    if kind == "sigmoidal":
        return lambda x, theta: sigmoidal(x, theta, alpha=alpha, gamma=gamma)
    if kind in ("hard", "soft"):
        return {"hard": hard, "soft": soft}[kind]
    raise ValueError(f"unknown threshold {kind!r}: use 'sigmoidal', 'hard' or 'soft'")
