"""Finds scenes of a drive that show the same place, by comparing small images at small shifts.

Scenes are numbered along drives, so that neighbors are often almost the same picture. Two scenes
show the same place if both their visible and their infrared images correlate by more than
:data:`SAME`: reduced to 40×30 pixels, without structures wider than a few of those (the bright sky
and dark road that all drives share), at the best shift of up to a quarter of the width and a tenth
of the height. A dark visible image resembles nothing, so the count is a lower bound.

:data:`SAME` was set on all of MSRS, reduced to 320×240: of 914,872 pairs whose numbers differ by
more than 100, none correlates by more than 0.5, 9 by more than 0.45 and 68 by more than 0.4; of
1,362 pairs of neighbors, 270 by more than 0.5.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from PIL import Image
from scipy import ndimage

from eval.downstream.scenes import Scene, sources
from fnet_jax.artifacts.progress import Progress, silent
from fnet_jax.images.color import rounded_grey

SAME = 0.5
WIDTH, HEIGHT = 40, 30
SHIFTS = (3, 10)  # of rows and columns
WIDE = 3.0  # standard deviation, in pixels, of the blur that is subtracted
BLOCK = 64  # scenes that are compared at once; they fit into a cache


@dataclass(frozen=True)
class Near:
    """Two scenes whose numbers differ little.

    Attributes:
        first: position of one scene in the sequence.
        second: position of the other one, later in order of numbers.
        apart: difference of their numbers; 0 for copies, such as flipped ones.
        same: whether they show the same place; always true for copies.
    """

    first: int
    second: int
    apart: int
    same: bool


def number_of(name: str) -> int | None:
    """The first number in the name of a scene; None if it has none."""
    found = re.search(r"[0-9]+", name)
    return int(found.group()) if found else None


def ordered(scenes: Sequence[Scene]) -> list[int]:
    """Positions of the scenes with a number, sorted by number and name."""
    numbered = [k for k, scene in enumerate(scenes) if number_of(scene.name) is not None]
    return sorted(numbered, key=lambda k: (number_of(scenes[k].name) or 0, scenes[k].name))


def near(scenes: Sequence[Scene], reach: int, *, progress: Progress = silent) -> list[Near]:
    """All pairs of scenes whose numbers differ by at most ``reach``, in order of numbers.

    Raises:
        InputError: an image cannot be read.
    """
    order = ordered(scenes)
    numbers = [number_of(scenes[k].name) or 0 for k in order]
    shown = progress(order, total=len(order), desc="comparing places")
    small = np.array([thumbnails(scenes[k]) for k in shown], np.float32)
    later = [bisect_right(numbers, number + reach) - k - 1 for k, number in enumerate(numbers)]
    most = max(later, default=0)
    found = []
    for start in range(0, len(order), BLOCK):
        block = range(start, min(start + BLOCK, len(order)))
        alike = similarity(small[start : block.stop + most], most)
        for i in block:
            for j in range(i + 1, i + 1 + later[i]):
                apart = numbers[j] - numbers[i]
                same = not apart or bool(alike[j - i - 1, i - start] > SAME)
                found.append(Near(order[i], order[j], apart, same))
    return found


def thumbnails(scene: Scene) -> np.ndarray:
    """Visible luma and infrared, float32 (2, 30, 40), reduced by area, without wide structures.

    Raises:
        InputError: an image cannot be read.
    """
    visible, infrared = sources(scene)
    small = []
    for image in (rounded_grey(visible), infrared):
        picture = Image.fromarray(image.astype(np.float32))
        levels = np.asarray(picture.resize((WIDTH, HEIGHT), Image.Resampling.BOX))
        small.append(levels - ndimage.gaussian_filter(levels, WIDE))
    return np.array(small, np.float32)


def similarity(small: np.ndarray, most: int) -> np.ndarray:
    """How much each scene resembles each of the next ones.

    Args:
        small: thumbnails (N, 2, 30, 40).
        most: number of next scenes.

    Returns:
        float32 (most, N) in [-1, 1], of scene n and scene n + 1 + row: the largest correlation over
        all shifts, of visible or infrared, whichever is smaller; 0 for images without structure,
        and -1 where there is no such scene.
    """
    rows, columns = SHIFTS
    count = len(small)
    best = np.full((2, most, count), -1, np.float32)
    shifts = product(range(-rows, rows + 1), range(-columns, columns + 1), range(2))
    for down, right, channel in shifts:
        one = _unit(_moved(small[:, channel], down, right))
        other = _unit(_moved(small[:, channel], -down, -right))
        for row in range(min(most, count - 1)):
            # Not a matrix product, because its many threads would wait for each other.
            found = np.einsum("nk,nk->n", one[: count - 1 - row], other[row + 1 :])
            place = best[channel, row, : len(found)]
            np.maximum(place, found, out=place)
    return best.min(axis=0)


def _moved(images: np.ndarray, down: int, right: int) -> np.ndarray:
    """The part of images (N, H, W) that overlaps with images shifted against them."""
    _, height, width = images.shape
    return images[
        :,
        max(0, down) : height + min(0, down),
        max(0, right) : width + min(0, right),
    ]


def _unit(images: np.ndarray) -> np.ndarray:
    """Images (N, H, W) as vectors (N, H·W) of mean 0 and length 1, or 0 without structure.

    Less than a hundredth of a level is rounding, not structure.
    """
    vectors = images.reshape(len(images), -1)
    vectors = vectors - vectors.mean(axis=1, keepdims=True)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(length > 0.01 * vectors.shape[1] ** 0.5, vectors / np.maximum(length, 1e-12), 0)
