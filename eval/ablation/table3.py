"""The paper's Table III reproduced: the effect of each experiment, with intervals."""

import dataclasses
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from fnet_jax.artifacts import markdown, provenance
from fnet_jax.artifacts.files import read_text, replace_texts, writable
from fnet_jax.metrics import METRICS
from fnet_jax.pairs.public_sets import SETS
from fnet_jax.scoring.tables import headed, strict
from train.ablations import ABLATIONS

COMPLETE = "FNet"
LEVEL = 0.95

Means = Mapping[str, Mapping[str, float]]
"""Mean over the pairs, by set and metric."""


def paper() -> dict[str, Any]:
    """The paper's Table III: ``columns``, and by set and metric a number for each of them."""
    return json.loads(Path(__file__).with_name("table3.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with the 95 % interval of Student's t; infinite for one seed."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Interval":
        """The interval of one value per seed."""
        mean = float(np.mean(values))
        if len(values) < 2:
            return cls(mean, -math.inf, math.inf)
        error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
        half = error * float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1))
        return cls(mean, mean - half, mean + half)

    @classmethod
    def of_ratios(cls, ratios: Sequence[float]) -> "Interval":
        """The interval of one ratio per seed, by logarithms: r and 1/r are equally far from 1."""
        found = cls.of(np.log(ratios).tolist())
        if not math.isfinite(found.low):
            return dataclasses.replace(found, mean=math.exp(found.mean))
        return cls(*(math.exp(x) for x in (found.mean, found.low, found.high)))

    def side(self, of: float) -> int:
        """-1 if the interval is below a value, 1 if it is above, 0 if it contains it."""
        return int(self.low > of) - int(self.high < of)


def worth(means: Means, complete: Means) -> float:
    """Geometric mean over sets and metrics of the ratio of a variant's mean to FNet's.

    The ratio is inverted where less is better, so that below 1 the variant is worse than the
    complete FNet. An arithmetic mean would be above 1 for networks that differ only by chance.
    Cells that only one of them has do not count; NaN if there is none, or a mean is not above 0.
    """
    logarithms = []
    for name, row in means.items():
        for metric, value in row.items():
            if metric not in complete.get(name, {}):
                continue
            ratio = (value, complete[name][metric])
            if not min(ratio) > 0:
                return math.nan
            above, below = ratio if METRICS[metric].arrow == "↑" else ratio[::-1]
            logarithms.append(math.log(above / below))
    return math.exp(np.mean(logarithms)) if logarithms else math.nan


def paper_means(column: str, *, like: Means) -> dict[str, dict[str, float]]:
    """The paper's means of a column of Table III, for the sets and metrics that ``like`` has."""
    table = paper()
    place = table["columns"].index(column)
    return {
        name: {metric: row[place] for metric, row in table["sets"][name].items() if metric in rows}
        for name, rows in like.items()
        if name in table["sets"]
    }


def verdict(ours: Interval, theirs: float) -> str:
    """Whether the paper's order of a variant and FNet is confirmed, by :func:`worth` of both."""
    side = ours.side(1.0)
    if side == 0:
        return "cannot tell"
    return "confirmed" if side == (1 if theirs > 1 else -1) else "the other way round"


def worths(values: Mapping[str, Sequence[Means]]) -> dict[str, Interval]:
    """:func:`worth` of each variant over the seeds, for the cells that the paper has.

    A variant is compared with FNet of the same seed, which saw the same batches.
    """
    complete = values[COMPLETE]
    printed = paper_means(COMPLETE, like=complete[0])

    def among(means: Means) -> Means:
        return {n: {metric: means[n][metric] for metric in row} for n, row in printed.items()}

    return {
        name: Interval.of_ratios([worth(among(x), y) for x, y in zip(of, complete, strict=True)])
        for name, of in values.items()
        if name != COMPLETE
    }


def dearer(losses: Mapping[str, Sequence[float]], name: str) -> Interval | None:
    """Validation loss of a variant minus FNet's over the seeds; None if their terms differ."""
    if ABLATIONS[name].without:
        return None
    return Interval.of(np.subtract(losses[name], losses[COMPLETE]).tolist())


def summary(values: Mapping[str, Sequence[Means]], losses: Mapping[str, Sequence[float]]) -> str:
    """A row for each experiment: :func:`worth` here and in the paper, and the verdict.

    ``losses`` are the validation losses at the end of stage II, by variant and seed.
    """
    like, rows = values[COMPLETE][0], []
    for name, ours in worths(values).items():
        theirs = worth(paper_means(name, like=like), paper_means(COMPLETE, like=like))
        printed = f"{theirs:.3f}" if math.isfinite(theirs) else "–"
        row = [f"{name}, {ABLATIONS[name].title}", _printed(ours), printed]
        more = dearer(losses, name)
        rows.append([*row, verdict(ours, theirs), _printed(more, "+.3f") if more else "–"])
    header = ["experiment", "here", "paper", "the paper's order", "loss − FNet's"]
    return markdown.table(header, rows)


def cells(values: Mapping[str, Sequence[Means]]) -> str:
    """Table III: sets and metrics by experiment, each cell with the paper's number below ours."""
    table, like = paper(), values[COMPLETE][0]
    rows = []
    for name, metrics in like.items():
        for metric in metrics:
            row = [SETS[name].title, headed(metric)]
            printed = table["sets"].get(name, {}).get(metric)
            for column, of in values.items():
                ours = Interval.of([means[name][metric] for means in of])
                spread = f" ± {ours.high - ours.mean:.2f}" if math.isfinite(ours.high) else ""
                place = table["columns"].index(column)
                theirs = f"{printed[place]:.2f}" if printed else "–"
                mean = f"{ours.mean:.2f}" if math.isfinite(ours.mean) else "–"
                row.append(f"{mean}{spread}<br>{theirs}")
            rows.append(row)
    return markdown.table(["set", "metric", *values], rows)


def orders(values: Mapping[str, Sequence[Means]]) -> dict[str, int]:
    """How many of the paper's orders between an experiment and FNet are confirmed, cell by cell.

    Cells in which the paper prints equal numbers are not counted. Returns numbers by
    ``"confirmed"``, ``"the other way round"`` and ``"cannot tell"``.
    """
    found = {"confirmed": 0, "the other way round": 0, "cannot tell": 0}
    table = paper()
    complete = table["columns"].index(COMPLETE)
    for column, of in values.items():
        place = table["columns"].index(column)
        for name, rows in values[COMPLETE][0].items():
            for metric in rows:
                printed = table["sets"].get(name, {}).get(metric)
                if column == COMPLETE or not printed or printed[place] == printed[complete]:
                    continue
                pairs = zip(of, values[COMPLETE], strict=True)
                apart = [one[name][metric] - other[name][metric] for one, other in pairs]
                side = Interval.of(apart).side(0.0)
                expected = 1 if printed[place] > printed[complete] else -1
                kind = "cannot tell" if not side else "confirmed"
                found[kind if side in (0, expected) else "the other way round"] += 1
    return found


def holds_more(
    out: Path, seeds: int, pairs: Mapping[str, Collection[str]], variants: Collection[str]
) -> bool:
    """Whether tables in ``out`` have a seed, an experiment or a pair that the given ones lack."""
    try:
        before = json.loads(read_text(out / "ablations.json"))
        return (
            before["budget"]["seeds"] > seeds
            or not before["means"].keys() <= set(variants)
            or any(set(names) - set(pairs.get(name, ())) for name, names in before["pairs"].items())
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


def write(
    out: Path,
    budget: Mapping[str, Any],
    data: Mapping[str, Any],
    pairs: Mapping[str, Sequence[str]],
    values: Mapping[str, Sequence[Means]],
    losses: Mapping[str, Sequence[float]],
) -> None:
    """Writes ``ablations.json`` and ``ablations.md``, whole or not at all.

    ``budget`` is :meth:`eval.ablation.run.AblateConfig.budget` with the finished seeds, ``data``
    :meth:`train.data.sources.TrainingData.described`, and ``pairs`` are the scored pairs by set.

    Raises:
        InputError: they cannot be written.
    """
    found = orders(values)
    content = {
        "date": provenance.today(),
        "budget": budget,
        "data": data,
        "pairs": pairs,
        "versions": provenance.versions(*provenance.NETWORK, *provenance.SCORING),
        "means": {
            variant: [
                {n: {m: strict(x) for m, x in row.items()} for n, row in one.items()} for one in of
            ]
            for variant, of in values.items()
        },
        "validation_loss": {variant: [strict(x) for x in of] for variant, of in losses.items()},
        "orders": found,
    }
    counts = ", ".join(f"{kind}: {number}" for kind, number in found.items())
    scored = ", ".join(f"{SETS[name].title} {len(of)}" for name, of in pairs.items())
    text = "\n\n".join(
        [
            "# Ablations",
            f"Trained on {data['train_pairs']} of {data['title']}; the others are kept for "
            f"validation. {budget['steps']} steps of each stage ({budget['batch']} "
            f"crops of {budget['crop']}×{budget['crop']}; rate {budget['lr']:g} after a tenth of "
            f"warm-up, falling as a cosine; gradients clipped to {budget['clip']['stage1']:g} and "
            f"{budget['clip']['stage2']:g}), {budget['seeds']} seeds. Pairs scored: {scored}. "
            f"*Here* is the geometric mean, over the paper's sets and metrics, of a variant's mean "
            f"over FNet's (CE inverted), with its 95 % interval over the seeds; below 1, the "
            f"variant is worse. All rows are compared with the same trainings of FNet. The loss is "
            f"that of stage II on the pairs kept for validation, where it has all terms. AE11 has "
            f"no stage I and therefore takes half as many steps in total.",
            summary(values, losses),
            f"The paper's orders between an experiment and FNet, cell by cell: {counts}. If "
            f"nothing made a difference, chance alone would decide about one in twenty.",
            "Each cell has our result and, below it, the paper's number.",
            cells(values),
        ]
    )
    texts = {
        "ablations.json": json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "ablations.md": text + "\n",
    }
    with writable(out, remedy="use another --out"):
        replace_texts({out / name: body for name, body in texts.items()})


def _printed(interval: Interval, form: str = ".3f") -> str:
    if not math.isfinite(interval.mean):
        return "–"
    if not math.isfinite(interval.low):
        return f"{interval.mean:{form}}"
    return f"{interval.mean:{form}} [{interval.low:{form}}, {interval.high:{form}}]"
