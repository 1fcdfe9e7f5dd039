"""The record of a run in ``config.json`` and every checkpoint: all that its result depends on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from fnet_jax.artifacts.files import read_text, replace_text, writable
from fnet_jax.artifacts.progress import Report
from fnet_jax.artifacts.provenance import NETWORK, versions
from fnet_jax.errors import DamagedError, InputError, first_line, reason
from fnet_jax.sparse_coding.unrolled import Unrolled
from fnet_jax.weights import checkpoints, integrity, storage
from train.config import MAY_CHANGE, TrainConfig, shown
from train.workdir import ELSEWHERE

CONFIG = "config.json"
PARTS = ("config", "network", "data")  # of a record, each a dict

Record = dict[str, Any]
"""JSON values by name."""


def record_of(
    config: TrainConfig,
    fnet: Unrolled,
    data: dict[str, Any],
    *,
    stage: str,
    origin: str,
    teacher: Record | None = None,
) -> Record:
    """The record of a run."""
    return {
        "stage": stage,
        "origin": origin,
        "teacher": teacher,
        "config": config.recorded(),
        "network": fnet.settings(),
        "data": data,
        "versions": versions(*NETWORK, "optax", "numpy"),
        "devices": [str(device) for device in jax.devices()],
        "workers": config.workers,
        "processes": jax.process_count(),
    }


def previous(folder: Path, *, resume: bool) -> Record | None:
    """The record of the run in the folder of a stage, from its newest intact checkpoint.

    Returns:
        The record; None if the folder has no checkpoint.

    Raises:
        InputError: there is a run but ``resume`` is not set, all of its checkpoints are damaged, or
            ``config.json`` contradicts it.
    """
    saved = checkpoints.steps(folder / checkpoints.RUN_FOLDER)
    if not saved:
        return None
    if not resume:
        raise InputError(
            f"{folder} already has a run at step {max(saved):,}; use --resume to continue it, or "
            f"another --workdir"
        )
    checkpoint, record = _newest_record(folder, saved)
    found = _config(folder / CONFIG)
    differing = _differing(record, found) if isinstance(found, dict) else []
    if differing:
        raise InputError(
            f"{folder / CONFIG} does not match the run in {checkpoint}: "
            f"{'; '.join(differing)}; delete {CONFIG} to have it restored, or {ELSEWHERE}"
        )
    return record


def _newest_record(folder: Path, saved: Mapping[int, Path]) -> tuple[Path, Record]:
    for step in sorted(saved, reverse=True):
        path = saved[step]
        try:
            integrity.check_files(path)
            meta = storage.describe(path)
            if not _is_record(meta["source"]):
                raise ValueError("it has no record of a training run")
            return path, meta["source"]
        except DamagedError:
            continue
        except InputError:
            raise
        except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
            raise InputError(
                f"{path} is not a checkpoint of a training run ({first_line(error)}); move it away"
            ) from error
    raise InputError(
        f"every checkpoint in {folder / checkpoints.RUN_FOLDER} is damaged; restore one from a "
        f"copy, or {ELSEWHERE}"
    )


def _is_record(found: Any) -> bool:
    return (
        isinstance(found, dict)
        and all(isinstance(found.get(part), dict) for part in PARTS)
        and isinstance(found.get("origin"), str)
    )


def _config(path: Path) -> Record | str:
    """The record in ``config.json``, or a text on why there is none."""
    try:
        found = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        return reason(error)
    return found if _is_record(found) else "it is not the record of a run"


def _differing(record: Record, found: Record) -> list[str]:
    """Differences between ``config.json`` and the record of a checkpoint that affect the result."""
    free = {("config", name) for name in (*MAY_CHANGE, "steps")} | {("data", "title")}
    return [
        f"{part} {name} is {shown(found[part].get(name))}, was {shown(record[part].get(name))}"
        for part in PARTS
        for name in sorted(record[part].keys() | found[part].keys())
        if (part, name) not in free and not _same(found[part].get(name), record[part].get(name))
    ]


def _same(one: Any, two: Any) -> bool:
    """Whether two JSON values are the same; 4 and 4.0 are not."""
    return json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)


def restore_config(folder: Path, record: Record, report: Report) -> None:
    """Restores ``config.json`` of a run if it is missing or damaged.

    Raises:
        InputError: it cannot be written.
    """
    if isinstance(found := _config(folder / CONFIG), str):
        write_config(folder, record)
        report(f"{folder / CONFIG}: {found}; restored from the newest checkpoint")


def check_data(folder: Path, before: Record, now: dict[str, Any]) -> None:
    """Raises InputError if a run would continue with data other than those it began with."""
    for what in ("fingerprint", "train_pairs", "validation_pairs"):
        if before["data"].get(what) != now[what]:
            raise InputError(
                f"{folder} was trained on other data ({before['data'].get('title')}, {what} "
                f"{before['data'].get(what)}; now {now['title']}, {now[what]}); use the --data it "
                f"was started with, or another --workdir"
            )


def check_teacher(folder: Path, before: Record, now: Record | None) -> None:
    """Raises InputError if a run would continue with another teacher than it began with."""
    if before.get("teacher") != now:
        raise InputError(
            f"{folder} was trained with another teacher; use the --teacher it was started with, or "
            f"another --workdir"
        )


def write_config(folder: Path, record: Record) -> None:
    """Writes ``config.json``, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    with writable(folder / CONFIG, remedy=ELSEWHERE):
        folder.mkdir(parents=True, exist_ok=True)
        replace_text(folder / CONFIG, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
