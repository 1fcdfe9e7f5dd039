"""The other kinds of momentum of an unrolled iteration, before its threshold.

The gradient of ½‖e − D(u)‖² (eq. 4) is learned: ∇(u) = W_u W_d u − W_e e. Without momentum, an
iteration is u − ∇(u). Nesterov's momentum, which LZSC has, is eq. 20 in
:mod:`fnet_jax.sparse_coding.lzsc`; with u' the estimate before u, the others are:

- ``"polyak"`` (Polyak, 1964): u − ∇(u) + ρ(u − u'), with u' = 0 at k = 1, as the paper has it;
- ``"quasi-hyperbolic"`` (Ma and Yarats, 2019): u − (1 − ν)∇(u) − ν g with the average of gradients
  g = ρ g' + (1 − ρ)∇(u) and the ν = 0.7 that they recommend.

The paper's Table III compares them (AE4 to AE6); how exactly, its text does not state.
Arrays are NHWC: u of shape (N, H, W, K), e and d = W_d u of shape (N, H, W, C), the filters W_u and
W_e of shape (size, size, C, K), ρ a scalar.
"""

import jax
import jax.numpy as jnp

from fnet_jax.sparse_coding.correlation import correlate

KINDS = ("nesterov", "none", "polyak", "quasi-hyperbolic")
NU = 0.7  # ν of quasi-hyperbolic momentum


def polyak(
    u: jax.Array,
    e: jax.Array,
    W_u: jax.Array,
    W_e: jax.Array,
    rho: jax.Array,
    down: jax.Array,
    u_before: jax.Array | None,
) -> jax.Array:
    """``u − W_u d + W_e e + ρ(u − u')``, given d = W_d u.

    Args:
        u: uᵏ⁻¹.
        e: what is coded.
        W_u: filters of W_uᵏ.
        W_e: filters of W_eᵏ.
        rho: ρᵏ.
        down: d = W_dᵏ uᵏ⁻¹.
        u_before: u' = uᵏ⁻²; None at k = 1, where it is 0.

    Returns:
        The values before the threshold, shape (N, H, W, K).
    """
    total = (1 + rho) * u
    if u_before is not None:
        total -= rho * u_before
    inputs, filters = jnp.concatenate([down, e], axis=3), jnp.concatenate([-W_u, W_e], axis=2)
    return total + correlate(inputs, filters)


def quasi_hyperbolic(
    u: jax.Array,
    e: jax.Array,
    W_u: jax.Array,
    W_e: jax.Array,
    rho: jax.Array,
    down: jax.Array,
    average: jax.Array | None,
) -> tuple[jax.Array, jax.Array]:
    """``u − (1 − ν)∇ − ν g`` with ``g = ρ g' + (1 − ρ)∇`` and ``∇ = W_u d − W_e e``, d = W_d u.

    Args:
        u: uᵏ⁻¹.
        e: what is coded.
        W_u: filters of W_uᵏ.
        W_e: filters of W_eᵏ.
        rho: ρᵏ.
        down: d = W_dᵏ uᵏ⁻¹.
        average: g' of the iteration before; None at k = 1, where it is 0.

    Returns:
        The values before the threshold and g, each of shape (N, H, W, K).
    """
    inputs, filters = jnp.concatenate([down, e], axis=3), jnp.concatenate([W_u, -W_e], axis=2)
    gradient = correlate(inputs, filters)
    average = (1 - rho) * gradient + (0 if average is None else rho * average)
    return u - (1 - NU) * gradient - NU * average, average
