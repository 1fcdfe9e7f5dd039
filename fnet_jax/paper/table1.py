"""The report of a benchmark: JSON values, and Markdown with the paper's Table I beside ours."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from fnet_jax.artifacts import provenance
from fnet_jax.artifacts.markdown import table as markdown_table
from fnet_jax.images.jobs import TYPES
from fnet_jax.metrics import METRICS, PROFILES
from fnet_jax.pairs.public_sets import SETS
from fnet_jax.paper.protocols import PROTOCOLS, Located, paper
from fnet_jax.paper.run import METHOD, PROFILE, Run
from fnet_jax.scoring.compare import compare, digits
from fnet_jax.scoring.run import Scores
from fnet_jax.scoring.tables import headed, strict

FORMAT = 1
DIFFERENT = 0.02  # a larger distance from the paper's value counts as a difference
OURS = "FNet"  # the paper's column that ours is compared with
COLOR = {
    "grey": "both images in 8-bit grey, fused in grey",
    "limited": "the luma of I1 in limited-range Y'CbCr fused, its color kept",
}


def report(run: Run, located: Mapping[str, Located], origin: Mapping[str, Any]) -> dict[str, Any]:
    """The results of a benchmark, as strict JSON values; ``origin`` is that of the weights."""
    return {
        "format": FORMAT,
        "date": provenance.today(),
        "profile": PROFILE,
        "made_with": run.made_with,
        "origin": dict(origin),
        "sets": {
            name: _set(run, name, len(found.pairs))
            for name, found in located.items()
            if any("values" in record for record in run.pairs[name].values())
        },
        "costs": run.costs,
    }


def _set(run: Run, name: str, found: int) -> dict[str, Any]:
    """A set's part of the report."""
    records = {p: r for p, r in sorted(run.pairs[name].items()) if "values" in r}
    metrics = tuple(PROFILES[PROFILE].options)
    values = [[record["values"][metric] for metric in metrics] for record in records.values()]
    comparison = compare(Scores(PROFILE, metrics, (METHOD,), tuple(records), np.array([values])))
    sums = {
        f"{p} {which}": record[which] for p, record in records.items() for which in ("i1", "i2")
    }
    return {
        "title": SETS[name].title,
        "task": PROTOCOLS[name].task,
        "color": PROTOCOLS[name].color,
        "pairs": len(records),
        "pairs_found": found,
        "pairs_of_the_paper": SETS[name].paper["test"],
        "ranges": [str(rule) for rule in run.rules.get(name, TYPES)],
        "fingerprint": provenance.fingerprint_of(sums),
        "means": {m: strict(comparison.means[0, k]) for k, m in enumerate(metrics)},
        "intervals": {
            m: [strict(end) for end in comparison.intervals[0, k]] for k, m in enumerate(metrics)
        },
        "values": {
            pair: {m: strict(x) for m, x in zip(metrics, row, strict=True)}
            for pair, row in zip(records, values, strict=True)
        },
    }


def differences(content: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """Our means of a report minus the paper's, by set and metric, at the paper's two decimals.

    NaN where our mean is undefined, infinite where it is infinite.
    """
    table = paper()
    column = table["methods"].index(OURS)
    return {
        (name, metric): round(_number(content["sets"][name]["means"][metric]), 2) - row[column]
        for name, rows in table["sets"].items()
        if name in content["sets"]
        for metric, row in rows.items()
    }


def agreement(content: Mapping[str, Any]) -> str:
    """How many of our means agree with the paper's, which do not, and which cannot be compared."""
    partial = {
        name: of_set
        for name, of_set in content["sets"].items()
        if of_set["pairs"] != of_set["pairs_of_the_paper"]
    }
    compared = [cell for cell in differences(content) if cell[0] not in partial]
    apart = {cell: x for cell, x in _marked_differences(content).items() if cell in compared}
    sentences = []
    if compared:
        names = ", ".join(
            f"{SETS[name].title} {metric}" + ("" if math.isfinite(x) else f" ({_word(x)})")
            for (name, metric), x in apart.items()
        )
        sentences.append(
            f"{len(compared) - len(apart)} of {len(compared)} means are within {DIFFERENT} of the "
            f"paper's ({OURS})" + (f"; the others: {names}." if names else ".")
        )
    if partial:
        names = ", ".join(of_set["title"] for of_set in partial.values())
        sentences.append(f"Not comparable, because the pairs differ from the paper's: {names}.")
    return " ".join(sentences)


def summary(content: Mapping[str, Any]) -> str:
    """Our means beside the paper's, a line for each set, and how far they agree."""
    table, lines = paper(), []
    column = table["methods"].index(OURS)
    for name, of_set in content["sets"].items():
        means = ", ".join(
            f"{metric} {_printed(of_set['means'][metric])} ({row[column]:.2f})"
            for metric, row in table["sets"][name].items()
        )
        lines.append(f"{_row_title(name, of_set)}: {means}")
    return "\n".join(["ours, with the paper's in parentheses:", *lines, agreement(content)])


def markdown(content: Mapping[str, Any]) -> str:
    """A report as Markdown: the paper's table with ours, all our metrics, costs and provenance."""
    table, marked = paper(), _marked_differences(content)
    rows = []
    for name, of_set in table["sets"].items():
        ours = content["sets"].get(name)
        for metric, row in of_set.items():
            cells = _with_marks(row, higher=METRICS[metric].higher_is_better)
            if ours is None:
                own = "–"
            else:
                own = _printed(ours["means"][metric])
                if math.isfinite(marked.get((name, metric), math.nan)):
                    own += f" ({marked[name, metric]:+.2f})"
            rows.append(
                [_row_title(name, ours) if metric == "MI" else "", headed(metric), *cells, own]
            )
    rows += _cost_rows(table, content["costs"])
    parts = [
        "# Benchmark",
        f"Table I of the paper ({table['source']}), with our results in the last column. "
        f"**Best** and <u>second</u> refer to the paper's columns. ↑ more is better, "
        f"↓ less is better. {agreement(content)} Differences of more than {DIFFERENT} are in "
        f"parentheses.",
        markdown_table(["Set", "Metric", *table["methods"], "ours"], rows),
        "## Our results in all metrics",
        "Means with 95 % intervals from a bootstrap over the images.",
        _all_metrics(content),
        "## Cost",
        _costs(content["costs"]),
        "## Provenance",
        "\n".join(f"- {line}" for line in _provenance(content)),
    ]
    return "\n\n".join(parts) + "\n"


def _marked_differences(content: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    # Two decimals are not exact in binary; NaN is not within any distance.
    return {cell: x for cell, x in differences(content).items() if not abs(x) <= DIFFERENT + 1e-9}


def _number(mean: float | str | None) -> float:
    """A mean of a report, where None stands for NaN and infinities are words."""
    return math.nan if mean is None else float(mean)


def _word(value: float) -> str:
    return "undefined" if math.isnan(value) else "infinite"


def _printed(mean: float | str | None) -> str:
    value = _number(mean)
    return f"{value:.2f}" if math.isfinite(value) else digits(value)


def _with_marks(row: list[float], *, higher: bool) -> list[str]:
    """The paper's cells as printed, with the best and the second marked."""
    ranks = sorted(set(row), reverse=higher)
    marks = {ranks[0]: "**{}**", ranks[1]: "<u>{}</u>"}
    return [marks.get(value, "{}").format(f"{value:.2f}") for value in row]


def _row_title(name: str, ours: Mapping[str, Any] | None) -> str:
    title = f"{SETS[name].title} ({PROTOCOLS[name].task})"
    if ours is None:
        return f"{title}, not found"
    if ours["pairs"] != ours["pairs_of_the_paper"]:
        title += f", {ours['pairs']} of {ours['pairs_of_the_paper']} pairs"
    return title


def _cost_rows(table: Mapping[str, Any], costs: Mapping[str, Any]) -> list[list[str]]:
    """Rows of the table's head: parameters, FLOPs and runtime."""
    ours = {
        "parameters (thousands)": f"{costs['parameters'] / 1e3:.0f}",
        "FLOPs (billions)": f"{costs['flops'] / 1e9:.2f}",
        "runtime (seconds)": f"{costs['seconds']:.3f}",
    }
    side = costs["side"]
    return [
        [f"{side}×{side}", title, *(f"{value:g}" for value in table[title]), own]
        for title, own in ours.items()
    ]


def _all_metrics(content: Mapping[str, Any]) -> str:
    rows = []
    for metric in PROFILES[PROFILE].options:
        cells = []
        for of_set in content["sets"].values():
            mean, (low, high) = of_set["means"][metric], of_set["intervals"][metric]
            text = digits(_number(mean))
            ends = f" [{digits(low)}, {digits(high)}]" if isinstance(low, float) else ""
            cells.append(text + ends)
        rows.append([headed(metric), *cells])
    titles = [f"{x['title']} ({x['pairs']})" for x in content["sets"].values()]
    return markdown_table(["Metric", *titles], rows)


def _costs(costs: Mapping[str, Any]) -> str:
    side = costs["side"]
    rows = {
        "parameters": f"{costs['parameters']:,}",
        "floating-point operations, as XLA counts them in the compiled program": (
            f"{costs['flops'] / 1e9:.2f} billion"
        ),
        "floating-point operations, 2 per filter weight and pixel": (
            f"{costs['flops_of_filters'] / 1e9:.2f} billion"
        ),
        "time per pair, compiled, with the images in memory": f"{costs['seconds']:.3f} s",
        "compilation": f"{costs['compile_seconds']:.1f} s",
        "peak memory": f"{costs['peak_bytes'] / 1e6:.0f} MB",
        "device": costs["devices"],
    }
    return f"One pair of {side}×{side} pixels:\n\n" + "\n".join(
        f"- {what}: {value}" for what, value in rows.items()
    )


def _provenance(content: Mapping[str, Any]) -> list[str]:
    made_with = content["made_with"]
    lines = [
        f"date: {content['date']}",
        f"weights (SHA-256): {made_with['weights']}",
        *(f"weights, {k}: {v}" for k, v in content["origin"].items() if not isinstance(v, dict)),
        f"profile: {content['profile']}: {PROFILES[content['profile']].title}",
        f"versions: {', '.join(f'{n} {v}' for n, v in made_with['versions'].items())}",
        f"devices: {made_with['devices']}",
    ]
    for of_set in content["sets"].values():
        ranges = " and ".join(of_set.get("ranges", TYPES))
        lines.append(
            f"{of_set['title']}: {of_set['pairs']} pairs, {COLOR[of_set['color']]}; "
            f"black and white of deep images: {ranges}; data (SHA-256): {of_set['fingerprint']}"
        )
    return lines
