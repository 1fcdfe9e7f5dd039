"""The atoms of the dictionaries as sheets, the most used ones first."""

import math
from typing import TYPE_CHECKING

import numpy as np

from fnet_jax.explain.explanation import Explanation
from fnet_jax.explain.figures.canvas import SIGNED, canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAP, LINES = 1, 5  # pixels between columns of atoms; between rows, for the text
COLUMNS, PITCH = 16, 1.42  # atoms per row; distance of rows in widths of an atom
SHEETS_IN_A_ROW = 4

ATOMS = (
    "The filters G, which draw each feature into the fused image, by falling energy of the "
    "feature in this pair. Below each: the number of the feature, its share of the code's energy, "
    "and the share of the pixels where it is not null. Each has its own scale: red is positive, "
    "blue negative."
)
SHEETS = (
    "The filters W_eᵏ, W_dᵏ, D and G, each with its own scale, by falling energy of the "
    "features that they lead to (W_eᵏ: uᵏ) or read (W_dᵏ: uᵏ⁻¹; D, G and filters that all "
    "iterations share: uᴺ). Below each: the number of the feature, its share of the energy, and "
    "the share of the pixels where it is not null, in percent. Filters of c have two images, and "
    "a sheet for each."
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
    """All dictionaries of a block, one sheet each."""
    block = explanation.blocks[code]
    titled = [
        (name, f"{name}{f', image {channel + 1}' if filters.shape[1] > 1 else ''}", channel)
        for name, filters in block.dictionaries.items()
        for channel in range(filters.shape[1])
    ]
    rows = math.ceil(len(titled) / SHEETS_IN_A_ROW)
    shape = sheet(next(iter(block.dictionaries.values()))[:, 0]).shape
    with canvas(rows * (12 / SHEETS_IN_A_ROW * shape[0] / shape[1] + 0.3)) as figure:
        panels = figure.subplots(rows, SHEETS_IN_A_ROW, squeeze=False).ravel()
        for axes in panels:
            axes.set_axis_off()
        for axes, (name, title, channel) in zip(panels, titled, strict=False):
            use, filters = block.use_of(name), block.dictionaries[name][:, channel]
            image = sheet(filters[use.order])
            axes.imshow(image, cmap=SIGNED, vmin=-1, vmax=1, interpolation="nearest")
            axes.set_title(title)
            for i, j in enumerate(use.order):
                top, left = place(i, filters.shape)
                text = f"{j}\n{_short(use.energy[j])} · {_short(use.frequency[j])}"
                x, y = left + filters.shape[2] / 2 - 0.5, top + filters.shape[1] - 0.3
                # Excluded from the layout, which would take most of the time; it fits anyway.
                axes.text(x, y, text, ha="center", va="top", fontsize=3.8).set_in_layout(False)
    return figure


def place(i: int, shape: tuple[int, ...]) -> tuple[int, int]:
    """Row and column of the first pixel of the i-th filter in a sheet of filters of that shape."""
    count, height, width = shape
    side = math.ceil(math.sqrt(count))
    return i // side * (height + LINES), i % side * (width + GAP)


def sheet(filters: np.ndarray) -> np.ndarray:
    """Filters (K, size, size) in a square, row by row, each divided by its largest magnitude.

    Returns values (rows, columns) in [−1, 1], NaN in the gaps and where there is no filter.
    """
    count, height, width = filters.shape
    side = math.ceil(math.sqrt(count))
    rows = math.ceil(count / side) * (height + LINES)
    drawn = np.full((rows, side * (width + GAP) - GAP), np.nan, np.float32)
    for i, kernel in enumerate(filters):
        top, left = place(i, filters.shape)
        largest = np.abs(kernel).max() or 1.0
        drawn[top : top + height, left : left + width] = kernel / largest
    return drawn


def _short(share: float) -> str:
    """Percent without a sign, of at most three characters."""
    return f"{100 * share:.0f}" if share >= 0.0995 else f"{100 * share:.1f}"


def _percent(share: float) -> str:
    return f"{_short(share)} %"
