"""Color profiles: converts pictures of other color spaces to sRGB."""

import functools
import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageCms

SRGB = ImageCms.createProfile("sRGB")
INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
CLOSE = 2  # levels by which an sRGB profile may differ from littleCMS's own


@functools.lru_cache(maxsize=16)
def is_srgb(icc: bytes | None) -> bool:
    """Whether a profile is missing, unusable, or equivalent to sRGB.

    Makers write sRGB in many ways, so the decision rests on what the profile does to colors.
    """
    if icc is None:
        return True
    ramp = np.linspace(0, 255, 9).round().astype(np.uint8)
    colors = np.stack(np.meshgrid(ramp, ramp, ramp), axis=-1).reshape(27, 27, 3)
    greys = np.arange(256, dtype=np.uint8)[None]
    for mode, given in (("RGB", colors), ("L", greys)):
        if convert := to_srgb(mode, icc):
            found = np.asarray(convert(Image.fromarray(given))).astype(int)
            expected = given if given.ndim == 3 else given[..., None]
            return int(np.abs(found - expected).max()) <= CLOSE
    return True  # damaged, or of another kind of picture, and thus unusable


def to_srgb(mode: str, icc: bytes) -> Callable[[Image.Image], Image.Image] | None:
    """A conversion from 8-bit images to sRGB (RGB); None if the profile does not fit the mode."""
    try:
        return _transform(icc, mode).apply
    except (OSError, ImageCms.PyCMSError, ValueError):
        return None


def _transform(icc: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    profile, srgb = (ImageCms.ImageCmsProfile(x) for x in (io.BytesIO(icc), SRGB))
    return ImageCms.ImageCmsTransform(profile, srgb, mode, "RGB", INTENT)
