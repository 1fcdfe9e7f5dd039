"""``python -m benchmarks.weights``: compares weights by two reports."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from tyro.conf import Positional

from fnet_jax.artifacts import markdown
from fnet_jax.cli.console import finish
from fnet_jax.cli.flags import FILE, parse
from fnet_jax.errors import InputError, first_line
from fnet_jax.metrics import METRICS
from fnet_jax.paper.protocols import paper

DESCRIPTION = """\
Compare two reports of eval.benchmark (report.json) on the same pairs. Each cell
has our mean, theirs, and the ratio: ours over theirs, or theirs over ours for
CE, where less is better.
"""


@dataclass(frozen=True)
class WeightsConfig:
    """Configuration of the command; each field is an argument."""

    # The report.json with our weights.
    ours: Annotated[Path, FILE, Positional]
    # The report.json with other weights.
    theirs: Annotated[Path, FILE, Positional]


def ratios(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Our means over theirs by set and metric of Table I, inverted where less is better.

    Args:
        ours: a report of ``eval.benchmark``, as JSON values.
        theirs: another one, of the same pairs.

    Raises:
        ValueError: the pairs differ, or a mean is 0, undefined or infinite.
    """
    found, of_table = {}, paper()["sets"]
    for name, one in ours["sets"].items():
        other = theirs["sets"].get(name)
        if other is None or one["fingerprint"] != other["fingerprint"]:
            raise ValueError(f"{name}: the reports are not of the same pairs")
        metrics = [m for m in of_table[name] if m in one["means"]]
        for metric in metrics:
            for mean in (one["means"][metric], other["means"][metric]):
                if not isinstance(mean, float) or mean == 0:
                    raise ValueError(f"{name}: the mean {metric} is {mean}, so it has no ratio")
        quotients = {m: one["means"][m] / other["means"][m] for m in metrics}
        found[name] = {m: q if METRICS[m].higher_is_better else 1 / q for m, q in quotients.items()}
    return found


def table(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Both means of each cell with their ratio, and the mean ratios, as Markdown."""
    found = ratios(ours, theirs)
    metrics = list(next(iter(found.values())))
    rows = []
    for name, row in found.items():
        one, other = ours["sets"][name], theirs["sets"][name]
        cells = [f"{one['means'][m]:.3f} / {other['means'][m]:.3f} ({row[m]:.2f})" for m in metrics]
        rows.append([one["title"], *cells, f"{np.mean(list(row.values())):.3f}"])
    cells = [f"{np.mean([row[m] for row in found.values()]):.2f}" for m in metrics]
    every = [ratio for row in found.values() for ratio in row.values()]
    rows.append(["mean ratio", *cells, f"**{np.mean(every):.3f}**"])
    return markdown.table(["set", *metrics, "mean ratio"], rows)


def main() -> int:
    """Runs the command; returns its exit status."""
    config = parse(WeightsConfig, prog="python -m benchmarks.weights", description=DESCRIPTION)
    return finish(lambda: run(config), stopped="nothing was compared")


def run(config: WeightsConfig) -> int:
    """Prints the table; raises InputError if a file is not a report, or they do not match."""
    reports = (config.ours, config.theirs)
    try:
        print(table(*(json.loads(path.read_text(encoding="utf-8")) for path in reports)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{first_line(error)}; use two reports of the same sets") from error
    return 0


if __name__ == "__main__":
    sys.exit(main())
