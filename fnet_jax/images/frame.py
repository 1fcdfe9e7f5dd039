"""The contents of an image file: pixels, black and white values, a unit, and metadata."""

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fnet_jax.images.strips import by_strips

LEVELS, CELSIUS = "levels", "°C"
MAX_PIXELS = 100_000_000  # of an image, by default
ROUNDING = 1e-6  # tolerance of floats outside [0, 1]

logger = logging.getLogger("fnet_jax.images")


@dataclass(frozen=True)
class Frame:
    """An image with everything its file says about it.

    Attributes:
        pixels: array (H, W) or (H, W, 3), row 0 at the top of the picture as a viewer shows it, in
            the file's own values: unsigned integers, or floats.
        black: the value that is black: 0 for levels. For units without a black, such as a camera's
            °C, the minimum of the pixels.
        white: the value that is white: for levels 2^bits − 1 of the stored bits, for floats 1. For
            units without a white, the maximum of the pixels.
        unit: ``"levels"`` or ``"°C"``.
        channels: of the picture in its file, 1 or 3; a JPEG file of 3 that is read as grey has
            pixels of 1.
        metadata: what a fused image keeps from I1's file, by name, where the file has it: ``exif``
            (bytes, without orientation and thumbnail), ``resolution`` (dots per inch, two numbers),
            ``geotiff`` (tags by number).
        notes: lines about decisions made while reading the file, without its name, such as
            ``"transparent pixels become black"``.
        scaled: for units other than levels, whether black and white are those of the file's type.
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
        """Whether black and white come from the file's type rather than from the image."""
        return self.unit == LEVELS or self.scaled

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.pixels.shape[:2]
        return height, width

    def replace(self, **changes: Any) -> "Frame":
        """A copy of the frame with some attributes changed."""
        return dataclasses.replace(self, **changes)


def full_range(frame: Frame) -> np.ndarray:
    """The pixels as a type whose largest value is white: uint8, uint16, or floats in [0, 1].

    For units such as °C, the range from black to white is mapped to 0…1.

    Raises:
        ValueError: values lie outside black and white, or are not finite.
    """
    pixels = frame.pixels
    if np.issubdtype(pixels.dtype, np.floating):
        low, high = float(pixels.min()), float(pixels.max())
        if not np.isfinite([low, high]).all():
            raise ValueError("contains NaN or infinity; replace those values")
        rounding = ROUNDING * max(1.0, frame.white - frame.black)
        if low < frame.black - rounding or high > frame.white + rounding:
            raise ValueError(
                f"contains floats from {low:g} to {high:g}; scale them to {frame.black:g}…"
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
        raise ValueError(f"contains {pixels.max()}, which is above its white value {white}")
    dtype, most = (np.uint8, 255) if white <= 255 else (np.uint16, 65535)
    if white == most:
        return pixels.astype(dtype, copy=False)
    wide = np.dtype(np.uint32 if white <= 65535 else np.uint64).type  # large enough for products

    def scaled(part: np.ndarray) -> np.ndarray:
        return ((part.astype(wide) * wide(most) + wide(white // 2)) // wide(white)).astype(dtype)

    return by_strips(scaled, pixels)
