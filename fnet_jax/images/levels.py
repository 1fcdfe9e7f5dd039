"""Grey levels of images of 8 bits."""

import numpy as np


def to_8_bits(image: np.ndarray) -> np.ndarray:
    """An image of uint8, uint16 or floats in [0, 1] as uint8: the nearest of the levels."""
    if image.dtype == np.uint8:
        return image
    if np.issubdtype(image.dtype, np.floating):
        return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
