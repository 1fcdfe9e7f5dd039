"""The folder of a stage: what is recorded of its run, and that one run alone uses it."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flax
import jax
import numpy as np

from fnet_jax.artifacts.files import replace_text, writable
from fnet_jax.errors import InputError, first_line
from fnet_jax.sparse_coding.unrolled import Unrolled
from fnet_jax.version import __version__
from fnet_jax.weights import checkpoints
from train.config import TrainConfig, differences

CONFIG = "config.json"
LOCK = ".lock"
ELSEWHERE = "give another --workdir"


def versions() -> dict[str, str]:
    """Versions of what the result depends on, by name."""
    return {
        "fnet_jax": __version__,
        "jax": jax.__version__,
        "flax": flax.__version__,
        "numpy": np.__version__,
    }


def previous(folder: Path, config: TrainConfig) -> dict[str, Any] | None:
    """What is recorded of the run in a folder.

    Args:
        folder: of the stage.
        config: of this call.

    Returns:
        What :func:`write_config` wrote; None if there is no run.

    Raises:
        InputError: there is a run, but ``resume`` is not set, its record cannot be used, or it had
            another configuration.
    """
    saved = checkpoints.steps(folder / checkpoints.RUN_FOLDER)
    if not saved:
        return None
    if not config.resume:
        raise InputError(
            f"{folder}: holds a run at step {max(saved):,}; give --resume to go on with it, "
            f"or another --workdir"
        )
    path = folder / CONFIG
    try:
        before = json.loads(path.read_text())
        wrong = [n for n in ("config", "network", "data") if not isinstance(before[n], dict)]
        if wrong or not isinstance(before["origin"], str):
            raise ValueError("it is not what a run writes")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: cannot be used ({first_line(error)}); put into it what "
            f"{saved[max(saved)]}/meta/metadata has under source"
        ) from error
    differing = differences(before["config"], config.recorded())
    if differing:
        raise InputError(
            f"{folder}: holds a run of another configuration: {'; '.join(differing)}; "
            f"give the flags it was started with, or another --workdir"
        )
    return before


def check_data(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Raises InputError if a run is to go on with other data than it began with.

    Args:
        folder: of the stage.
        before: the run's record.
        now: what :meth:`train.data.sources.TrainingData.described` says.
    """
    for what in ("fingerprint", "train_pairs", "validation_pairs"):
        if before["data"].get(what) != now[what]:
            raise InputError(
                f"{folder}: was trained on other data ({before['data'].get('title')}, {what} "
                f"{before['data'].get(what)}; now {now['title']}, {now[what]}); give the --data it "
                f"was started with, or another --workdir"
            )


def write_config(folder: Path, record: dict[str, Any]) -> None:
    """Writes ``config.json``, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    with writable(folder / CONFIG, remedy=ELSEWHERE):
        folder.mkdir(parents=True, exist_ok=True)
        replace_text(folder / CONFIG, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other runs out of a folder for as long as this one lasts, where the system can.

    Raises:
        InputError: another run uses it, or it cannot be written to.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with writable(folder, remedy=ELSEWHERE):
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{folder}: another run is using it; wait for its end, or give another --workdir"
            ) from error
        except OSError:  # some network file systems have no locks
            pass
        yield


def record_of(
    config: TrainConfig, fnet: Unrolled, data: dict[str, Any], *, stage: str, origin: str
) -> dict[str, Any]:
    """All that a run's result depends on, as JSON values: ``config.json``, and in checkpoints."""
    return {
        "stage": stage,
        "origin": origin,
        "config": config.recorded(),
        "network": fnet.settings(),
        "data": data,
        "versions": versions(),
        "devices": [str(device) for device in jax.devices()],
        "workers": config.workers,
        "processes": jax.process_count(),
    }
