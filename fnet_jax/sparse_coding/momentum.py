"""The kinds of momentum of an unrolled iteration, before its threshold.

The gradient of ½‖e − D(u)‖² (eq. 4) is learned: ∇(u) = W_u W_d u − W_e e. With u' the estimate
before u, the kinds are:

- ``"nesterov"``, that of the paper: eq. 20 in :mod:`fnet_jax.sparse_coding.lzsc`;
- ``"none"``: u − ∇(u);
- ``"polyak"`` (Polyak, 1964): u − ∇(u) + ρ(u − u'), with u' = 0 at k = 1, as the paper has it;
- ``"quasi-hyperbolic"`` (Ma and Yarats, 2019): u − (1 − ν)∇(u) − ν g with the average of gradients
  g = ρ g' + (1 − ρ)∇(u) and the ν = 0.7 that they recommend.

The paper's Table III compares them (AE4 to AE6); how exactly, its text does not state.
Arrays are NHWC: u of shape (N, H, W, K), e and d = W_d u of shape (N, H, W, C), the filters W_u and
W_e of shape (size, size, C, K), ρ a scalar.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from fnet_jax.sparse_coding.correlation import correlate

KINDS = ("nesterov", "none", "polyak", "quasi-hyperbolic")
LINEAR = KINDS[:3]  # whose iterations are a :class:`Step`
NU = 0.7  # ν of quasi-hyperbolic momentum


class Step(NamedTuple):
    """An iteration as ``of_u · u + of_before · u' + correlate([d, e, d'], filters)``.

    Its two or three correlations write the same sum, so their inputs are stacked and their filters
    scaled. There is d' = W'_d u' only where there are filters W'_u for it.

    Attributes:
        filters: shape (size, size, inputs, K).
        of_u: weight of u = uᵏ⁻¹, a scalar.
        of_before: weight of u' = uᵏ⁻², a scalar; None where that has none.
    """

    filters: jax.Array
    of_u: jax.Array
    of_before: jax.Array | None


def step(
    kind: str,
    rho: jax.Array,
    W_u: jax.Array,
    W_e: jax.Array,
    W_u_prime: jax.Array | None = None,
    *,
    first: bool,
) -> Step:
    """Iteration k with one of the kinds :data:`LINEAR`.

    Args:
        kind: of momentum.
        rho: ρᵏ.
        W_u: filters of W_uᵏ.
        W_e: filters of W_eᵏ.
        W_u_prime: filters of W'_uᵏ, which Nesterov's momentum has from k = 2 on.
        first: whether k = 1, where there is no uᵏ⁻².
    """
    filters = [-(1 + rho) * W_u if kind == "nesterov" else -W_u, W_e]
    if W_u_prime is not None:
        filters.append(rho * W_u_prime)
    before = None if first or kind == "none" else -rho
    return Step(jnp.concatenate(filters, axis=2), 1 + rho, before)


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
