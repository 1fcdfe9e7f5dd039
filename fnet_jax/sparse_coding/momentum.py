"""The kinds of momentum of an unrolled iteration, before its threshold.

The gradient of ½‖e − D(u)‖² (eq. 4) is learned: ∇(u) = W_u W_d u − W_e e. With u' the estimate
before u, the kinds are:

- ``"nesterov"``, that of the paper: eq. 20 in :mod:`fnet_jax.sparse_coding.lzsc`;
- ``"none"``: u − ∇(u);
- ``"polyak"`` (Polyak, 1964): u − ∇(u) + ρ(u − u'), with u' = 0 at k = 1, as the paper has it;
- ``"quasi-hyperbolic"`` (Ma and Yarats, 2019): u − (1 − ν)∇(u) − ν g with the average of gradients
  g = ρ g' + (1 − ρ)∇(u) and the ν = 0.7 that they recommend.

The paper's Table III compares them (AE4 to AE6) without giving their equations.
Arrays are NHWC: u of shape (N, H, W, K), e and d = W_d u of shape (N, H, W, C), the filters W_u and
W_e of shape (size, size, C, K), ρ a scalar.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from fnet_jax.sparse_coding.correlation import correlate

KINDS = ("nesterov", "none", "polyak", "quasi-hyperbolic")
LINEAR = KINDS[:3]  # their iterations are a :class:`Step`
NU = 0.7  # ν of quasi-hyperbolic momentum


class Step(NamedTuple):
    """An iteration as ``of_u · u + of_before · u' + Σ of_images[i] · correlate(images[i], W[i])``.

    The images are d = W_d u, e and d' = W'_d u'; the filters W are W_u, W_e and W'_u. The third of
    each is there only with W'_u. All weights are scalars.

    Attributes:
        of_images: weights of the two or three images.
        of_u: weight of u = uᵏ⁻¹.
        of_before: weight of u' = uᵏ⁻²; None if it is not used.
    """

    of_images: tuple[jax.Array | float, ...]
    of_u: jax.Array
    of_before: jax.Array | None


def step(kind: str, rho: jax.Array, k: int) -> Step:
    """The weights of iteration k ≥ 1 with momentum of a :data:`LINEAR` kind, given ρᵏ."""
    if kind != "nesterov":
        return Step((-1.0, 1.0), 1 + rho, None if kind == "none" or k == 1 else -rho)
    if k == 1:
        return Step((-(1 + rho), 1.0), 1 + rho, None)
    return Step((-(1 + rho), 1.0, rho), 1 + rho, -rho)


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

    ``average`` is g' of the previous iteration, None at k = 1, where it is 0. Returns the values
    before the threshold and g, each (N, H, W, K).
    """
    inputs, filters = jnp.concatenate([down, e], axis=3), jnp.concatenate([W_u, -W_e], axis=2)
    gradient = correlate(inputs, filters)
    average = (1 - rho) * gradient + (0 if average is None else rho * average)
    return u - (1 - NU) * gradient - NU * average, average
