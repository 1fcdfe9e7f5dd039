"""Processes large images a strip of rows at a time, to keep intermediate results small."""

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

PIXELS = 1 << 18  # per strip


def by_strips(function: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    """Applies a pixelwise function to arrays (H, W, …) of equal height and width, by strips.

    ``function`` takes the same rows of each array and returns an array with as many rows.
    """
    height, width = arrays[0].shape[:2]
    return _joined((height, width), lambda rows: function(*(array[rows] for array in arrays)))


def copied(
    image: Image.Image, convert: Callable[[Image.Image], Image.Image] | None = None
) -> np.ndarray:
    """The pixels of a loaded Pillow image, shape (H, W) or (H, W, C).

    Pillow itself would make two temporary copies, each as large as the array. ``convert`` is
    applied to each strip.
    """

    def strip(rows: slice) -> np.ndarray:
        part = image.crop((0, rows.start, image.width, rows.stop))
        return np.asarray(convert(part) if convert else part)

    return _joined((image.height, image.width), strip)


def _joined(size: tuple[int, int], strip: Callable[[slice], np.ndarray]) -> np.ndarray:
    found = None
    for rows in _strips(*size):
        part = strip(rows)
        if found is None:
            found = np.empty((size[0], *part.shape[1:]), part.dtype)
        found[rows] = part
    assert found is not None, "images have at least one row"
    return found


def _strips(height: int, width: int) -> Iterator[slice]:
    rows = max(1, PIXELS // max(width, 1))
    for first in range(0, height, rows):
        yield slice(first, min(first + rows, height))
