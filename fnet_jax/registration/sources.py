"""The two images of a pair as stored in their files: of any two sizes, unaligned."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from fnet_jax.errors import InputError
from fnet_jax.images import files
from fnet_jax.images.alignment import align
from fnet_jax.images.frame import MAX_PIXELS
from fnet_jax.images.radiometric import Radiometric
from fnet_jax.pairs.match import Pair
from fnet_jax.registration.transforms import Size


class Source(NamedTuple):
    """The images of a pair, and their alignment by the files' tags.

    Attributes:
        i1: array (H, W) or (H, W, 3), in the file's own values.
        i2: array (h, w), likewise. If both are from one file of a thermal camera, they are as
            stored, not turned upright.
        by_tags: matrix (3, 3) from I1 to I2 from the tags of a thermal camera; None without tags.
    """

    i1: np.ndarray
    i2: np.ndarray
    by_tags: np.ndarray | None


def load(pair: Pair, *, max_pixels: int | None = MAX_PIXELS) -> Source:
    """Reads a pair.

    Raises:
        InputError: a file cannot be read, or the only file lacks one of the images.
    """
    if pair.i1 != pair.i2:
        one = files.open(pair.i1, part="picture", max_pixels=max_pixels)
        two = files.open(pair.i2, grey=True, max_pixels=max_pixels)
        return Source(one.pixels, two.pixels, None)
    visible, camera = both_images(pair.i1, max_pixels=max_pixels)
    thermal = camera.thermal.pixels
    return Source(visible, thermal, by_tags(visible.shape[:2], thermal.shape[:2], camera))


def both_images(path: Path, *, max_pixels: int | None) -> tuple[np.ndarray, Radiometric]:
    """The visible image of a thermal camera's file, as stored, and the file's contents.

    Raises:
        InputError: it lacks one of them, or cannot be read.
    """
    camera = files.thermal_camera(path, max_pixels=max_pixels)
    visible = None if camera is None else camera.visible()
    if camera is None or visible is None:
        lacks = "image of a thermal camera" if camera is None else "visible image"
        raise InputError(f"{path} contains no {lacks}; use two images, with --i1 and --i2")
    return visible.pixels, camera


def by_tags(
    visible_size: Size, thermal_size: Size, camera: Radiometric | None
) -> np.ndarray | None:
    """The transform (3, 3) from visible to thermal pixels by a camera's tags, if any."""
    if camera is None or camera.alignment is None:
        return None
    box = align(visible_size, thermal_size, camera.alignment)
    scale = thermal_size[1] / (box.right - box.left)
    to_x, to_y = ((0.5 - edge) * scale - 0.5 for edge in (box.left, box.top))
    return np.array([[scale, 0, to_x], [0, scale, to_y], [0, 0, 1]])
