"""Alignment of a camera's thermal image with its visible one, from the camera's own tags.

According to the tags, the thermal image covers 1 / Real2IR of the visible image's width, and its
center lies OffsetX pixels of the visible image to the right of, and OffsetY below, the visible
image's center. This was verified on what a FLIR ONE, a C2, a b60 and an E5 Pro display, where the
camera draws edges of the visible image into the thermal one: the tags are met within 0.2 % and a
pixel. They hold for one distance; other objects are shifted by the parallax of the two lenses.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from fnet_jax.errors import InputError

RATIOS = (0.1, 20.0)  # ratios of fields of view that are accepted
LEAST_COMMON = 0.25  # least part of the thermal image that must lie on the visible one


@dataclass(frozen=True)
class Alignment:
    """The tags of a camera.

    Attributes:
        real2ir: width of the visible image over the width that the thermal image covers in it.
        offset_x, offset_y: pixels of the visible image from its center to that of the thermal
            image, to the right and downwards.
        pip: x1, x2, y1, y2, in pixels of the thermal image: where the camera's display shows it
            inside the visible image. It is unrelated to the alignment.
    """

    real2ir: float
    offset_x: float
    offset_y: float
    pip: tuple[int, int, int, int] = (0, 0, 0, 0)


class Box(NamedTuple):
    """A rectangle in pixels of the visible image, whose top left corner is (0, 0)."""

    left: float
    top: float
    right: float
    bottom: float


def plausible_ratio(alignment: Alignment) -> bool:
    """Whether Real2IR can be the ratio of two cameras' fields of view."""
    return RATIOS[0] <= alignment.real2ir <= RATIOS[1]


def possible(
    alignment: Alignment, visible_size: tuple[int, int], thermal_size: tuple[int, int]
) -> bool:
    """Whether, by the tags, at least a quarter of the thermal image lies on the visible one.

    Sizes are height and width in pixels.
    """
    if not plausible_ratio(alignment) or 0 in (*visible_size, *thermal_size):
        return False
    box = align(visible_size, thermal_size, alignment)
    return common(visible_size, box) >= LEAST_COMMON


def placeholder(alignment: Alignment) -> bool:
    """Whether the tags are those of an uncalibrated camera: Real2IR 1 and no offsets."""
    return (alignment.real2ir, alignment.offset_x, alignment.offset_y) == (1, 0, 0)


def align(
    visible_size: tuple[int, int],
    thermal_size: tuple[int, int],
    alignment: Alignment | None,
) -> Box:
    """The rectangle of the visible image that the thermal image covers.

    It has the aspect ratio of the thermal image, as pixels are square, and may extend beyond the
    visible image. Sizes are height and width in pixels. Without tags (None), it is the largest
    centered rectangle that fits.
    """
    (height, width), shape = visible_size, thermal_size[0] / thermal_size[1]
    if alignment is None:
        across = min(width, height / shape)
        x, y = width / 2, height / 2
    else:
        across = width / alignment.real2ir
        x, y = width / 2 + alignment.offset_x, height / 2 + alignment.offset_y
    down = across * shape
    return Box(x - across / 2, y - down / 2, x + across / 2, y + down / 2)


def common(visible_size: tuple[int, int], box: Box) -> float:
    """The fraction of a rectangle's area that lies on the visible image, 0…1."""
    height, width = visible_size
    across = min(width, box.right) - max(0, box.left)
    down = min(height, box.bottom) - max(0, box.top)
    area = (box.right - box.left) * (box.bottom - box.top)
    return max(0.0, across) * max(0.0, down) / area


def on_one_grid(
    visible: np.ndarray, thermal: np.ndarray, alignment: Alignment | None
) -> tuple[np.ndarray, np.ndarray]:
    """Crops both images to the part that both show, on one pixel grid; dtypes do not change.

    The grid is the finer one, so that neither image loses detail. It is usually that of the visible
    image, which is then cropped and not resampled. The other image is resampled bicubically and
    clipped to its own range, because an overshoot would be a temperature that nothing has.

    Args:
        visible: uint8 array (H, W) or (H, W, 3).
        thermal: array (h, w), uint8, uint16 or float32.
        alignment: the camera's tags; None: center on center.

    Raises:
        InputError: according to the tags, the images do not overlap.
    """
    (height, width), size = visible.shape[:2], thermal.shape[:2]
    box = align((height, width), size, alignment)
    scale = size[1] / (box.right - box.left)  # pixels of the thermal image per visible one
    inner = Box(
        max(0.0, box.left), max(0.0, box.top), min(width, box.right), min(height, box.bottom)
    )
    if scale <= 1:
        grid = _whole_pixels(inner)
        on_thermal = _moved(grid, box, scale)
        left, top, right, bottom = map(int, grid)
        shape = bottom - top, right - left
        return visible[top:bottom, left:right], _resampled(thermal, on_thermal, shape)
    grid = _whole_pixels(_moved(inner, box, scale))
    on_visible = Box(
        box.left + grid.left / scale,
        box.top + grid.top / scale,
        box.left + grid.right / scale,
        box.top + grid.bottom / scale,
    )
    left, top, right, bottom = map(int, grid)
    shape = bottom - top, right - left
    return _resampled(visible, on_visible, shape), thermal[top:bottom, left:right]


def _moved(rectangle: Box, box: Box, scale: float) -> Box:
    """A rectangle of the visible image, in pixels of the thermal image that covers ``box``."""
    return Box(
        (rectangle.left - box.left) * scale,
        (rectangle.top - box.top) * scale,
        (rectangle.right - box.left) * scale,
        (rectangle.bottom - box.top) * scale,
    )


def _whole_pixels(rectangle: Box) -> Box:
    """The pixels that lie entirely within a rectangle, up to rounding errors of its edges."""
    left, top = (math.ceil(edge - 1e-6) for edge in rectangle[:2])
    right, bottom = (math.floor(edge + 1e-6) for edge in rectangle[2:])
    if right <= left or bottom <= top:
        raise InputError(
            "the thermal image lies outside the visible one according to the camera's alignment "
            "tags; align the images without them"
        )
    return Box(left, top, right, bottom)


def _resampled(image: np.ndarray, box: Box, shape: tuple[int, int]) -> np.ndarray:
    """Resamples part of an image bicubically, clipped to the image's own range."""
    height, width = image.shape[:2]
    inside = (max(0.0, box.left), max(0.0, box.top), min(width, box.right), min(height, box.bottom))
    channels = [image] if image.ndim == 2 else list(np.moveaxis(image, 2, 0))
    found = []
    for channel in channels:
        real = Image.fromarray(channel.astype(np.float32))
        new = np.asarray(real.resize(shape[::-1], Image.Resampling.BICUBIC, box=inside))
        new = new.clip(channel.min(), channel.max())
        exact = np.issubdtype(image.dtype, np.floating)
        found.append((new if exact else np.rint(new)).astype(image.dtype))
    return found[0] if image.ndim == 2 else np.stack(found, axis=2)
