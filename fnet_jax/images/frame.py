"""What an image file holds: pixels, the values that are black and white, a unit, and metadata."""

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fnet_jax.images.strips import by_strips

LEVELS, CELSIUS = "levels", "°C"
MAX_PIXELS = 100_000_000  # of an image, unless a larger one is asked for
ROUNDING = 1e-6  # by which floats may leave [0, 1]

logger = logging.getLogger("fnet_jax.images")


@dataclass(frozen=True)
class Frame:
    """An image with all that its file says of it.

    Attributes:
        pixels: array (H, W) or (H, W, 3), row 0 at the top of the picture as a viewer shows it, in
            the file's own values: unsigned integers, or floats.
        black: the value that is black: 0 for levels. Of a unit without a black, such as the °C of a
            camera, the least of the pixels.
        white: the value that is white: for levels 2^bits − 1 of the stored bits, for floats 1. Of a
            unit without a white, the greatest of the pixels.
        unit: ``"levels"`` or ``"°C"``.
        channels: of the picture in its file, 1 or 3; the pixels of a JPEG file that is read as grey
            have 1 all the same.
        metadata: what a fused image keeps of I1's file, by name: ``exif`` (bytes, without
            orientation and thumbnail), ``resolution`` (dots per inch, two numbers), ``geotiff``
            (tags by number); whatever of it the file has.
        notes: lines about what was decided in reading the file, without its name, such as
            ``"what is transparent becomes black"``.
        scaled: of another unit than levels, whether black and white are those of the file's type.
    """

    pixels: np.ndarray
    black: float
    white: float
    unit: str = LEVELS
    channels: int = 1
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    scaled: bool = False

    @property
    def bounded(self) -> bool:
        """Whether black and white are those of the file's type, rather than of the image."""
        return self.unit == LEVELS or self.scaled

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.pixels.shape[:2]
        return height, width

    def replace(self, **changes: Any) -> "Frame":
        """The frame with other values of some attributes."""
        return dataclasses.replace(self, **changes)


def full_range(frame: Frame) -> np.ndarray:
    """The pixels as a type whose largest value is white: uint8, uint16, or floats in [0, 1].

    Of a unit such as °C, floats from black to white become 0 to 1.

    Raises:
        ValueError: values lie outside black and white, or are not numbers.
    """
    pixels = frame.pixels
    if np.issubdtype(pixels.dtype, np.floating):
        low, high = float(pixels.min()), float(pixels.max())
        if not np.isfinite([low, high]).all():
            raise ValueError("holds NaN or infinity; replace those values")
        rounding = ROUNDING * max(1.0, frame.white - frame.black)
        if low < frame.black - rounding or high > frame.white + rounding:
            raise ValueError(
                f"holds floats from {low:g} to {high:g}; scale them to {frame.black:g}…"
                f"{frame.white:g}"
            )
        if frame.unit == LEVELS:
            return pixels
        black, span = frame.black, max(frame.white - frame.black, np.finfo(np.float32).tiny)
        return by_strips(
            lambda part: np.clip((part - black) / span, 0, 1).astype(np.float32), pixels
        )
    white = int(frame.white)
    if pixels.max(initial=0) > white:
        raise ValueError(f"holds {pixels.max()}, more than its white {white}")
    dtype, most = (np.uint8, 255) if white <= 255 else (np.uint16, 65535)
    if white == most:
        return pixels.astype(dtype, copy=False)
    wide = np.dtype(np.uint32 if white <= 65535 else np.uint64).type  # holds the products

    def scaled(part: np.ndarray) -> np.ndarray:
        return ((part.astype(wide) * wide(most) + wide(white // 2)) // wide(white)).astype(dtype)

    return by_strips(scaled, pixels)
