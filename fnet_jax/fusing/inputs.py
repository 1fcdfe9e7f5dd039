"""Preparation of two images for the network: checks, color separation, and its inverse."""

from dataclasses import dataclass

import jax
import numpy as np
from numpy.typing import ArrayLike

from fnet_jax.errors import InputError
from fnet_jax.fusing.shapes import Size
from fnet_jax.images import color as colors

ROUNDING = 1e-6  # tolerance of floats outside [0, 1]


@dataclass(frozen=True)
class Inputs:
    """Two registered images of one scene, ready for the network.

    Attributes:
        I1: luma of the visible, CT, PET or SPECT image, float32 (H, W), values in [0, 1].
        I2: infrared, near-infrared or MRI image, float32 (H, W), values in [0, 1].
        recombine: from a fused luma (H, W) to the fused image in [0, 1], with the color of I1.
        dtype: of the first image and the fused image.
    """

    I1: np.ndarray
    I2: np.ndarray
    recombine: colors.Recombine
    dtype: np.dtype

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        height, width = self.I1.shape
        return height, width

    def image(self, If: np.ndarray) -> np.ndarray:
        """The fused image for a fused luma (H, W) of any values.

        Returns:
            The image in ``dtype``, clipped to its range and, for integers, rounded; shape (H, W),
            or (H, W, 3) in color.
        """
        return colors.from_unit(self.recombine(If), self.dtype)


def separate(i1: ArrayLike, i2: ArrayLike, *, color: str = "auto") -> Inputs:
    """Checks two images and separates the color of the first.

    Args:
        i1: as for :meth:`fnet_jax.fusing.fuser.Fuser.fuse`.
        i2: as for :meth:`fnet_jax.fusing.fuser.Fuser.fuse`.
        color: as for :func:`fnet_jax.images.color.separate`.

    Raises:
        InputError: an image has a wrong shape, type or value, or the sizes differ.
        ValueError: the mode ``color`` is unknown.
    """
    one, dtype = _checked("i1", i1)
    two, _ = _checked("i2", i2)
    if one.shape[:2] != two.shape[:2]:
        (h1, w1), (h2, w2) = one.shape[:2], two.shape[:2]
        raise InputError(
            f"the sizes differ: i1 is {w1}×{h1}, i2 is {w2}×{h2}; register them to one size"
        )
    I1, recombine = colors.separate(one, color)
    return Inputs(I1, colors.grey(two), recombine, dtype)


def _checked(name: str, given: ArrayLike) -> tuple[np.ndarray, np.dtype]:
    """The image as (H, W) or (H, W, 3) of a NumPy type, and its original type.

    Raises InputError if it is not an image.
    """
    if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
        raise InputError(f"{name} has masked pixels; fill them, such as with {name}.filled(0)")
    try:
        image = np.asarray(given)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is not an array; use an image (H, W) or (H, W, 3)") from error
    dtype = image.dtype
    image = image.astype(dtype.newbyteorder("="), copy=False)
    floating = jax.dtypes.issubdtype(dtype, np.floating)  # includes bfloat16 and float8
    if not floating and image.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"{name} has type {dtype}; convert it to uint8, uint16, or floats in [0, 1]"
        )
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3) or not image.size:
        raise InputError(
            f"{name} has shape {np.shape(given)}; use an image (H, W), (H, W, 1) or (H, W, 3)"
        )
    if not floating:
        return image, dtype
    if not np.issubdtype(dtype, np.floating):
        image = image.astype(np.float32)
    low, high = float(image.min()), float(image.max())
    if not np.isfinite([low, high]).all():
        raise InputError(f"{name} contains NaN or infinity; replace those values")
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise InputError(
            f"{name} contains values from {low:g} to {high:g}; scale them to [0, 1], or use uint8"
        )
    return image, dtype
