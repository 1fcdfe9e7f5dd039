"""``python -m benchmarks.weights``: what weights are worth beside others, from two reports."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from fnet_jax.metrics import METRICS
from fnet_jax.paper.protocols import paper
from fnet_jax.scoring.tables import markdown_table


def ratios(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Our means over theirs by set and metric of Table I, inverted where less is better.

    Args:
        ours: a report of ``eval.benchmark``, as JSON values.
        theirs: another, of the same pairs.

    Raises:
        ValueError: the two are not of the same pairs.
    """
    found, of_table = {}, paper()["sets"]
    for name, one in ours["sets"].items():
        other = theirs["sets"].get(name)
        if other is None or one["fingerprint"] != other["fingerprint"]:
            raise ValueError(f"{name}: the reports are not of the same pairs")
        metrics = [m for m in of_table[name] if m in one["means"]]
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
    return markdown_table(["set", *metrics, "mean ratio"], rows)


def main() -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.weights",
        description="Compare two reports of eval.benchmark (report.json) of the same pairs: each "
        "cell has our mean, theirs and the ratio, which for CE is theirs over ours.",
    )
    parser.add_argument("ours", type=Path, help="report.json with our weights")
    parser.add_argument("theirs", type=Path, help="report.json with other weights")
    given = parser.parse_args()
    try:
        print(table(*(json.loads(path.read_text()) for path in (given.ours, given.theirs))))
    except (OSError, ValueError, KeyError) as error:
        print(f"error: {error}; give two reports of the same sets", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
