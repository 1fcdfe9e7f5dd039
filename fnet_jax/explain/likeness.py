"""What the parts resemble: correlations with the sources and their edges (Sec. IV-C)."""

from collections.abc import Mapping

import numpy as np
from scipy import ndimage


def edges(image: np.ndarray) -> np.ndarray:
    """Magnitude of Sobel's gradient of an image (H, W)."""
    return np.hypot(ndimage.sobel(image, axis=0), ndimage.sobel(image, axis=1))


def likeness(
    parts: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    """Pearson's correlation over the pixels of each part with each other image, all (H, W) by name.

    Returns:
        Correlations in [−1, 1] by the name of the part and then of the other image; NaN where one
        is constant. A part is not correlated with itself.
    """
    return {
        part: {name: _correlation(x, y) for name, y in others.items() if name != part}
        for part, x in parts.items()
    }


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    a, b = (z.astype(np.float64).ravel() - z.mean(dtype=np.float64) for z in (x, y))
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 0 else np.nan
