"""Boxes of a scene."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from fnet_jax.artifacts.files import read_text


class Boxes(NamedTuple):
    """Boxes of one image.

    Attributes:
        classes: int (N,), numbers of their classes.
        corners: float64 (N, 4), x1, y1, x2, y2 in pixels.
    """

    classes: np.ndarray
    corners: np.ndarray


def read(path: Path, classes: tuple[str, ...], size: tuple[int, int]) -> Boxes:
    """The boxes of a file in YOLO's form.

    Args:
        path: text of lines ``class x y width height``, relative to the image.
        classes: names of the classes.
        size: height and width of the image.
    """
    height, width = size
    rows = np.array([line.split() for line in read_text(path).splitlines() if line.strip()], float)
    rows = rows.reshape(-1, 5)
    center, half = rows[:, 1:3], rows[:, 3:5] / 2
    corners = np.concatenate([center - half, center + half], axis=1) * ([width, height] * 2)
    return Boxes(rows[:, 0].astype(int), corners)
