"""Results of FNet at different sizes, as a table and a figure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fnet_jax.artifacts import markdown
from fnet_jax.artifacts.files import replace_file

LOSS, CELLS = "validation loss", "cells, mean ratio"

Setting = tuple[int, int, int]
"""Features K, side of the kernels and iterations N."""


def settings(setting: Setting) -> dict[str, Any]:
    """A setting by the names of :class:`fnet_jax.FNet`."""
    return dict(zip(("features", "kernel_size", "iterations"), setting, strict=True))


def shown(setting: Setting) -> str:
    """A setting as tables show it."""
    return f"K {setting[0]}, {setting[1]}×{setting[1]}, N {setting[2]}"


@dataclass(frozen=True)
class Point:
    """The result of a size with a seed.

    Attributes:
        setting: features, side of the kernels and iterations.
        seed: seed of the training.
        parameters: number of parameters.
        share: multiplications per pixel relative to the paper's network.
        validation_loss: the smallest of the run's checkpoints; None if it diverged.
        cells: ratios by set and metric; empty if nothing was scored.
    """

    setting: Setting
    seed: int
    parameters: int
    share: float
    validation_loss: float | None
    cells: dict[str, dict[str, float]]

    @property
    def by_set(self) -> list[float]:
        """The mean ratio of each set."""
        return [float(np.mean(list(row.values()))) for row in self.cells.values()]

    @property
    def mean(self) -> float:
        """The mean of all cells; NaN if there are none."""
        every = [value for row in self.cells.values() for value in row.values()]
        return float(np.mean(every)) if every else np.nan


def table(points: Sequence[Point]) -> str:
    """A row for each size and seed, the cheapest first."""
    names = list(next((point.cells for point in points if point.cells), {}))
    more = len(names) + 1 if names else 0
    rows = [
        [
            shown(point.setting),
            str(point.seed),
            f"{point.parameters:,}",
            f"1/{1 / point.share:.3g}",
            _number(point.validation_loss),
            *(_number(x) for x in ([point.mean, *point.by_set] if point.cells else [None] * more)),
        ]
        for point in sorted(points, key=lambda point: (point.share, point.setting, point.seed))
    ]
    head = ["size", "seed", "parameters", "operations", "validation loss"]
    return markdown.table([*head, *(["cells"] if names else []), *names], rows)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def draw(path: Path, points: Iterable[Point]) -> None:
    """Operations against the validation loss, and against the cells if there are any.

    Args:
        path: PNG file, written whole or not at all.
        points: diverged ones are left out; nothing is drawn if none is left.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot, ticker

    points = [point for point in points if point.validation_loss is not None]
    if not points:
        return
    values = {LOSS: [point.validation_loss for point in points]}
    if any(point.cells for point in points):
        values[CELLS] = [point.mean if point.cells else None for point in points]
    figure, panels = pyplot.subplots(
        1, len(values), figsize=(6 * len(values), 4.5), squeeze=False, layout="constrained"
    )
    for panel, (kind, heights) in zip(panels[0], values.items(), strict=True):
        known = [(x, y) for x, y in zip(points, heights, strict=True) if y is not None]
        for N in sorted({point.setting[2] for point, _ in known}):
            some = [(1 / x.share, y, x.setting) for x, y in known if x.setting[2] == N]
            panel.scatter([x for x, _, _ in some], [y for _, y, _ in some], label=f"N = {N}", s=18)
            for x, y, (K, side, _) in some:
                panel.annotate(
                    f"{K}, {side}", (x, y), (3, 3), textcoords="offset points", fontsize=7
                )
        if kind == CELLS:  # 1: as good as the weights that they are compared with
            panel.axhline(1, color="0.7", linewidth=1, zorder=0)
        panel.set_xscale("log")
        panel.invert_xaxis()
        panel.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter("{x:.0f}")
        panel.xaxis.set_minor_locator(ticker.NullLocator())
        panel.margins(x=0.12)
        panel.set_xlabel("operations: 1/x of the paper's network (labels: K, side)")
        panel.set_ylabel(kind)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(fontsize=8, frameon=False)
    with replace_file(path) as file:
        figure.savefig(file, format="png", dpi=130)
    pyplot.close(figure)
