"""Which of a code's features are used, how strongly and where (the maps of Fig. 8-(a))."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from fnet_jax.sparse_coding.correlation import correlate


class Use(NamedTuple):
    """How a code uses its K features in one pair.

    Attributes:
        energy: share of each in the sum of all squared values, shape (K,), sums to 1, or is 0
            where the code is.
        frequency: share of the pixels where its |value| is at least ε, shape (K,).
        order: the features by falling energy, shape (K,).
    """

    energy: np.ndarray
    frequency: np.ndarray
    order: np.ndarray


def energy(code: np.ndarray) -> np.ndarray:
    """Energy over the features, ``Σ_j u_j²`` at each pixel.

    Args:
        code: features, shape (H, W, K).

    Returns:
        Array (H, W), in squared units of the features.
    """
    return np.einsum("hwk,hwk->hw", code, code)


def use(code: np.ndarray, epsilon: float) -> Use:
    """How strongly and how often each feature is used.

    Args:
        code: features, shape (H, W, K).
        epsilon: a value is null if its magnitude is below this.
    """
    energies = np.einsum("hwk,hwk->k", code, code, dtype=np.float64)
    shares = energies / max(energies.sum(), np.finfo(np.float64).tiny)
    frequency = (np.abs(code) >= epsilon).mean(axis=(0, 1))
    return Use(shares, frequency, np.argsort(-shares, kind="stable"))


def contribution(code: np.ndarray, G: np.ndarray) -> np.ndarray:
    """Share of each feature in all the light that they add or take away, ``Σ|G_j u_j|``.

    A strong feature whose atom is weak, or cancels itself, contributes little.

    Args:
        code: features, shape (H, W, K).
        G: the filters that draw them, shape (size, size, K, 1).

    Returns:
        Array (K,), which sums to 1, or is 0 where the code is.
    """
    maps = np.moveaxis(code, 2, 0)[:, None, :, :, None]
    sizes = np.asarray(_light(maps, np.moveaxis(G, 2, 0)[..., None]), np.float64)
    return sizes / max(sizes.sum(), np.finfo(np.float64).tiny)


@jax.jit
def _light(maps: jax.Array, filters: jax.Array) -> jax.Array:
    """Σ|G_j u_j| of one feature after the other, (K,)."""
    return lax.map(lambda one: jnp.abs(correlate(*one)).sum(), (maps, filters))
