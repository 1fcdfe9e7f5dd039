"""Pictures for the page: 8 bits, as PNG files that are quick to write."""

import io

import numpy as np
from PIL import Image

from fnet_jax.images.levels import to_8_bits

QUICK = 1  # compression level of PNG
SQUARES = 8  # of a checkerboard, along the shorter side
THUMB = 160  # pixels of the width of a small map


def png(image: np.ndarray) -> bytes:
    """An image (H, W) or (H, W, 3) of any type as a PNG file of 8 bits."""
    content = io.BytesIO()
    Image.fromarray(to_8_bits(image)).save(content, "PNG", compress_level=QUICK)
    return content.getvalue()


def signed(image: np.ndarray) -> np.ndarray:
    """Values (H, W) of either sign as unit grey: 0 becomes the middle, the strongest an end."""
    largest = float(np.abs(image).max()) or 1.0
    return (0.5 + 0.5 * image / largest).astype(np.float32)


def small(image: np.ndarray) -> np.ndarray:
    """A unit image (H, W), at most :data:`THUMB` wide; the mean of whole blocks."""
    step = -(-image.shape[1] // THUMB)
    height, width = (max(side // step, 1) for side in image.shape)
    cut = image[: height * step, : width * step]
    if step == 1 or cut.shape != (height * step, width * step):
        return image[::step, ::step]
    return cut.reshape(height, step, width, step).mean(axis=(1, 3), dtype=np.float32)


def checkerboard(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Squares of two images of one size in turn, uint8 (H, W, 3)."""
    both = []
    for image in (to_8_bits(one), to_8_bits(two)):
        both.append(image if image.ndim == 3 else np.stack([image] * 3, axis=2))
    side = max(min(one.shape[:2]) // SQUARES, 1)
    rows, columns = np.ogrid[: one.shape[0], : one.shape[1]]
    return np.where(((rows // side + columns // side) % 2 == 0)[..., None], *both)


def palette(values: np.ndarray) -> np.ndarray:
    """Temperatures (H, W) in colors from cold to warm, uint8 (H, W, 3); black where unknown."""
    import matplotlib

    low, high = np.nanmin(values), np.nanmax(values)
    unit = (values - low) / max(float(high - low), 1e-6)
    shown = np.asarray(matplotlib.colormaps["inferno"](np.nan_to_num(unit)))[..., :3]
    colors = (255 * shown).astype(np.uint8)
    colors[np.isnan(values)] = 0
    return colors
