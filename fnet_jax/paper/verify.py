"""Whether a benchmark's report still holds: its means against those of a new run."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fnet_jax.errors import InputError, first_line
from fnet_jax.paper.table1 import FORMAT

# Another machine rounds some fused pixels to the next grey level: less than 1 % of them, which
# moves the means in the third decimal.
ABSOLUTE, RELATIVE = 0.005, 1e-3


def read(path: Path) -> dict[str, Any]:
    """The report that a benchmark wrote as ``report.json``.

    Raises:
        InputError: the file is no such report.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"it has format {content['format']}, not {FORMAT}")
        for of_set in content["sets"].values():
            _ = of_set["means"], of_set["fingerprint"], of_set["title"]
        _ = content["made_with"]["weights"], content["made_with"]["versions"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: is no report of this benchmark ({type(error).__name__}: "
            f"{first_line(error)}); give the report.json in its --out"
        ) from error
    return content


def compare(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[list[str], bool]:
    """What of a report holds in a new one.

    Means hold if they differ by no more than 0.005 or a thousandth. They are compared where weights
    and data are the same; other versions are told, but do not count.

    Args:
        before: the report.
        now: the new one.

    Returns:
        A line for each finding, and whether all of it holds.
    """
    lines, holds = [], True
    if before["made_with"]["weights"] != now["made_with"]["weights"]:
        return ["the weights are others: give the checkpoint that the report was made with"], False
    versions = now["made_with"]["versions"]
    for name, version in before["made_with"]["versions"].items():
        if versions.get(name) != version:
            lines.append(f"{name} was {version}, is {versions.get(name)}")
    for name, of_set in before["sets"].items():
        title, again = of_set["title"], now["sets"].get(name)
        if again is None:
            lines.append(f"{title}: the set is not here")
        elif again["fingerprint"] != of_set["fingerprint"]:
            lines.append(
                f"{title}: the data are others ({again['pairs']} pairs; were {of_set['pairs']})"
            )
        else:
            differ = {m: _apart(x, again["means"].get(m)) for m, x in of_set["means"].items()}
            failed = [m for m, x in differ.items() if not x <= _allowed(of_set["means"][m])]
            what = f"{len(differ) - len(failed)} of {len(differ)} means hold"
            lines.append(f"{title}: {what}" + (f"; not {', '.join(failed)}" if failed else ""))
            holds = holds and not failed
            continue
        holds = False
    return lines, holds and bool(before["sets"])


def _apart(one: Any, two: Any) -> float:
    """Distance of two means; 0 where both are undefined or infinite alike, else NaN."""
    if isinstance(one, float) and isinstance(two, float):
        return abs(one - two)
    return 0.0 if one == two else math.nan


def _allowed(mean: Any) -> float:
    return max(ABSOLUTE, RELATIVE * abs(mean)) if isinstance(mean, float) else 0.0
