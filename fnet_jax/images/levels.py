"""Conversion to 8-bit grey levels."""

import numpy as np


def to_8_bits(image: np.ndarray) -> np.ndarray:
    """Rounds an image (uint8, uint16, or floats in [0, 1]) to the nearest of 256 levels, uint8."""
    if image.dtype == np.uint8:
        return image
    if np.issubdtype(image.dtype, np.floating):
        return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
