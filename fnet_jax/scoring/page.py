"""Scores as one HTML file: tables, distributions, and the best and worst pairs."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image
from scipy import stats

from fnet_jax.artifacts import html
from fnet_jax.artifacts.words import counted
from fnet_jax.metrics import METRICS
from fnet_jax.metrics.catalogue import find_profile
from fnet_jax.scoring import tables
from fnet_jax.scoring.compare import Comparison, digits
from fnet_jax.scoring.run import Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Pictures = Mapping[str, Sequence[tuple[str, np.ndarray]]]
"""Labeled images, uint8 (H, W) or (H, W, 3), by name of the pair."""

THUMBNAIL = 360  # pixels; largest width
QUALITY = 85  # of JPEG
COLUMNS = 4  # panels per row
FEWEST_FOR_BOX = 5  # values; a box shows five numbers
LONGEST_LABEL = 24  # characters
# Placeholders in the SVG text for colors that the page chooses for light and dark.
INK, DOT = "#010203", "#2a6fb0"


class Extremes(NamedTuple):
    """Names of the images that a method does best on, best first, and worst on, worst first."""

    best: tuple[str, ...]
    worst: tuple[str, ...]


def extremes(scores: Scores, *, count: int = 2) -> dict[str, Extremes]:
    """The images that each method does best and worst on, by method.

    A method's images are ranked in each metric, in its direction; equal values share the mean of
    their ranks. Ranks are divided by the number of images where the metric is defined, and averaged
    over the metrics that are defined for an image. No image is both best and worst; images that a
    method lacks are neither. ``count`` is the largest number of best images, and of worst ones.
    """
    higher = [METRICS[name].higher_is_better for name in scores.metrics]
    found = {}
    for method, values in zip(scores.methods, scores.values, strict=True):
        defined = ~np.isnan(values)
        there = np.flatnonzero(defined.any(axis=1))
        ranks = stats.rankdata(np.where(higher, -values, values), axis=0, nan_policy="omit")
        places = np.where(defined, ranks, 0) / np.maximum(defined.sum(axis=0), 1)
        mean = places[there].sum(axis=1) / defined[there].sum(axis=1)
        names = [scores.images[j] for j in there[np.argsort(mean, kind="stable")]]
        best, worst = min(count, (len(names) + 1) // 2), min(count, len(names) // 2)
        found[method] = Extremes(tuple(names[:best]), tuple(names[::-1][:worst]))
    return found


def page(
    scores: Scores, comparison: Comparison, provenance: Mapping[str, str], pictures: Pictures
) -> str:
    """A self-contained HTML file, which needs no network.

    ``provenance`` is the origin of the numbers. ``pictures`` has labeled images of the pairs that
    :func:`extremes` names; pairs without pictures are shown by their values.
    """
    options = find_profile(scores.profile).options
    return html.render(
        "fnet_jax.scoring",
        "scores.html",
        scores=scores,
        comparison=comparison,
        provenance=provenance,
        caption=tables.caption(scores),
        metrics=[METRICS[name] for name in scores.metrics],
        options={name: _listed(options[name]) for name in scores.metrics},
        means=[
            [_mean(comparison, i, k) for k in range(len(scores.metrics))]
            for i in range(len(scores.methods))
        ],
        interval=lambda i, k: tables.interval(comparison, i, k),
        values=[
            [[{"text": digits(x), "value": _sortable(x)} for x in row] for row in of_method]
            for of_method in scores.values.tolist()
        ],
        distributions=_svg(distributions(scores)),
        fewest_for_box=FEWEST_FOR_BOX,
        cases=_cases(scores, pictures),
    )


def distributions(scores: Scores) -> "Figure":
    """A panel per metric with a dot per image and a box per method, as a matplotlib figure.

    Boxes show the quartiles, whiskers the values within 1.5 times their distance. Infinite values
    are not drawn; the panel's title gives their number.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = min(COLUMNS, len(scores.metrics))
    rows = math.ceil(len(scores.metrics) / columns)
    height = rows * (0.62 + 0.24 * len(scores.methods))
    # Names with dollar signs are not formulas.
    with rc_context({"text.parse_math": False, "font.size": 9}):
        layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06)
        figure = Figure(figsize=(11, height), layout=layout, facecolor="none")
        panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
        for k, name in enumerate(scores.metrics):
            _panel(panels[k], tables.headed(name), scores.values[..., k])
        labels = [
            name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…"
            for name in scores.methods
        ]
        panels[0].set_yticks(range(len(labels)), labels)
        panels[0].set_ylim(len(labels) - 0.5, -0.5)
        for panel in panels[len(scores.metrics) :]:
            panel.remove()
    return figure


def _panel(axes: "Axes", title: str, values: np.ndarray) -> None:
    """Draws the values (methods, images) of one metric."""
    infinite = int(np.isinf(values).sum())
    axes.set_title(title + (f" ({infinite} infinite)" if infinite else ""), color=INK, fontsize=10)
    axes.set_facecolor("none")
    axes.tick_params(colors=INK, left=False)
    axes.locator_params(axis="x", nbins=4)
    axes.spines[["left", "top", "right"]].set_visible(False)
    axes.spines["bottom"].set_color(INK)
    line = {"color": INK, "linewidth": 0.9, "alpha": 0.6}
    for i, of_method in enumerate(values):
        drawn = of_method[np.isfinite(of_method)]
        # Multiples of the golden ratio spread any number of dots evenly, the same each time.
        spread = (np.arange(len(drawn)) * 0.6180339887 % 1 - 0.5) * 0.5
        axes.plot(drawn, i + spread, "o", color=DOT, alpha=0.6, ms=3.2, mew=0, zorder=3)
        if len(drawn) >= FEWEST_FOR_BOX:
            axes.boxplot(
                drawn,
                positions=[i],
                widths=0.62,
                orientation="horizontal",
                showfliers=False,
                showcaps=False,
                manage_ticks=False,
                boxprops=line,
                whiskerprops=line,
                medianprops={"color": INK, "linewidth": 2, "zorder": 4},
            )
    if np.isfinite(values).any():
        axes.ticklabel_format(axis="x", useOffset=False)
    else:
        axes.set_xticks([])
        where = axes.get_yaxis_transform()
        axes.text(0.5, (len(values) - 1) / 2, "–", color=INK, ha="center", transform=where)


def _svg(figure: "Figure") -> str:
    """The figure as an HTML element, with text as text and in the colors of the page."""
    from markupsafe import Markup
    from matplotlib import rc_context

    text = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "scores"}):
        about = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(text, format="svg", metadata=about, facecolor="none")
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor").replace(DOT, "var(--dot)")
    return Markup(svg)


def _cases(scores: Scores, pictures: Pictures) -> list[dict[str, Any]]:
    """The best and worst pairs, each once, with the reason and its pictures."""
    why: dict[str, dict[str, list[str]]] = {}
    for method, names in extremes(scores).items():
        for word, of_word in names._asdict().items():
            for name in of_word:
                why.setdefault(name, {}).setdefault(word, []).append(method)
    return [
        {
            "name": name,
            "index": scores.images.index(name),
            "why": "; ".join(f"{word} of {', '.join(of)}" for word, of in reasons.items()),
            "pictures": [(label, _data(image)) for label, image in pictures.get(name, ())],
        }
        for name, reasons in why.items()
    ]


def _data(image: np.ndarray) -> str:
    """An image as a data URL of a small JPEG file."""
    picture = Image.fromarray(image)
    if picture.width > THUMBNAIL:
        height = max(1, round(picture.height * THUMBNAIL / picture.width))
        picture = picture.resize((THUMBNAIL, height), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return html.data_url(file.getvalue(), "image/jpeg")


def _mean(comparison: Comparison, method: int, metric: int) -> dict[str, str]:
    mean, (low, high) = comparison.means[method, metric], comparison.intervals[method, metric]
    ends = f"95 % interval {digits(low)} to {digits(high)}; " if math.isfinite(low) else ""
    count = int(comparison.counts[method, metric])
    return {
        "text": digits(mean),
        "value": _sortable(mean),
        "mark": str(comparison.marks[method, metric]),
        "hover": f"{ends}{counted(count, 'image')}",
    }


def _sortable(value: float) -> str:
    """A number as JavaScript reads it; empty if it is undefined."""
    value = float(value)
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return "" if math.isnan(value) else repr(value)


def _listed(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in options.items())
