"""Duplicate and near-duplicate images, and jumps of exposure between frames."""

import hashlib
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from fnet_jax.images.color import rounded_grey

WIDTH, HEIGHT = 40, 30  # pixels of a thumbnail
WIDE = 3.0  # pixels of the blur that is subtracted: a bright sky over a dark road is common
NEAR = 0.95  # correlation of both thumbnails of near-duplicate pairs
LIKE = 0.8  # correlation at which the levels of neighboring frames can be compared
BLOCK = 512  # pairs that are compared at a time
JUMP, GAIN = 20.0, 1.5  # levels, and a ratio of contrasts, between similar images
FAR, LEAST_FAR = 5.0, 50.0  # median deviations, and levels, from the other exposures


class Print(NamedTuple):
    """A fingerprint of an image for comparisons.

    Attributes:
        digest: of its size and pixels.
        small: float32 (1200,) of mean 0 and length 1; 0 if the image is empty.
        mean: of its levels.
        contrast: their standard deviation.
    """

    digest: bytes
    small: np.ndarray
    mean: float
    contrast: float


def print_of(image: np.ndarray) -> Print:
    """The print of an image, uint8 (H, W) or (H, W, 3)."""
    grey = rounded_grey(image)
    digest = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()
    small = np.asarray(
        Image.fromarray(grey.astype(np.float32)).resize((WIDTH, HEIGHT), Image.Resampling.BOX)
    )
    rest = (small - ndimage.gaussian_filter(small, WIDE)).ravel()
    rest = rest - rest.mean()
    length = float(np.linalg.norm(rest))
    unit = rest / length if length > 0.3 * rest.size**0.5 else np.zeros_like(rest)
    return Print(digest, unit.astype(np.float32), float(grey.mean()), float(grey.std()))


class Alike(NamedTuple):
    """Two similar pairs, by their positions."""

    first: int
    second: int
    exactly: bool
    likeness: float


def alike(ones: list[Print], twos: list[Print]) -> list[Alike]:
    """Pairs whose two images both equal, or correlate by more than 0.95 with, an earlier pair's."""
    small = [np.stack([each.small for each in side]) for side in (ones, twos)] if ones else []
    found = []
    first_of: dict[tuple[bytes, bytes], int] = {}
    for at, digests in enumerate(
        (one.digest, two.digest) for one, two in zip(ones, twos, strict=True)
    ):
        if (first := first_of.setdefault(digests, at)) < at:
            found.append(Alike(first, at, True, 1.0))
    for start in range(0, len(ones), BLOCK):
        stop = min(start + BLOCK, len(ones))
        likeness = np.minimum(*(side[start:stop] @ side.T for side in small))
        for row, column in zip(*np.nonzero(likeness > NEAR), strict=True):
            first, second = int(column), start + int(row)
            same = ones[first].digest == ones[second].digest
            if first < second and not (same and twos[first].digest == twos[second].digest):
                found.append(Alike(first, second, False, float(likeness[row, column])))
    return found


def jumps(prints: list[Print]) -> list[tuple[int, str]]:
    """Frames of one side of a folder whose levels jump although they resemble the previous frame.

    Returns positions of the later frames, and descriptions.
    """
    found = []
    for at in range(1, len(prints)):
        one, two = prints[at - 1], prints[at]
        if float(one.small @ two.small) < LIKE or not one.contrast or not two.contrast:
            continue
        shift, gain = two.mean - one.mean, two.contrast / one.contrast
        if abs(shift) >= JUMP:
            found.append((at, f"the mean jumps by {shift:+.0f} levels from the previous frame"))
        elif max(gain, 1 / gain) >= GAIN:
            found.append((at, f"the contrast is {gain:.2f} times that of the previous frame"))
    return found


def odd_exposures(prints: list[Print]) -> list[tuple[int, str]]:
    """Images whose mean is far from that of the others in their folder."""
    if len(prints) < 8:
        return []
    means = np.array([each.mean for each in prints])
    middle = float(np.median(means))
    spread = max(1.4826 * float(np.median(np.abs(means - middle))), 1.0)
    far = np.abs(means - middle)
    return [
        (int(at), f"the mean is {means[at]:.0f}, but the median of its folder is {middle:.0f}")
        for at in np.nonzero((far > FAR * spread) & (far > LEAST_FAR))[0]
    ]
