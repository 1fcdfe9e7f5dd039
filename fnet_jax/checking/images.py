"""Problems of single images: empty, saturated, framed, colored by a palette.

Images are uint8 (H, W) or (H, W, 3).
"""

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from fnet_jax.images.color import rounded_grey

EMPTY = 6  # levels between the 0.1 and 99.9 percentiles, below which an image is empty
WHITE, SATURATED = 255, 0.1  # a level, and the least share of pixels at that level
DARK, BRIGHT = 2, 253  # levels of a frame
LEAST_FRAME, MOST_FRAME = 0.003, 0.6  # shares of the pixels
LEAST_SIDE = 32  # pixels; smaller images are not checked for frames
COARSE = 200  # pixels of the longer side at which edges are traced
STEP = 24  # least mean difference of level between the frame and the picture next to it
STRAIGHT = 0.15  # largest part of the frame inside the picture's bounding rectangle
LEAST_DIFFERENCE = 30.0  # squared levels, below which differences are noise
COLORED = 0.1  # least share of differences that are not along the grey axis
ON_A_CURVE = 0.38  # largest part of that share off the curve of a palette


def is_empty(image: np.ndarray) -> bool:
    """Whether an image has almost no contrast."""
    low, high = np.percentile(rounded_grey(image), (0.1, 99.9))
    return bool(high - low < EMPTY)


def saturated(image: np.ndarray) -> float:
    """The share of pixels at the largest level if it is notable, else 0."""
    share = float((rounded_grey(image) == WHITE).mean())
    return share if share >= SATURATED else 0.0


def frame(image: np.ndarray) -> float:
    """The share of pixels outside of a straight-edged picture; 0 if it fills the image.

    Such black or white frames result from cropping, warping and screenshots. A round head in a scan
    or a fading night sky does not count.
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
    """Whether a mask (H, W) is a rectangle, possibly rotated and cut off by the image.

    If so, its minimum bounding rectangle contains almost nothing else, unlike a sky in a corner.
    """
    if not picture.any():
        return False
    try:
        points = np.argwhere(picture)[:, ::-1]
        hull = points[ConvexHull(points).vertices].astype(np.float64)
    except QhullError:  # the mask is a line
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
    """Whether a color image, uint8 (H, W, 3), shows one quantity by a palette, as thermal ones do.

    If so, its colors lie on a curve: around each color, neighboring pixels differ in one direction
    only. Images are compared at half size, at which JPEG files store color. The share of
    differences off that curve, among those that are not grey, is at most 0.26 for inferno, jet,
    hot, PET and SPECT images, and at least 0.5 for visible images of public sets.
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
