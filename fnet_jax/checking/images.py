"""What one image shows of what is wrong with it: empty, saturated, framed, colored by a palette.

Images are uint8 (H, W) or (H, W, 3).
"""

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from fnet_jax.images.color import rounded_grey

EMPTY = 6  # levels between the 0.1 and 99.9 percentiles, below which an image shows nothing
WHITE, SATURATED = 255, 0.1  # the level, and the share of pixels that have it
DARK, BRIGHT = 2, 253  # levels that a frame has
LEAST_FRAME, MOST_FRAME = 0.003, 0.6  # share of the pixels
LEAST_SIDE = 32  # pixels of an image that can have a frame
COARSE = 200  # pixels of the longer side, at which edges are followed
STEP = 24  # mean levels by which the picture differs from its frame, next to it
STRAIGHT = 0.15  # of the frame, what may lie in the rectangle around the picture
LEAST_DIFFERENCE = 30.0  # square of levels, below which neighbors differ by noise
COLORED = 0.1  # share of differences that is not along the greys
ON_A_CURVE = 0.38  # of that share, what is not along the curve of a palette


def is_empty(image: np.ndarray) -> bool:
    """Whether an image shows hardly anything."""
    low, high = np.percentile(rounded_grey(image), (0.1, 99.9))
    return bool(high - low < EMPTY)


def saturated(image: np.ndarray) -> float:
    """The share of the pixels of the largest level, if it is large enough to matter; else 0."""
    share = float((rounded_grey(image) == WHITE).mean())
    return share if share >= SATURATED else 0.0


def frame(image: np.ndarray) -> float:
    """The share of the pixels outside of a straight-edged picture; 0 where it fills the image.

    Such a frame, black or white, is what cropping, warping and screenshots leave. A head in a scan
    is round, and a night sky fades: they are no pictures in a frame.
    """
    grey = rounded_grey(image)
    if min(grey.shape) < LEAST_SIDE:
        return 0.0
    for outside in (grey <= DARK, grey >= BRIGHT):
        share = _framed(grey, outside)
        if share:
            return share
    return 0.0


def _framed(grey: np.ndarray, outside: np.ndarray) -> float:
    labels, number = ndimage.label(outside)
    if not number:
        return 0.0
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    around = np.isin(labels, np.unique(edge[edge > 0]))
    share = float(around.mean())
    if not LEAST_FRAME <= share <= MOST_FRAME:
        return 0.0
    picture = ndimage.binary_opening(~around, iterations=2)
    if not picture.any():
        return 0.0
    next_to = picture & ndimage.binary_dilation(around, iterations=5)
    level = grey[around].mean()
    if not next_to.any() or np.abs(grey[next_to] - level).mean() < STEP:
        return 0.0
    step = max(1, max(grey.shape) // COARSE)
    return share if _is_rectangle(picture[::step, ::step]) else 0.0


def _is_rectangle(picture: np.ndarray) -> bool:
    """Whether a mask (H, W) is a rectangle, turned or not, that the image may cut off.

    Then next to nothing of what is outside of it lies in the least rectangle around it. A sky in a
    corner does.
    """
    if not picture.any():
        return False
    try:
        points = np.argwhere(picture)[:, ::-1]
        hull = points[ConvexHull(points).vertices].astype(np.float64)
    except QhullError:  # a line
        return False
    height, width = picture.shape
    y, x = np.mgrid[:height, :width]
    outside = picture.size - picture.sum()
    for degrees in range(90):
        angle = np.radians(degrees)
        c, s = np.cos(angle), np.sin(angle)
        along, across = c * hull[:, 0] + s * hull[:, 1], c * hull[:, 1] - s * hull[:, 0]
        u, v = c * x + s * y, c * y - s * x
        within = (u >= along.min()) & (u <= along.max()) & (v >= across.min()) & (v <= across.max())
        if within.sum() - picture.sum() <= STRAIGHT * outside:
            return True
    return False


def is_palette(image: np.ndarray) -> bool:
    """Whether a color image takes its colors from a palette of one quantity, as thermal ones do.

    Then colors lie on a curve: around each color, neighboring pixels differ along one direction
    only. Images of half the size are compared, as JPEG files store color at that size. Of inferno,
    jet, hot, PET and SPECT images at most 0.26 of what differs from grey is not along it, and of
    visible images of public sets at least 0.5.

    Args:
        image: uint8 (H, W, 3), which shows color.
    """
    height, width = (length // 2 * 2 for length in image.shape[:2])
    if min(height, width) < 8:
        return False
    small = image[:height, :width].reshape(height // 2, 2, width // 2, 2, 3).mean((1, 3))
    cells = (np.rint(small).astype(int) >> 4) @ np.array([256, 16, 1])
    steps, of = [], []
    for axis in (0, 1):
        steps.append(np.diff(small, axis=axis).reshape(-1, 3))
        of.append(np.delete(cells, 0, axis).ravel())
    differences, where = np.concatenate(steps), np.concatenate(of)
    seen = (differences**2).sum(1) > LEAST_DIFFERENCE
    differences, where = differences[seen], np.unique(where[seen], return_inverse=True)[1]
    if not len(where):
        return False
    number = where.max() + 1
    products = (differences[:, :, None] * differences[:, None]).reshape(-1, 9).T
    scatter = np.stack([np.bincount(where, each, number) for each in products], 1)
    along = np.linalg.eigvalsh(scatter.reshape(-1, 3, 3))
    total = along.sum()
    colored = 1 - (differences.sum(1) ** 2).sum() / 3 / total
    return bool(colored >= COLORED and (along[:, :2].sum() / total) / colored < ON_A_CURVE)
