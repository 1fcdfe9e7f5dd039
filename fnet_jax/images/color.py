"""Conversion from color to the one channel that FNet fuses, and back.

Images are (H, W) if grey and (H, W, 3) if RGB: uint8, uint16, or floats in [0, 1]. "Unit" arrays
are float32 in [0, 1]. Luma is that of ITU-R BT.601: 0.299 red + 0.587 green + 0.114 blue.
"""

from collections.abc import Callable

import numpy as np

MODES = ("auto", "grey", "limited", "full")
WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)

# Rows of the studio-swing ("limited-range") Y'CbCr of BT.601 for RGB in [0, 1], in 8-bit levels.
LIMITED = np.array(
    [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]
)
LIMITED_OFFSET = np.array([16.0, 128.0, 128.0])

COLOR_LEVEL = 8 / 255  # difference between channels that counts as color
COLOR_SHARE = 1e-3  # share of such pixels that makes an image a color image

Recombine = Callable[[np.ndarray], np.ndarray]
"""Maps the fused channel (H, W), of any values, to the fused image in [0, 1]."""


def to_unit(image: np.ndarray, *, dtype: type[np.floating] = np.float32) -> np.ndarray:
    """An image as floats in [0, 1]: integers are divided by the largest of their type."""
    if np.issubdtype(image.dtype, np.integer):
        return image.astype(dtype) / dtype(np.iinfo(image.dtype).max)
    return image.astype(dtype)


def from_unit(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """An image in [0, 1] as ``dtype``: integers are rounded to the nearest level."""
    if np.issubdtype(dtype, np.integer):
        return np.rint(image * np.iinfo(dtype).max).astype(dtype)
    return image.astype(dtype)


def is_color(image: np.ndarray) -> bool:
    """Whether an image shows color rather than merely having three channels.

    It does if the largest and the smallest channel differ by at least 8 of 255 levels in at least
    0.1 % of the pixels. Grey images stored as RGB, with the artifacts of JPEG, stay below that.
    """
    if image.ndim == 2:
        return False
    white = 1
    if np.issubdtype(image.dtype, np.integer):  # as floats, it would be four times as large
        white = np.iinfo(image.dtype).max
    else:
        image = to_unit(image)
    red, green, blue = np.moveaxis(image, 2, 0)
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return bool((spread >= (COLOR_LEVEL - 1e-6) * white).mean() >= COLOR_SHARE)


def grey(image: np.ndarray) -> np.ndarray:
    """The grey image, a unit array (H, W), as used for the published grey results.

    For 8-bit RGB, this is :func:`published_grey`; otherwise it is the luma, not rounded.
    """
    if image.ndim == 3 and image.dtype == np.uint8:
        image = published_grey(image)
    return _luma(to_unit(image))


def published_grey(rgb: np.ndarray) -> np.ndarray:
    """8-bit grey (H, W) of 8-bit RGB (H, W, 3), truncated.

    The weights are integers in units of 2⁻¹⁵, and the sum is truncated, as libpng does when it
    converts to grey. The published VIS-NIR results were made from such images. Where the fraction
    is at least a half, the result is one level below the rounded luma; a grey image stored as RGB
    is unchanged.
    """
    levels = rgb.astype(np.uint32) @ np.array([9797, 19234, 3737], np.uint32)
    return (levels >> 15).astype(np.uint8)


def rounded_grey(image: np.ndarray) -> np.ndarray:
    """8-bit grey (H, W) of an 8-bit image (H, W) or (H, W, 3): the luma, rounded half to even.

    OpenCV computes the same up to its own rounding, and the published metrics were computed from
    it. A grey image stored as RGB is unchanged.
    """
    if image.ndim == 2:
        return image
    thousandths = image.astype(np.uint32) @ np.array([299, 587, 114], np.uint32)
    return np.rint(thousandths / 1000).astype(np.uint8)


def _luma(unit: np.ndarray) -> np.ndarray:
    return unit if unit.ndim == 2 else unit @ WEIGHTS


def separate(image: np.ndarray, mode: str) -> tuple[np.ndarray, Recombine]:
    """Splits I1 into the channel to fuse and a function that restores the image.

    Args:
        image: I1, (H, W) or (H, W, 3), uint8, uint16 or floats in [0, 1].
        mode: ``"grey"``: :func:`grey`, and the fused image is grey. ``"full"``: the fused luma
            replaces I1's, with I1's full-range chroma kept. ``"limited"``: the same in limited
            range, with Y'CbCr rounded to 8 bits before and after the fusion, as in the published
            medical results; the fused image is RGB. ``"auto"``: ``"full"`` if :func:`is_color`,
            else ``"grey"``.

    Returns:
        The channel to fuse, a unit array (H, W), and a function from the fused channel to the fused
        image, (H, W) or (H, W, 3), in [0, 1].

    Raises:
        ValueError: the mode is unknown.
    """
    if mode not in MODES:
        raise ValueError(f"unknown color mode {mode!r}; use one of {', '.join(MODES)}")
    if mode == "limited":
        return _separate_limited(image)
    if image.ndim == 3 and (mode == "full" or (mode == "auto" and is_color(image))):
        return _separate_full(to_unit(image))
    return grey(image), lambda fused: np.clip(fused, 0, 1)


def _separate_full(rgb: np.ndarray) -> tuple[np.ndarray, Recombine]:
    """Full range: changing Y' at constant chroma changes R, G and B by the same amount."""
    luma = _luma(rgb)

    def recombine(fused: np.ndarray) -> np.ndarray:
        return np.clip(rgb + (np.clip(fused, 0, 1) - luma)[..., None], 0, 1)

    return luma, recombine


def _separate_limited(image: np.ndarray) -> tuple[np.ndarray, Recombine]:
    rgb = image if image.ndim == 3 else np.stack([image] * 3, axis=2)
    # In float64: float32 rounds some halves the other way, one level off in Cb or Cr.
    ycbcr = np.rint(to_unit(rgb, dtype=np.float64) @ LIMITED.T + LIMITED_OFFSET)

    def recombine(fused: np.ndarray) -> np.ndarray:
        levels = np.rint(np.clip(fused, 0, 1) * 255)
        fused_ycbcr = np.concatenate([levels[..., None], ycbcr[..., 1:]], axis=2)
        return np.clip((fused_ycbcr - LIMITED_OFFSET) @ np.linalg.inv(LIMITED).T, 0, 1)

    return (ycbcr[..., 0] / 255).astype(np.float32), recombine
