"""Resampling of images by a transform, with a single interpolation."""

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image
from scipy import ndimage

from fnet_jax.errors import InputError
from fnet_jax.registration.transforms import Size, moved, normal, resizing, scale_of, shift

BICUBIC, BILINEAR = Image.Resampling.BICUBIC, Image.Resampling.BILINEAR


def apply(i2: ArrayLike, matrix: ArrayLike, size: Size) -> np.ndarray:
    """Resamples I2 onto the grid of I1: bicubic, after a low-pass filter if I2 is finer.

    Args:
        i2: array (h, w) or (h, w, channels), uint8, uint16 or floats.
        matrix: (2, 3) or (3, 3), from pixel (x, y) of I1 to pixel of I2, centers at integers, as
            :attr:`Registration.matrix <fnet_jax.registration.Registration.matrix>` is.
        size: height and width of I1.

    Returns:
        Array of I1's height and width, with the type and within the range of ``i2``; pixels that
        ``i2`` does not reach (see :func:`covered`) have its minimum.

    Raises:
        InputError: the matrix or the image has a wrong shape, the image contains NaN, or the matrix
            cannot be inverted.
    """
    image, whole = np.asarray(i2), as_matrix(matrix)
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise InputError(f"i2 has shape {image.shape}; use an image (h, w) or (h, w, channels)")
    if np.issubdtype(image.dtype, np.floating) and not np.isfinite(image).all():
        raise InputError("i2 contains NaN or infinity; replace those values")
    finer = scale_of(whole, size)
    channels = [image] if image.ndim == 2 else list(np.moveaxis(image, 2, 0))
    found = []
    for channel in channels:
        real, least = channel.astype(np.float32), float(channel.min())
        if finer > 1.2:  # pixels of I2 per pixel of I1
            real = ndimage.gaussian_filter(real, 0.4 * np.sqrt(finer**2 - 1), truncate=3)
        new = warped(real, whole, size, fill=least).clip(least, channel.max())
        exact = np.issubdtype(image.dtype, np.floating)
        found.append((new if exact else np.rint(new)).astype(image.dtype))
    return found[0] if image.ndim == 2 else np.stack(found, axis=2)


def covered(matrix: ArrayLike, size1: Size, size2: Size) -> np.ndarray:
    """The pixels of I1 that I2 covers, bool (H, W); sizes are height and width."""
    whole, (height, width) = as_matrix(matrix), size1
    x = np.arange(width, dtype=np.float64)
    rows = []
    for y in range(height):  # row by row: images can be large
        points = np.stack([x, np.full_like(x, y)], 1)
        depth = points @ whole[2, :2] + whole[2, 2]
        u, v = moved(whole, points).T
        rows.append(
            (u >= -0.5) & (v >= -0.5) & (u <= size2[1] - 0.5) & (v <= size2[0] - 0.5) & (depth > 0)
        )
    return np.array(rows)


def as_matrix(matrix: ArrayLike) -> np.ndarray:
    """Converts a (2, 3) or (3, 3) matrix to float64 (3, 3); raises InputError if it is invalid."""
    found = np.asarray(matrix, np.float64)
    if found.shape == (2, 3):
        found = np.vstack([found, [0, 0, 1]])
    if found.shape != (3, 3) or not np.isfinite(found).all():
        raise InputError(f"the matrix has shape {found.shape}; use 2×3 or 3×3 finite numbers")
    if abs(np.linalg.det(found)) < 1e-12:
        raise InputError("the matrix cannot be inverted; use the transform between two images")
    return normal(found) if found[2, 2] else found


def warped(
    image: np.ndarray,
    matrix: np.ndarray,
    size: Size,
    *,
    fill: float = 0.0,
    how: Image.Resampling = BICUBIC,
) -> np.ndarray:
    """Samples a float32 image (h, w) at ``matrix @ (x, y, 1)`` for each pixel of an array.

    ``size`` is the height and width of the array. Pixels outside of the image get ``fill``.
    """
    half = shift(0.5, 0.5)  # Pillow measures from the corners of pixels
    eight = half @ matrix @ np.linalg.inv(half)
    eight = (eight / eight[2, 2]).ravel()[:8]
    pillow = Image.fromarray(image)
    new = pillow.transform(size[::-1], Image.Transform.PERSPECTIVE, eight, how, fillcolor=fill)
    return np.asarray(new)


def resized(image: np.ndarray, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Resizes a float32 image (h, w) without aliasing; also returns the transform to its pixels."""
    height, width = image.shape
    new = max(1, round(height * factor)), max(1, round(width * factor))
    if new == (height, width):
        return image, np.eye(3)
    how = Image.Resampling.BOX if factor < 0.5 else BILINEAR if factor < 1 else BICUBIC
    return np.asarray(Image.fromarray(image).resize(new[::-1], how)), resizing(image.shape, new)
