"""The pixels of a pair, and whether its two images look swapped."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fnet_jax import images
from fnet_jax.images.color import is_color, published_grey
from fnet_jax.pairs.match import Pair

JPEG = b"\xff\xd8\xff"


def read(
    pair: Pair, *, grey: bool = False, max_pixels: int | None = None
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Reads both images of a pair.

    Args:
        pair: the files.
        grey: whether I1 is read as grey too.
        max_pixels: as for :func:`fnet_jax.images.read`.

    Returns:
        I1, I2 as ``images.read(path, grey=True)`` gives it, and whether I2 shows color although I1
        does not.

    Raises:
        InputError: a file cannot be read.
    """
    i1 = images.read(pair.i1, grey=grey, max_pixels=max_pixels)
    if is_color(i1):
        return i1, images.read(pair.i2, grey=True, max_pixels=max_pixels), False
    i2, colored = grey_and_color(pair.i2, max_pixels=max_pixels)
    if colored and grey:  # which has hidden whether I1 shows color
        colored = not is_color(images.read(pair.i1, max_pixels=max_pixels))
    return i1, i2, colored


def grey_and_color(path: Path, *, max_pixels: int | None = None) -> tuple[np.ndarray, bool]:
    """An image as ``images.read(path, grey=True)`` gives it, and whether its file shows color.

    It is decoded once, but for JPEG files of three channels: their stored luma needs a decoder of
    its own.

    Raises:
        InputError: the file cannot be read.
    """
    image = images.read(path, max_pixels=max_pixels)
    if image.ndim == 2:
        return image, False
    with path.open("rb") as file:
        stored_luma = file.read(len(JPEG)) == JPEG
    if stored_luma or image.dtype != np.uint8:
        return images.read(path, grey=True, max_pixels=max_pixels), is_color(image)
    return published_grey(image), is_color(image)


def swapped(pairs: Sequence[Pair]) -> str:
    """The line about pairs in which I2 shows color and I1 does not; there is at least one."""
    first = pairs[0]
    named = f"{first.i1} and {first.i2}"
    if len(pairs) > 1:
        named = f"{len(pairs):,} pairs, such as {named}"
    return f"{named}: I2 shows color and I1 does not; are they swapped?"
