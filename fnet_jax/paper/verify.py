"""Verifies the report of a benchmark: compares its means with those of a new run."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fnet_jax.artifacts.files import read_text
from fnet_jax.errors import InputError, first_line, reason
from fnet_jax.images.range_rules import Rule, rule_of
from fnet_jax.paper.protocols import PROTOCOLS
from fnet_jax.paper.table1 import FORMAT

# Another machine rounds less than 1 % of the fused pixels to the next grey level, which changes
# the means in the third decimal.
ABSOLUTE, RELATIVE = 0.005, 1e-3
INFINITE = ("Infinity", "-Infinity")


def read(path: Path) -> dict[str, Any]:
    """The report that a benchmark wrote as ``report.json``.

    Raises:
        InputError: the file cannot be read, or is not such a report.
    """
    try:
        content = json.loads(read_text(path), parse_constant=_refuse)
        _check(content)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}); use the report.json of a benchmark's --out"
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else first_line(error)
        raise InputError(
            f"{path} is not a report of this benchmark ({what}); use the report.json of its --out"
        ) from error
    return content


def rule(report: Mapping[str, Any]) -> Rule | None:
    """The rule of black and white that a report was computed with; None for the default.

    Raises:
        InputError: the rule is invalid.
    """
    text = report["made_with"].get("range")
    try:
        return None if text is None else rule_of(text)
    except (ValueError, AttributeError) as error:
        raise InputError(
            f"the report's range {text!r} is invalid ({error}); use --range"
        ) from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _check(content: Any) -> None:
    """Raises ValueError, KeyError or TypeError unless a report has everything to be compared."""
    if content["format"] != FORMAT:
        raise ValueError(f"it has format {content['format']}, not {FORMAT}")
    made_with, sets = content["made_with"], content["sets"]
    if not (isinstance(made_with["weights"], str) and isinstance(made_with["versions"], dict)):
        raise TypeError("made_with is not that of a benchmark")
    if not (isinstance(sets, dict) and sets.keys() & PROTOCOLS.keys()):
        raise TypeError("it has none of the sets")
    for name, of_set in sets.items():
        means = of_set["means"]
        texts = all(isinstance(of_set[key], str) for key in ("title", "fingerprint"))
        if not (texts and isinstance(of_set["pairs"], int) and isinstance(means, dict)):
            raise TypeError(f"{name} is not a set of a benchmark")
        for metric, mean in means.items():
            if not (mean is None or mean in INFINITE or _is_finite(mean)):
                raise ValueError(f"{metric} of {name} is not a mean")


def _is_finite(mean: Any) -> bool:
    return isinstance(mean, float) and math.isfinite(mean)


def compare(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[list[str], bool]:
    """Compares a report with a new one.

    Means hold if they differ by no more than 0.005 or a thousandth. They are compared where weights
    and data are the same; differences of versions are reported, but do not count.

    Returns:
        A line for each finding, and whether the whole report holds.
    """
    lines, holds = [], True
    if before["made_with"]["weights"] != now["made_with"]["weights"]:
        return ["the weights differ; use the checkpoint that the report was made with"], False
    versions = now["made_with"]["versions"]
    for name, version in before["made_with"]["versions"].items():
        if versions.get(name) != version:
            lines.append(f"{name} was {version}, is {versions.get(name)}")
    for name, of_set in before["sets"].items():
        title, again = of_set["title"], now["sets"].get(name)
        if again is None:
            lines.append(f"{title}: the set is missing")
        elif again["fingerprint"] != of_set["fingerprint"]:
            lines.append(
                f"{title}: the data differ ({again['pairs']} pairs, were {of_set['pairs']})"
            )
        else:
            differ = {m: _apart(x, again["means"].get(m)) for m, x in of_set["means"].items()}
            failed = [m for m, x in differ.items() if not x <= _allowed(of_set["means"][m])]
            what = f"{len(differ) - len(failed)} of {len(differ)} means hold"
            lines.append(f"{title}: {what}" + (f", not {', '.join(failed)}" if failed else ""))
            holds = holds and not failed
            continue
        holds = False
    return lines, holds and bool(before["sets"])


def _apart(one: Any, two: Any) -> float:
    """Distance of two means; 0 where both are undefined or equally infinite, else NaN."""
    if isinstance(one, float) and isinstance(two, float):
        return abs(one - two)
    return 0.0 if one == two else math.nan


def _allowed(mean: Any) -> float:
    return max(ABSOLUTE, RELATIVE * abs(mean)) if isinstance(mean, float) else 0.0
