"""``python -m benchmarks.weights``: what weights are worth beside others, from two reports."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

METRICS = ("MI", "CE", "VIF", "Qabf", "Qcb", "SSIM")  # of the paper's Table I
LESS_IS_BETTER = ("CE",)


def ratios(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Our means over theirs by set and metric of Table I, inverted where less is better.

    Args:
        ours: a report of ``eval.benchmark``, as JSON values.
        theirs: another, of the same pairs.

    Raises:
        ValueError: the two are not of the same pairs.
    """
    found = {}
    for name, one in ours["sets"].items():
        other = theirs["sets"].get(name)
        if other is None or one["fingerprint"] != other["fingerprint"]:
            raise ValueError(f"{name}: the reports are not of the same pairs")
        quotients = {m: one["means"][m] / other["means"][m] for m in METRICS if m in one["means"]}
        found[name] = {m: 1 / q if m in LESS_IS_BETTER else q for m, q in quotients.items()}
    return found


def table(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Both means of each cell with their ratio, and the mean ratios, as Markdown."""
    found = ratios(ours, theirs)
    metrics = list(next(iter(found.values())))
    lines = [
        f"| set | {' | '.join(metrics)} | mean ratio |",
        f"|{'---|' * (len(metrics) + 2)}",
    ]
    for name, row in found.items():
        one, other = ours["sets"][name], theirs["sets"][name]
        cells = [f"{one['means'][m]:.3f} / {other['means'][m]:.3f} ({row[m]:.2f})" for m in metrics]
        mean = float(np.mean(list(row.values())))
        lines.append(f"| {one['title']} | {' | '.join(cells)} | {mean:.3f} |")
    cells = [f"{np.mean([row[m] for row in found.values()]):.2f}" for m in metrics]
    every = [ratio for row in found.values() for ratio in row.values()]
    lines.append(f"| mean ratio | {' | '.join(cells)} | **{np.mean(every):.3f}** |")
    return "\n".join(lines)


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
