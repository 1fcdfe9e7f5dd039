"""Features that modalities share: the positions and directions of edges.

Contrast may differ between modalities or be reversed, but the direction of an edge, modulo 180°,
does not change. Each pixel becomes two complex numbers, exp(2iφ) and exp(4iφ) of the gradient's
direction φ, with a weight from 0 to 1 that compares the gradient's magnitude with those around it.
The real part of their correlation sums cos 2Δφ + cos 4Δφ.
"""

import numpy as np
from PIL import Image
from scipy import ndimage

CONTEXT = 8.0  # pixels; neighborhood in which magnitudes are compared
HIGH = 12.0  # pixels; scale of the prevailing direction, which is removed
FLOOR = 0.05  # of the image's mean squared gradient; weaker edges are noise


def directions(image: np.ndarray, valid: np.ndarray, *, sigma: float = 1.0) -> np.ndarray:
    """The directions of edges, complex64 (2, H, W), without the prevailing direction around them.

    ``image`` is float32 (H, W), ``valid`` is true where pixels belong to the image, and ``sigma``
    is the scale of the gradients in pixels.
    """
    inner = valid.astype(np.float32)
    found = raw_directions(image, inner, sigma=sigma)
    area = np.maximum(_coarse_blur(inner, HIGH), 1e-2)
    for number in found:
        number.real -= _coarse_blur(number.real, HIGH) / area
        number.imag -= _coarse_blur(number.imag, HIGH) / area
    return found * inner


def raw_directions(image: np.ndarray, inner: np.ndarray, *, sigma: float = 1.0) -> np.ndarray:
    """The directions of edges, complex64 (2, H, W); 0 where ``inner``, float32 (H, W), is."""
    gx = ndimage.gaussian_filter(image, sigma, order=(0, 1), truncate=3)
    gy = ndimage.gaussian_filter(image, sigma, order=(1, 0), truncate=3)
    squared = (gx * gx + gy * gy) * inner
    around = _coarse_blur(squared, CONTEXT) / np.maximum(_coarse_blur(inner, CONTEXT), 1e-2)
    floor = FLOOR * squared.sum() / max(1.0, float(inner.sum()))
    gradient = gx + 1j * gy
    twice = gradient * gradient / (np.abs(gradient) ** 2 + around + floor + 1e-12) * inner
    return np.stack([twice, twice * twice / (np.abs(twice) + 1e-9)]).astype(np.complex64)


def inside(valid: np.ndarray, *, margin: int = 2) -> np.ndarray:
    """The pixels at least ``margin`` pixels inside both the valid region and the array."""
    return ndimage.minimum_filter(valid, 2 * margin + 1, mode="constant", cval=0)


def pooled(image: np.ndarray, side: int = 4) -> np.ndarray:
    """Sums over squares; incomplete ones are padded with 0."""
    height, width = (-(-length // side) * side for length in image.shape)
    filled = np.pad(image, ((0, height - image.shape[0]), (0, width - image.shape[1])))
    return filled.reshape(height // side, side, width // side, side).sum((1, 3))


def _coarse_blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """An approximate Gaussian blur, computed on squares of 4 pixels."""
    height, width = image.shape
    low = ndimage.gaussian_filter(pooled(image) / 16, sigma / 4, truncate=3).astype(np.float32)
    size = 4 * low.shape[1], 4 * low.shape[0]
    high = np.asarray(Image.fromarray(low).resize(size, Image.Resampling.BILINEAR))
    return high[:height, :width]
