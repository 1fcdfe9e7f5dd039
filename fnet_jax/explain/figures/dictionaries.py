"""The atoms of the dictionaries as sheets, those that a pair uses most first."""

import math
from typing import TYPE_CHECKING

import numpy as np

from fnet_jax.explain.explanation import Explanation
from fnet_jax.explain.figures.canvas import SIGNED, canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAP = 1  # pixels between atoms
COLUMNS, PITCH = 16, 1.42  # atoms beside each other; from one row to the next, in widths of one

ATOMS = (
    "The filters G, which draw each feature into the fused image, by falling energy of their "
    "feature in this pair. Below each, the feature's number, its share of the code's energy, and "
    "the share of the pixels where it is not null. Each is drawn in a scale of its own: red "
    "positive, blue negative."
)
SHEETS = (
    "Every filter of the block that leads to features (W_eᵏ) or from them (W_dᵏ, D, G), in the "
    "same order as above, row by row, each in a scale of its own. Filters of c see or make two "
    "images, and have a sheet for each."
)


def atoms(explanation: Explanation, *, code: str) -> "Figure":
    """The filters G of a code, with the use of their features."""
    block = explanation.blocks[code]
    filters = block.dictionaries["G"][:, 0]
    columns = min(COLUMNS, len(filters))
    rows = math.ceil(len(filters) / columns)
    with canvas(rows * 1.05) as figure:
        axes = figure.subplots()
        for i, j in enumerate(block.use.order):
            x, y = i % columns, -PITCH * (i // columns)
            limit = float(np.abs(filters[j]).max()) or 1.0
            place = (x + 0.04, x + 0.96, y - 0.96, y - 0.04)
            axes.imshow(filters[j], cmap=SIGNED, vmin=-limit, vmax=limit, extent=place)
            use = f"{_percent(block.use.energy[j])} · {_percent(block.use.frequency[j])}"
            text = f"{code}:{j}\n{use}"
            axes.text(x + 0.5, y - 1.02, text, ha="center", va="top", fontsize=6.5)
        axes.set_xlim(0, COLUMNS)
        axes.set_ylim(-PITCH * rows, 0)
        axes.set_axis_off()
    return figure


def sheets(explanation: Explanation, *, code: str) -> "Figure":
    """All dictionaries of a block, a sheet each."""
    block = explanation.blocks[code]
    titled = [
        (f"{name}{f', image {channel + 1}' if filters.shape[1] > 1 else ''}", filters[:, channel])
        for name, filters in block.dictionaries.items()
        for channel in range(filters.shape[1])
    ]
    columns = 6 if len(titled) <= 12 else 7
    rows = math.ceil(len(titled) / columns)
    with canvas(rows * (12 / columns + 0.3)) as figure:
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in panels:
            axes.set_axis_off()
        for axes, (title, filters) in zip(panels, titled, strict=False):
            image = sheet(filters[block.use.order])
            axes.imshow(image, cmap=SIGNED, vmin=-1, vmax=1, interpolation="nearest")
            axes.set_title(title)
    return figure


def sheet(filters: np.ndarray) -> np.ndarray:
    """Filters beside each other in a square, row by row, each divided by its largest magnitude.

    Args:
        filters: shape (K, size, size).

    Returns:
        Array (rows, columns) of values in [−1, 1], NaN between the filters and where there is none.
    """
    side, pitch = math.ceil(math.sqrt(len(filters))), filters.shape[1] + GAP
    rows = math.ceil(len(filters) / side)
    drawn = np.full((rows * pitch - GAP, side * pitch - GAP), np.nan, np.float32)
    for i, kernel in enumerate(filters):
        top, left = i // side * pitch, i % side * pitch
        size = len(kernel)
        largest = np.abs(kernel).max() or 1.0
        drawn[top : top + size, left : left + size] = kernel / largest
    return drawn


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.1f} %"
