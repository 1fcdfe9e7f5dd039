"""The results of a benchmark so far, ``state.json`` in its folder, and whether they are valid."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fnet_jax.artifacts import provenance
from fnet_jax.artifacts.files import read_text, replace_text, writable
from fnet_jax.artifacts.progress import Report
from fnet_jax.errors import InputError, first_line, reason

STATE = "state.json"
ELSEWHERE = "use another --out"

Record = dict[str, Any]
"""A pair's checksums ``i1``, ``i2``, ``fused``, and its ``values`` by metric."""

Pairs = dict[str, dict[str, Record]]
"""Records by set and name of the pair."""

# What each result depends on in addition to the weights: parts of ``made_with``, and packages.
FUSED = ("network", "device"), ("fnet-jax", *provenance.NETWORK, "numpy", "pillow")
SCORED = ("profile",), ("fnet-jax", *provenance.SCORING)
COSTS = ("network", "device"), ("fnet-jax", *provenance.NETWORK)


def write(folder: Path, made_with: Mapping[str, Any], pairs: Pairs, costs: Record) -> None:
    """Writes ``state.json``; raises InputError if it cannot."""
    state = {
        "made_with": made_with,
        "sha256": _checksum(pairs, costs),
        "costs": costs,
        "pairs": pairs,
    }
    with writable(folder / STATE, remedy=ELSEWHERE):
        folder.mkdir(parents=True, exist_ok=True)
        replace_text(folder / STATE, json.dumps(state, indent=1) + "\n")


def read(folder: Path, made_with: Mapping[str, Any], *, note: Report) -> tuple[Pairs, Record]:
    """The records and costs in ``state.json`` that are still valid; none if there is no such file.

    ``note`` is called with a line on what is no longer valid, and why.

    Raises:
        InputError: the folder contains a benchmark of other weights, or cannot be read.
    """
    path = folder / STATE
    try:
        state = json.loads(read_text(path))
        before, pairs, costs = (state[key] for key in ("made_with", "pairs", "costs"))
        weights = before["weights"]
        if not isinstance(before["versions"], dict):
            raise TypeError("versions are not listed by package")
        if state["sha256"] != _checksum(pairs, costs):
            raise ValueError("its checksum does not match")
    except FileNotFoundError:
        return {}, {}
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}); check its permissions, or {ELSEWHERE}"
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else first_line(error)
        note(f"{path} is damaged ({what}); everything is computed again")
        return {}, {}
    if weights != made_with["weights"]:
        raise InputError(f"{folder} contains a benchmark of other weights; {ELSEWHERE}")
    changes = {
        "the fused images and their scores": _changes(before, made_with, *FUSED),
        "the scores": _changes(before, made_with, *SCORED),
        "the costs": _changes(before, made_with, *COSTS) if costs else [],
    }
    fused, scored, measured = changes.values()
    if fused:
        pairs, changes["the scores"] = {}, []
    elif scored:
        pairs = {
            name: {pair: _without_values(record) for pair, record in of_set.items()}
            for name, of_set in pairs.items()
        }
    again = [what for what, why in changes.items() if why]
    if again:
        why = ", ".join(dict.fromkeys([*fused, *scored, *measured]))
        note(f"{folder}: computing {' and '.join(again)} again: {why}")
    return pairs, {} if measured else costs


def _changes(
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    parts: tuple[str, ...],
    packages: tuple[str, ...],
) -> list[str]:
    """The differences, in words."""
    found = [f"the {part} has changed" for part in parts if before.get(part) != now.get(part)]
    for package in packages:
        one, two = (made["versions"].get(package, "unknown") for made in (before, now))
        if one != two:
            found.append(f"{package} was {one}, is {two}")
    return found


def _without_values(record: Record) -> Record:
    return {name: value for name, value in record.items() if name != "values"}


def _checksum(pairs: Pairs, costs: Record) -> str:
    """Checksum of all results; what they were made with is compared, not trusted."""
    return hashlib.sha256(json.dumps([pairs, costs], sort_keys=True).encode()).hexdigest()
