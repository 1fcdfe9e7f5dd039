"""The schedule of thresholds θᵏ and momentum weights ρᵏ over the iterations (eq. 21)."""

import math

import jax
import jax.numpy as jnp

Scalar = jax.Array | float


def schedule(
    w_theta: Scalar, b_theta: Scalar, w_rho: Scalar, b_rho: Scalar, iterations: int
) -> tuple[jax.Array, jax.Array]:
    """Thresholds θᵏ and momentum weights ρᵏ for k = 0…N (eq. 21).

    With sp the softplus, ``θᵏ = sp(−sp(w_theta)·k + b_theta)`` is positive and falls with k, and
    ``ρᵏ = 1 − sp(b_rho) / sp(sp(w_rho)·k + b_rho)`` starts at 0, rises with k and stays below 1,
    for all values of the four free scalars. (Eq. 21 prints w_ρ < 0, with which ρᵏ would fall; the
    slopes here are −sp(w_theta) < 0 and sp(w_rho) > 0.)

    Args:
        w_theta: free parameter of θ's slope.
        b_theta: offset of θ.
        w_rho: free parameter of ρ's slope.
        b_rho: offset of ρ.
        iterations: N ≥ 0.

    Returns:
        ``(theta, rho)``, each of shape (N + 1,). A value within rounding of its bound is clamped
        inside the bound, where its derivatives vanish; derivatives are finite everywhere.
    """
    k = jnp.arange(iterations + 1, dtype=jnp.result_type(b_theta))
    limits = jnp.finfo(k.dtype)
    least = math.sqrt(limits.tiny)  # its inverse and the square of that are still finite

    def softplus(x: Scalar) -> jax.Array:
        return jnp.maximum(jax.nn.softplus(x), least)

    theta = softplus(b_theta - softplus(w_theta) * k)
    # 1 − a / b as 1 − exp(log a − log b), which is precise where ρ is small.
    logarithms = jnp.log(softplus(b_rho + softplus(w_rho) * k))
    rho = -jnp.expm1(jnp.log(softplus(b_rho)) - logarithms)
    return theta, jnp.clip(rho, 0, 1 - limits.epsneg)


def inverse_softplus(y: float) -> float:
    """The x with softplus(x) = y, for y > 0: turns a slope of eq. 21 into its free parameter."""
    return y + math.log(-math.expm1(-y))
