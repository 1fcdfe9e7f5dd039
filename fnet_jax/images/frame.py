"""What an image file holds: pixels, the values that are black and white, a unit, and metadata."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LEVELS, CELSIUS, KELVIN = "levels", "°C", "K"


@dataclass(frozen=True)
class Frame:
    """An image with all that its file says of it.

    Attributes:
        pixels: array (H, W) or (H, W, 3), row 0 at the top of the picture as a viewer shows it, in
            the file's own values: unsigned integers, or floats.
        black: the value that is black: 0 for levels. Of a unit without a black, such as °C, the
            least of the pixels.
        white: the value that is white: for levels 2^bits − 1 of the stored bits, for floats 1. Of a
            unit without a white, the greatest of the pixels.
        unit: ``"levels"``, ``"°C"`` or ``"K"``.
        metadata: what a fused image keeps of I1's file, by name: ``exif`` (bytes, without
            orientation and thumbnail), ``resolution`` (dots per inch, two numbers), ``geotiff``
            (tags by number); whatever of it the file has.
        notes: lines about what was decided in reading the file, without its name, such as
            ``"transparent pixels are black"``.
    """

    pixels: np.ndarray
    black: float
    white: float
    unit: str = LEVELS
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.pixels.shape[:2]
        return height, width

    def replace(self, **changes: Any) -> "Frame":
        """The frame with other values of some attributes."""
        return dataclasses.replace(self, **changes)
