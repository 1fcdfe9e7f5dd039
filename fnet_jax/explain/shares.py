"""Shares of u1, u2 and c in the pixels of the fused image.

The arguments ``If_u1``, ``If_u2`` and ``If_c`` are the reconstructions of u1, u2 and c, each
(H, W), in units of the image in [0, 1].
"""

import numpy as np

VISIBLE = 0.5 / 255  # half a grey level; parts that sum to less are invisible


def shares(If_u1: np.ndarray, If_u2: np.ndarray, If_c: np.ndarray) -> np.ndarray:
    """The share of each reconstruction in each pixel, |If_x| / (|If_u1| + |If_u2| + |If_c|).

    Magnitudes are used because the parts have signs and partly cancel: c may darken what u1
    brightens, and a share of the sum itself could then be below 0 or above 1. A share thus states
    how much of everything added and removed at a pixel came from a part, not its brightness.

    Returns:
        Shares of u1, u2 and c, (H, W, 3), which sum to 1; NaN where the magnitudes sum to less than
        half a grey level.
    """
    parts = np.abs(np.stack([If_u1, If_u2, If_c], axis=-1))
    total = parts.sum(axis=-1, keepdims=True)
    return parts / np.where(total >= VISIBLE, total, np.nan)


def of_light(If_u1: np.ndarray, If_u2: np.ndarray, If_c: np.ndarray) -> np.ndarray:
    """The share of each reconstruction in all the light of the image, Σ|If_x| / Σ_x Σ|If_x|.

    Bright pixels count more than dark ones; in :func:`mean`, all count alike. Returns an array (3,)
    that sums to 1; NaN if there is no light.
    """
    light = np.abs(np.stack([If_u1, If_u2, If_c])).sum(axis=(1, 2), dtype=np.float64)
    return light / (light.sum() or np.nan)


def mean(of_pixels: np.ndarray) -> np.ndarray:
    """Mean shares over the pixels where they are defined, shape (3,); NaN if there are none."""
    defined = of_pixels[~np.isnan(of_pixels[..., 0])]
    return defined.mean(axis=0, dtype=np.float64) if len(defined) else np.full(3, np.nan)
