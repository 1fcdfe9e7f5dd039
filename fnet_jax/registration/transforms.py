"""Plane transforms as 3×3 matrices on pixels (x, y), whose centers lie at integers.

A model is a space of small displacement fields, linear in its parameters; a transform is refined by
composing it with such a field. Sizes are (height, width).
"""

import math

import numpy as np

MODELS = ("translation", "similarity", "affine", "homography")
"""From the simplest to the most flexible; 2, 4, 6 and 8 parameters."""

Size = tuple[int, int]


def corners(size: Size) -> np.ndarray:
    """The centers of the four corner pixels, float64 (4, 2) of (x, y)."""
    height, width = size
    right, bottom = width - 1.0, height - 1.0
    return np.array([[0, 0], [right, 0], [0, bottom], [right, bottom]])


def moved(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Transforms points (n, 2) of (x, y) by a matrix (3, 3)."""
    found = np.c_[points, np.ones(len(points))] @ matrix.T
    return found[:, :2] / found[:, 2:]


def normal(matrix: np.ndarray) -> np.ndarray:
    """The same transform, scaled so that its last element is 1."""
    return matrix / matrix[2, 2]


def shift(x: float, y: float) -> np.ndarray:
    """The translation by (x, y)."""
    return np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])


def turn(degrees: float) -> np.ndarray:
    """The rotation about (0, 0), from x to y."""
    angle = math.radians(degrees)
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def rotated(point: np.ndarray, degrees: float, scale: float) -> np.ndarray:
    """The rotation and scaling about a point (x, y)."""
    return shift(*point) @ np.diag([scale, scale, 1.0]) @ turn(degrees) @ shift(*-point)


def resizing(old: Size, new: Size) -> np.ndarray:
    """Maps pixels of an image to those of the resized image; image borders coincide."""
    y, x = new[0] / old[0], new[1] / old[1]
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def resized(matrix: np.ndarray, old: tuple[Size, Size], new: tuple[Size, Size]) -> np.ndarray:
    """The transform from I1 to I2 after resizing them from ``old`` to ``new`` sizes."""
    return normal(resizing(old[1], new[1]) @ matrix @ np.linalg.inv(resizing(old[0], new[0])))


def centered(size1: Size, size2: Size) -> np.ndarray:
    """The transform that aligns the centers and scales the longer sides to match."""
    scale = max(size2) / max(size1)
    (h1, w1), (h2, w2) = size1, size2
    back = shift((w2 - 1) / 2, (h2 - 1) / 2) @ np.diag([scale, scale, 1])
    return back @ shift((1 - w1) / 2, (1 - h1) / 2)


def scale_of(matrix: np.ndarray, size: Size) -> float:
    """The local scale of a transform at the center of an image of this size."""
    a, b = size[1] / 2, size[0] / 2
    three = moved(matrix, np.array([[a, b], [a + 1, b], [a, b + 1]]))
    return math.sqrt(abs(np.linalg.det(three[1:] - three[0])))


def nearest(matrix: np.ndarray, model: str, there: np.ndarray, size: Size) -> np.ndarray:
    """The model's transform, composed with ``there``, that is closest to ``matrix`` on an image."""
    if model == "homography":
        return matrix
    points = corners(size)
    between = moved(np.linalg.inv(there) @ matrix, points) - points
    spans = fields(model, points, size)
    flat = spans.reshape(-1, spans.shape[2])
    found = np.linalg.lstsq(flat, between.ravel(), rcond=None)[0]
    return normal(there @ displacement(model, found, size))  # exact: these models are linear


def overlap(matrix: np.ndarray, size1: Size, size2: Size) -> np.ndarray:
    """Corners (4, 2) of the overlap's bounding rectangle on I1; those of I1 without overlap."""
    ends = corners(size1)
    x, y = (np.linspace(0, end, 65) for end in ends[3])
    points = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    u, v = moved(matrix, points).T
    on = points[(u >= -0.5) & (v >= -0.5) & (u <= size2[1] - 0.5) & (v <= size2[0] - 0.5)]
    if not len(on):
        return ends
    (left, top), (right, bottom) = on.min(0), on.max(0)
    return np.array([[left, top], [right, top], [left, bottom], [right, bottom]])


def plausible(matrix: np.ndarray, size1: Size, size2: Size) -> bool:
    """Whether a transform does not fold I1 and puts part of it onto I2."""
    ends = corners(size1)
    depth = np.c_[ends, np.ones(4)] @ matrix[2]
    if not np.isfinite(matrix).all() or depth.min() <= 0.2 * depth.max():
        return False
    a, b, c, d = moved(matrix, ends)  # the corners in reading order
    turns = [_cross(b - a, d - b), _cross(d - b, c - d), _cross(c - d, a - c), _cross(a - c, b - a)]
    low, high = np.min([a, b, c, d], 0), np.max([a, b, c, d], 0)
    return bool(
        min(turns) > 0 and (high > 0).all() and low[0] < size2[1] - 1 and low[1] < size2[0] - 1
    )


def _cross(a: np.ndarray, b: np.ndarray) -> float:
    return float(a[0] * b[1] - a[1] * b[0])


def fields(model: str, points: np.ndarray, size: Size) -> np.ndarray:
    """The displacement fields that span a model, at points (n, 2) of (x, y) of an image.

    The image's center is mapped to 0 and half its longer side to 1.

    Returns:
        Pixels of displacement per parameter, (n, 2, parameters).
    """
    x, y = ((points - _middle(size)) / (max(size) / 2)).T
    o, i = np.zeros_like(x), np.ones_like(x)
    spans = [(i, o), (o, i)]
    if model == "similarity":
        spans += [(x, y), (-y, x)]
    if model in ("affine", "homography"):
        spans += [(x, o), (y, o), (o, x), (o, y)]
    if model == "homography":
        spans += [(x * x, x * y), (x * y, y * y)]
    return np.stack([np.stack(span, -1) for span in spans], -1)


def displacement(model: str, parameters: np.ndarray, size: Size) -> np.ndarray:
    """The transform for a linear combination of a model's fields, to first order.

    ``parameters`` are in pixels; ``size`` is as for :func:`fields`.
    """
    half = max(size) / 2
    p = np.asarray(parameters) / half
    found = shift(p[0], p[1])
    if model == "similarity":
        found[:2, :2] += [[p[2], -p[3]], [p[3], p[2]]]
    if model in ("affine", "homography"):
        found[:2, :2] += [[p[2], p[3]], [p[4], p[5]]]
    if model == "homography":
        found[2, :2] -= p[6:]
    x, y = _middle(size)
    unit = np.diag([1 / half, 1 / half, 1]) @ shift(-x, -y)
    return np.linalg.inv(unit) @ found @ unit


def _middle(size: Size) -> np.ndarray:
    return np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
