"""Color profiles: pictures of other color spaces become sRGB."""

import functools
import io

import numpy as np
from PIL import Image, ImageCms

SRGB = ImageCms.createProfile("sRGB")
INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
CLOSE = 2  # levels by which a profile of sRGB may differ from littleCMS's own


@functools.lru_cache(maxsize=16)
def is_srgb(icc: bytes | None) -> bool:
    """Whether a profile is sRGB's, or is none: then pixels are taken for sRGB.

    Makers write sRGB in many ways; what counts is what a profile does to colors.
    """
    if icc is None:
        return True
    ramp = np.linspace(0, 255, 9).round().astype(np.uint8)
    colors = np.stack(np.meshgrid(ramp, ramp, ramp), axis=-1).reshape(27, 27, 3)
    try:
        transform = _transform(icc, "RGB")
    except (OSError, ImageCms.PyCMSError, ValueError):
        return True  # damaged, or of another kind of picture: nothing can be done with it
    found = transform.apply(Image.fromarray(colors))
    return int(np.abs(np.asarray(found).astype(int) - colors).max()) <= CLOSE


def to_srgb(image: Image.Image, icc: bytes) -> Image.Image | None:
    """The image of 8-bit channels in sRGB, as RGB; None where its profile does not fit it."""
    try:
        return _transform(icc, image.mode).apply(image)
    except (OSError, ImageCms.PyCMSError, ValueError):
        return None


def _transform(icc: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    profile, srgb = (ImageCms.ImageCmsProfile(x) for x in (io.BytesIO(icc), SRGB))
    return ImageCms.ImageCmsTransform(profile, srgb, mode, "RGB", INTENT)
