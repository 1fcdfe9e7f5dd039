"""Curves by iteration, and the histograms of Fig. 10."""

from typing import TYPE_CHECKING

import numpy as np

from fnet_jax.explain.colors import COLORS
from fnet_jax.explain.explanation import Explanation
from fnet_jax.explain.figures.canvas import canvas
from fnet_jax.explain.nulls import Histogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKS = {"u1": ("o", "-"), "u2": ("s", "--"), "c": ("^", ":")}
BEFORE, AFTER = "#7a7a7a", "#0072b2"

SCHEDULE = (
    "The schedule of eq. 21 after training: thresholds θ fall with the iteration k, and the weight "
    "ρ of the momentum rises. They are part of the weights and do not depend on the pair. Blocks "
    "without momentum have ρ = 0; for an LCSC block, which has a threshold per feature, the mean "
    "is drawn."
)
NULLS = (
    "Magnitudes of a block's values before and after its last threshold: all of them in the top "
    "row, the smaller ones in the bottom row (the dashed line is θ). The titles give the increase "
    "of the nulls, the values below each code's ε. A few 1/γ beyond θ, both histograms should "
    "agree."
)
CONVERGENCE = (
    "Nulls: how many more values are below ε after a threshold than before. Residual seen: the "
    "part of the input e that cannot be recovered from what iteration k reads of the previous "
    "estimate, ‖e − A W_dᵏ uᵏ⁻¹‖ / ‖e‖ with the best A (it need not fall, because each iteration "
    "has its own filters). Residual decoded: ‖Ii − D_ui uiᵏ‖ / ‖Ii‖ with the decoder that was "
    "learned for the last estimate; the rest is left for the common features, and c has no such "
    "decoder. The change of the estimate starts from u⁻¹ = 0."
)


def schedule(explanation: Explanation) -> "Figure":
    """θᵏ and ρᵏ of each block."""
    blocks = explanation.blocks
    with canvas(3.0) as figure:
        left, right = figure.subplots(1, 2)
        _by_iteration(left, {x: block.theta for x, block in blocks.items()}, "threshold θᵏ")
        left.set_yscale("log")
        _by_iteration(right, {x: block.rho for x, block in blocks.items()}, "momentum ρᵏ")
        right.set_ylim(bottom=0)
        left.legend(frameon=False)
    return figure


def nulls(explanation: Explanation) -> "Figure":
    """Histograms of the magnitudes before and after the last threshold of each block."""
    with canvas(5.6) as figure:
        panels = figure.subplots(2, 3)
        for column, (code, block) in enumerate(explanation.blocks.items()):
            whole, near = panels[:, column]
            increase = block.null_increase[-1]
            more = "" if np.isnan(increase) else f" ({increase:+.1f} %)"
            whole.set_title(
                f"{code}: nulls {block.nulls_before[-1]:,} → {block.nulls_after[-1]:,}{more}\n"
                f"null: below ε = {block.epsilon:.2g}"
            )
            _histogram(whole, block.histogram)
            near.set_title(f"{code}: near θ = {block.theta[-1]:.4f}")
            _histogram(near, block.near)
            near.set_xlabel("magnitude")
            near.axvline(block.theta[-1], color="black", linestyle="--", linewidth=1)
        panels[0, 0].set_ylabel("values per bin")
        panels[1, 0].set_ylabel("values per bin")
        panels[0, 0].legend(frameon=False)
    return figure


def course(explanation: Explanation) -> "Figure":
    """Nulls, nonzeros, residuals and steps by iteration."""
    blocks = explanation.blocks
    nonzeros = {x: block.nonzeros for x, block in blocks.items()}
    drawn = [
        ("increase of the nulls, %", {x: block.null_increase for x, block in blocks.items()}),
        ("nonzeros per pixel (ℓ0)", nonzeros),
        ("‖uᵏ − uᵏ⁻¹‖ / ‖uᵏ‖", {x: b.convergence.relative_step for x, b in blocks.items()}),
        ("residual seen", {x: block.convergence.seen for x, block in blocks.items()}),
        ("residual decoded", {x: b.convergence.decoded for x, b in blocks.items() if x != "c"}),
        ("‖uᵏ − uᵏ⁻¹‖", {x: block.convergence.step for x, block in blocks.items()}),
    ]
    with canvas(5.4) as figure:
        panels = figure.subplots(2, 3)
        for axes, (title, curves) in zip(panels.ravel(), drawn, strict=True):
            _by_iteration(axes, curves, title)
        panels[0, 1].set_ylim(0, None)
        panels[0, 0].legend(frameon=False)
    return figure


def _by_iteration(axes: "Axes", curves: dict[str, np.ndarray], title: str) -> None:
    for code, values in curves.items():
        marker, line = MARKS[code]
        axes.plot(
            values, line, color=COLORS[code][1], marker=marker, label=code, linewidth=1.8, ms=5
        )
    axes.set_title(title)
    axes.set_xlabel("iteration k")
    axes.set_xticks(range(max(map(len, curves.values()))))
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)


def _histogram(axes: "Axes", histogram: Histogram) -> None:
    edges, before, after = histogram
    axes.stairs(after, edges, color=AFTER, fill=True, alpha=0.35, label="after")
    axes.stairs(before, edges, color=BEFORE, linewidth=1.4, label="before", baseline=None)
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.set_xlim(0, edges[-1])
    if min(before.max(), after.max()) > 0:
        lowest = min(before[before > 0].min(), after[after > 0].min())
        axes.set_ylim(bottom=max(0.7, 0.5 * lowest))
