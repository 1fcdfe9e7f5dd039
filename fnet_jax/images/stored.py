"""What the decoder of a format returns: pixels as stored, and their meaning."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Stored:
    """An image as its file stores it; other attributes are as in ``images.frame.Frame``.

    Attributes:
        pixels: array (H, W) or (H, W, 3), as stored: not rotated, alpha not applied.
        white: the value that is white; 1 for floats.
        alpha: array (H, W), ``white`` where opaque; None if the image is opaque.
        orientation: of TIFF and Exif, 1…8.
        icc: color profile, if any.
        channels: of the picture in the file, if the pixels have fewer; else None.
    """

    pixels: np.ndarray
    white: float
    alpha: np.ndarray | None = None
    orientation: int = 1
    icc: bytes | None = None
    channels: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Unsuitable(ValueError):
    """A valid file that contains something other than an image that can be fused."""


def white_of(bits: int) -> int:
    """The largest value with this number of bits."""
    return (1 << bits) - 1


def with_alpha(channels: np.ndarray, white: float) -> tuple[np.ndarray, np.ndarray | None]:
    """Splits off alpha, the last of 2 or 4 channels (H, W, C); a single channel becomes (H, W)."""
    count = channels.shape[2]
    alpha = None
    if count in (2, 4):
        opaque = channels[..., -1]
        if opaque.min(initial=opaque.dtype.type(white)) < white:
            alpha = opaque
        channels = channels[..., :-1]
    return (channels[..., 0] if count <= 2 else channels), alpha
