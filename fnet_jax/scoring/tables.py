"""Scores as text: CSV, Markdown, LaTeX and JSON, each a function that returns a string.

``provenance`` states the origin of a report's numbers by name, such as the date and versions. Text
that a user chose (methods, images, provenance) is escaped for each format.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from csv import writer
from io import StringIO
from itertools import combinations
from json import dumps
from typing import Any

from fnet_jax.artifacts import markdown
from fnet_jax.artifacts.words import counted
from fnet_jax.metrics import METRICS
from fnet_jax.metrics.catalogue import find_profile
from fnet_jax.scoring.compare import Comparison, digits
from fnet_jax.scoring.run import Scores

MARKDOWN = {"best": "**{}**", "second": "<u>{}</u>", "": "{}"}
LATEX = {"best": r"\textbf{{{}}}", "second": r"\underline{{{}}}", "": "{}"}
LATEX_ARROWS = {"↑": r"$\uparrow$", "↓": r"$\downarrow$"}
LATEX_ESCAPES = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}
MARKDOWN_ESCAPES = {
    **{character: f"\\{character}" for character in "\\`*_[]|~$#"},
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
}


def scores_csv(scores: Scores) -> str:
    """The values at full precision, a row per image and method and a column per metric.

    Undefined values and those of images that a method lacks are ``nan``, infinite ones ``inf``.
    """
    rows = (
        [image, method, *scores.values[i, j].tolist()]
        for j, image in enumerate(scores.images)
        for i, method in enumerate(scores.methods)
    )
    return _csv(["image", "method", *scores.metrics], rows)


def means_csv(scores: Scores, comparison: Comparison) -> str:
    """The means, a row per method and metric, with intervals, numbers of images and marks."""
    rows = (
        [
            method,
            metric,
            float(comparison.means[i, k]),
            *comparison.intervals[i, k].tolist(),
            int(comparison.counts[i, k]),
            str(comparison.marks[i, k]),
        ]
        for i, method in enumerate(scores.methods)
        for k, metric in enumerate(scores.metrics)
    )
    return _csv(["method", "metric", "mean", "low", "high", "images", "mark"], rows)


def as_markdown(scores: Scores, comparison: Comparison, provenance: Mapping[str, str]) -> str:
    """The means with marks, their intervals, the notes and the provenance, in GitHub's Markdown."""
    methods = [_markdown(method) for method in scores.methods]
    means = [
        [method, *(MARKDOWN[mark].format(mean) for mean, mark in marked_means(comparison, i))]
        for i, method in enumerate(methods)
    ]
    intervals = [
        [headed(metric), *(interval(comparison, i, k) for i in range(len(methods)))]
        for k, metric in enumerate(scores.metrics)
    ]
    legend = [
        MARKDOWN[mark].format(mark) for mark in ("best", "second") if mark in comparison.marks
    ]
    parts = [
        caption(scores) + (f" Marks: {', '.join(legend)}." if legend else ""),
        markdown.table(["Method", *map(headed, scores.metrics)], means),
        "### Means with 95 % intervals",
        markdown.table(["Metric", *methods], intervals),
        _markdown(comparison.how),
        "### Notes",
        _markdown_list(comparison.notes or ["None."]),
        "### Provenance",
        _markdown_list([f"{name}: {value}" for name, value in provenance.items()] or ["None."]),
    ]
    return "\n\n".join(parts) + "\n"


def as_latex(scores: Scores, comparison: Comparison, provenance: Mapping[str, str]) -> str:
    """The means with marks as a booktabs ``tabular``; everything else is in comments above it."""
    arrows = [f"{name} {LATEX_ARROWS[METRICS[name].arrow]}" for name in scores.metrics]
    rows = [
        " & ".join(
            [
                _escaped(method, LATEX_ESCAPES),
                *(LATEX[mark].format(_latex(mean)) for mean, mark in marked_means(comparison, i)),
            ]
        )
        for i, method in enumerate(scores.methods)
    ]
    about = [
        r"Needs \usepackage{booktabs}.",
        caption(scores),
        comparison.how,
        *comparison.notes,
        *(f"{name}: {value}" for name, value in provenance.items()),
    ]
    return "\n".join(
        [
            *("% " + " ".join(line.split()) for line in about),
            rf"\begin{{tabular}}{{l{'r' * len(scores.metrics)}}}",
            r"\toprule",
            " & ".join(["Method", *arrows]) + r" \\",
            r"\midrule",
            *(rf"{row} \\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def as_json(scores: Scores, comparison: Comparison, provenance: Mapping[str, str]) -> str:
    """Everything as strict JSON: NaN is ``null``, infinities are ``"Infinity"``, ``"-Infinity"``.

    ``values`` are by method, image and metric, ``means`` by method and metric; ``tests`` has an
    entry for each metric and pair of methods, with ``p`` after Holm's correction.
    """
    options = find_profile(scores.profile).options
    content = {
        "profile": scores.profile,
        "provenance": dict(provenance),
        "methods": list(scores.methods),
        "images": list(scores.images),
        "metrics": {
            name: {
                "title": METRICS[name].title,
                "higher_is_better": METRICS[name].higher_is_better,
                "unit": METRICS[name].unit,
                "options": dict(options[name]),
            }
            for name in scores.metrics
        },
        "means": {
            method: {
                metric: {
                    "mean": strict(comparison.means[i, k]),
                    "interval": [strict(end) for end in comparison.intervals[i, k]],
                    "images": int(comparison.counts[i, k]),
                    "mark": str(comparison.marks[i, k]) or None,
                }
                for k, metric in enumerate(scores.metrics)
            }
            for i, method in enumerate(scores.methods)
        },
        "how": comparison.how,
        "notes": list(comparison.notes),
        "tests": [
            {
                "metric": metric,
                "methods": [scores.methods[a], scores.methods[b]],
                "images": int(comparison.shared[a, b, k]),
                "raw_p": strict(comparison.raw_p[a, b, k]),
                "p": strict(comparison.p[a, b, k]),
            }
            for k, metric in enumerate(scores.metrics)
            for a, b in combinations(range(len(scores.methods)), 2)
        ],
        "values": {
            method: {
                image: {
                    metric: strict(scores.values[i, j, k])
                    for k, metric in enumerate(scores.metrics)
                }
                for j, image in enumerate(scores.images)
            }
            for i, method in enumerate(scores.methods)
        },
    }
    return dumps(content, allow_nan=False, ensure_ascii=False, indent=1) + "\n"


def caption(scores: Scores) -> str:
    """A description of the table of means."""
    return (
        f"Means over {counted(len(scores.images), 'image')}, profile {scores.profile}: "
        f"{find_profile(scores.profile).title}. ↑ more is better, ↓ less is better."
    )


def headed(metric: str) -> str:
    """A metric's name with its arrow."""
    return f"{metric} {METRICS[metric].arrow}"


def marked_means(comparison: Comparison, method: int) -> list[tuple[str, str]]:
    """The means of a method as printed, each with its mark."""
    pairs = zip(comparison.means[method], comparison.marks[method], strict=True)
    return [(digits(mean), str(mark)) for mean, mark in pairs]


def interval(comparison: Comparison, method: int, metric: int) -> str:
    """A mean and its interval, such as ``2.345 [2.123, 2.567]``; only the mean if it has none."""
    mean, (low, high) = comparison.means[method, metric], comparison.intervals[method, metric]
    return digits(mean) + (f" [{digits(low)}, {digits(high)}]" if math.isfinite(low) else "")


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = StringIO()
    table = writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows(rows)
    return text.getvalue()


def strict(value: float) -> float | str | None:
    """A number as strict JSON: None for NaN, ``"Infinity"`` or ``"-Infinity"``."""
    value = float(value)
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return None if math.isnan(value) else value


def _markdown_list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {_markdown(line)}" for line in lines)


def _markdown(text: str) -> str:
    return _escaped(text, MARKDOWN_ESCAPES)


def _latex(number: str) -> str:
    """A number of :func:`~.comparison.digits` with a minus sign for the hyphen."""
    number = "--" if number == "–" else number.replace("-", "$-$")
    return number.replace("∞", r"$\infty$")


def _escaped(text: str, escapes: Mapping[str, str]) -> str:
    """Text on one line, with the special characters of a format escaped."""
    return "".join(escapes.get(character, character) for character in re.sub(r"\s+", " ", text))
