"""A report in the form of the paper's Table II, with intervals."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from eval.downstream.intervals import Summary
from eval.downstream.splits import Split
from eval.downstream.study import Study
from fnet_jax.artifacts import markdown
from fnet_jax.artifacts.words import counted

MEASURES = {"detect": "AP@[.5:.95]", "segment": "IoU"}
SAME = {  # the paper's names of classes by ours, for each task
    "segment": {
        "unlabelled": "Unlbl",
        "car": "Car",
        "person": "Person",
        "bike": "Bike",
        "curve": "Curve",
        "car stop": "Stop",
        "guardrail": "G.Rail",
        "color cone": "Cone",
        "bump": "Bump",
    },
    "detect": {
        "People": "People",
        "Car": "Car",
        "Truck": "Truck",
        "Bus": "Bus",
        "Lamp": "Lamp",
        "Motorcycle": "M.Cycle",
    },
}


@dataclass(frozen=True)
class Result:
    """The scores of one split, with models trained on each method or on one for all.

    Attributes:
        title: title of the table.
        split: training and test scenes.
        summary: the scores.
        each: scores of every model, by method, in the order of the seeds: classes and mean.
        as_printed: whether it corresponds to the paper: models of each method, the set's truth.
        content: number of boxes of each class in the test scenes, as text.
    """

    title: str
    split: Split
    summary: Summary
    each: Mapping[str, Sequence[Sequence[float]]]
    as_printed: bool = True
    content: str = ""


def paper(task: str, classes: Sequence[str]) -> dict[str, list[float]] | None:
    """The paper's numbers by method, for the classes in our order and their average.

    None if the classes are not the paper's.
    """
    text = files("eval.downstream").joinpath("table2.json").read_text(encoding="utf-8")
    printed = json.loads(text)[task]
    theirs = [SAME[task].get(name) for name in classes]
    if sorted(map(str, theirs)) != sorted(printed["classes"][:-1]):
        return None
    columns = [printed["classes"].index(name) for name in [*theirs, "Average"]]
    return {m: [values[k] for k in columns] for m, values in printed["methods"].items()}


def table(study: Study, result: Result) -> str:
    """A table in Markdown: a row for each method, followed by the paper's if there is one."""
    found, classes = result.summary, study.scenes.classes
    printed = (paper(study.scenes.task, classes) if result.as_printed else None) or {}
    best = _best(found.values)
    rows = []
    for i, method in enumerate(found.methods):
        cells = [
            _cell(found.values[i, k], found.intervals[i, k], bold=best[k] == i)
            for k in range(len(classes) + 1)
        ]
        rows.append([method, *cells])
        if method in printed:
            rows.append(["*the paper*", *(f"*{x:.3f}*" for x in printed[method])])
    return markdown.table(["Method", *classes, "Average"], rows)


def differences(study: Study, result: Result) -> str:
    """A table of the differences to ``summary.against``, for each class and the average."""
    found = result.summary
    base = found.methods.index(found.against)
    rows = [
        [
            method,
            *(
                _cell(value, interval, bold=_clear(interval), signed=True)
                for value, interval in zip(
                    found.values[i] - found.values[base], found.differences[i], strict=True
                )
            ),
        ]
        for i, method in enumerate(found.methods)
        if i != base
    ]
    return markdown.table([f"minus {found.against}", *study.scenes.classes, "Average"], rows)


def as_markdown(study: Study, results: Sequence[Result], notes: Sequence[str]) -> str:
    """The whole report."""
    seeds = min(min(result.summary.seeds) for result in results)
    budget = study.budget
    parts = [
        f"# {MEASURES[study.scenes.task]} on {study.scenes.title}",
        f"Each model: {counted(budget.epochs, 'epoch')} of "
        f"batches of {budget.batch}, learning rate {budget.rate:g}, from {study.start}; "
        f"{counted(seeds, 'seed')}. In brackets: 95 % intervals of a "
        f"bootstrap over test images{' and seeds' if seeds > 1 else ''}. **Bold**: the best of a "
        f"column; among differences, those whose interval does not contain 0.",
    ]
    for result in results:
        train, test = (
            counted(len(names), "scene") for names in (result.split.train, result.split.test)
        )
        about = f"{train} to train, {test} to test (split *{result.split.name}*)"
        about += f": {result.content}." if result.content else "."
        parts += [f"## {result.title}", about, table(study, result), differences(study, result)]
    if paper(study.scenes.task, study.scenes.classes) and results[0].as_printed:
        parts.append(
            "*The paper* is Table II of arXiv:2411.04519, with its own sets, splits and budget, "
            "but the same classes."
        )
    parts += ["## Provenance", "\n".join(f"- {note}" for note in notes)]
    return "\n\n".join(parts) + "\n"


def as_json(study: Study, results: Sequence[Result], origin: Mapping[str, Any]) -> dict[str, Any]:
    """The report as strict JSON values."""
    return {
        "task": study.scenes.task,
        "set": study.scenes.title,
        "classes": [*study.scenes.classes, "Average"],
        "origin": dict(origin),
        "results": [
            {
                "title": result.title,
                "content": result.content,
                "split": {"name": result.split.name, "sha256": result.split.sha256},
                "against": result.summary.against,
                "methods": {
                    method: {
                        "mean": _strict(result.summary.values[i]),
                        "interval": _strict(result.summary.intervals[i]),
                        "difference": _strict(result.summary.differences[i]),
                        "seeds": [_strict(np.asarray(x)) for x in result.each[method]],
                    }
                    for i, method in enumerate(result.summary.methods)
                },
            }
            for result in results
        ],
    }


def _best(values: np.ndarray) -> list[int]:
    """The method with the largest value of each column; −1 if none is defined."""
    return [-1 if np.isnan(column).all() else int(np.nanargmax(column)) for column in values.T]


def _clear(interval: np.ndarray) -> bool:
    return bool(interval[0] > 0 or interval[1] < 0)


def _cell(value: float, interval: np.ndarray, *, bold: bool, signed: bool = False) -> str:
    if math.isnan(value):
        return "–"
    form = "+.3f" if signed else ".3f"
    text = f"**{value:{form}}**" if bold else f"{value:{form}}"
    if np.isnan(interval).any():
        return text
    return f"{text} [{interval[0]:{form}}, {interval[1]:{form}}]"


def _strict(values: np.ndarray) -> Any:
    """Nested lists, with None for NaN."""
    if values.ndim == 0:
        return None if math.isnan(float(values)) else round(float(values), 6)
    return [_strict(x) for x in values]
