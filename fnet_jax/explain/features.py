"""Which features of a code are used, how strongly and where (the maps of Fig. 8-(a))."""

from typing import NamedTuple

import numpy as np

from fnet_jax.fusing.edits import reconstruct


class Use(NamedTuple):
    """How a code uses its K features in one pair.

    Attributes:
        energy: share of each in the sum of all squared values, shape (K,); sums to 1, or is 0 if
            the whole code is 0.
        frequency: share of the pixels where its |value| is at least ε, shape (K,).
        order: the features by decreasing energy, shape (K,).
    """

    energy: np.ndarray
    frequency: np.ndarray
    order: np.ndarray


def energy(code: np.ndarray) -> np.ndarray:
    """Energy ``Σ_j u_j²`` at each pixel (H, W), in squared units, of a code (H, W, K)."""
    return np.einsum("hwk,hwk->hw", code, code)


def use(code: np.ndarray, epsilon: float) -> Use:
    """How strongly and how often a code (H, W, K) uses each feature; values below ε are null."""
    energies = np.einsum("hwk,hwk->k", code, code, dtype=np.float64)
    shares = energies / max(energies.sum(), np.finfo(np.float64).tiny)
    frequency = (np.abs(code) >= epsilon).mean(axis=(0, 1))
    return Use(shares, frequency, np.argsort(-shares, kind="stable"))


def contribution(code: np.ndarray, G: np.ndarray) -> np.ndarray:
    """Share (K,) of each feature in all the light that features add or remove, ``Σ|G_j u_j|``.

    ``code`` is (H, W, K), ``G`` the filters that draw it, (size, size, K, 1). A strong feature
    contributes little if its atom is weak or cancels itself. The shares sum to 1, or are 0 if the
    whole code is 0.
    """
    each = ([j] for j in range(code.shape[2]))
    light = (np.abs(reconstruct(code[..., j], G[:, :, j])) for j in each)
    sizes = np.array([image.sum(dtype=np.float64) for image in light])
    return sizes / max(sizes.sum(), np.finfo(np.float64).tiny)
