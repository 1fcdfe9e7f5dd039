"""Which of a code's features are used, how strongly and where (the maps of Fig. 8-(a))."""

from typing import NamedTuple

import numpy as np


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
