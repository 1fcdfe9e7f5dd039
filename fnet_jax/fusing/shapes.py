"""Array shapes to compile for when images come in many sizes.

Compiling FNet for one size takes as long as fusing a few hundred thousand pixels. An image may be
fused inside any larger array that is kept at zero outside of it, with the same result. Sizes can
thus share a compilation, at the cost of wasted pixels. Sizes and shapes are (height, width).
"""

import math
from collections import Counter
from collections.abc import Iterable

import numpy as np

from fnet_jax.fusing.costs import COSTS, Costs
from fnet_jax.runtime.engines import XLA

Size = tuple[int, int]

STEP = 16  # shapes are multiples of this
MOST_PLANNED = 300  # sizes that shared() compares pair by pair


def round_up(size: Size, *, step: int = STEP) -> Size:
    """Rounds a size up to multiples of ``step``."""
    height, width = size
    return -(-height // step) * step, -(-width // step) * step


def area(size: Size) -> int:
    """Number of pixels."""
    return size[0] * size[1]


def holds(shape: Size, size: Size) -> bool:
    """Whether an image of ``size`` fits into an array of ``shape``."""
    return shape[0] >= size[0] and shape[1] >= size[1]


def choose(
    size: Size, shapes: Iterable[Size], *, full: bool = False, costs: Costs = COSTS[XLA]
) -> Size:
    """The array shape for an image: one of ``shapes`` if it wastes little, else a new one.

    ``full`` means that a new program would replace another; then a shape may also waste as many
    pixels as can be fused in the time of a compilation.
    """
    new = round_up(size, step=2 * STEP)
    most = max(costs.spare * area(new), area(new) + costs.compilation if full else 0)
    fitting = [shape for shape in shapes if holds(shape, size) and area(shape) <= most]
    return min(fitting, key=area, default=new)


def shared(
    sizes: Iterable[Size],
    *,
    cost: float = COSTS[XLA].compilation,
    most: int | None = None,
    largest: float = math.inf,
) -> list[Size]:
    """Chooses shapes for a set of images such that computing and compiling together are fast.

    Starts with one shape per size and merges two at a time, as long as the pixels that a merged
    shape adds cost less than the compilation that it saves, or there are too many shapes. More
    than ``MOST_PLANNED`` sizes are first grouped by similar size. Every size fits into a shape.

    Args:
        sizes: (height, width) of each image.
        cost: pixels that can be fused in the time of one compilation.
        most: largest number of shapes, ≥ 1; None for no limit.
        largest: pixels above which shapes are not merged, unless there are too many.
    """
    images = Counter(sizes)
    if not images:
        return []
    step, groups = STEP, _rounded(images, STEP)
    while len(groups) > MOST_PLANNED:
        step *= 2
        groups = _rounded(images, step)

    while len(groups) > 1:
        shapes = sorted(groups)
        height, width = np.array(shapes).T
        count = np.array([groups[shape] for shape in shapes])
        joint = np.maximum.outer(height, height) * np.maximum.outer(width, width)
        waste = count[:, None] * (joint - (height * width)[:, None])
        upper = np.triu_indices(len(shapes), 1)  # each pair once
        price = np.where(joint > largest, np.inf, waste + waste.T - cost)[upper]
        if np.isinf(price).all():
            price = (waste + waste.T)[upper].astype(float)
        best = price.argmin()
        if price[best] >= 0 and (most is None or len(groups) <= most):
            break
        a, b = shapes[upper[0][best]], shapes[upper[1][best]]
        images_of_both = groups.pop(a) + groups.pop(b)
        groups[max(a[0], b[0]), max(a[1], b[1])] += images_of_both
    return _shrunk(groups, images)


def _shrunk(shapes: Iterable[Size], images: Iterable[Size]) -> list[Size]:
    """Shrinks each shape to the images for which it is the smallest that fits."""
    used: dict[Size, Size] = {}
    for size in images:
        shape = min((s for s in shapes if holds(s, size)), key=area)
        height, width = used.get(shape, (0, 0))
        used[shape] = (max(height, size[0]), max(width, size[1]))
    return sorted({round_up(size) for size in used.values()})


def _rounded(images: Counter[Size], step: int) -> Counter[Size]:
    groups: Counter[Size] = Counter()
    for size, count in images.items():
        groups[round_up(size, step=step)] += count
    return groups
