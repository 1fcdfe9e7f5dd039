"""Checkpoints of a training run: writing them in the background, and restoring a run from them.

Each is a folder named after its step, with four items: ``state`` (weights, their average, the
optimizer and the step), ``params`` (the average of FNet's weights, as every command reads it),
``data`` (the position of grain's iterator) and ``meta`` (JSON: the configuration, the data's
fingerprint, the validation loss, versions, a checksum per array). It gets its final name only after
it was read back, with a list of its files' checksums.
"""

import contextlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import flax
import grain
import jax

from fnet_jax.artifacts.drafts import draft
from fnet_jax.artifacts.files import read_text
from fnet_jax.artifacts.progress import Report
from fnet_jax.errors import DamagedError, InputError, first_line, reason
from fnet_jax.sparse_coding.unrolled import Unrolled
from fnet_jax.weights import checkpoints, integrity, storage
from train.run.curves import VALIDATION
from train.run.steps import State

DAMAGED = "damaged"
UNFINISHED = ".orbax-checkpoint-tmp"  # in names of leftovers of earlier versions
FORMER_LEAVES = ("key",)  # unused leaves in states of earlier versions


class Saver:
    """Saves a run's checkpoints, and keeps the newest and the best of them.

    The first process of a run writes all of them, in a separate thread.

    Attributes:
        newest: step of the newest checkpoint; None if there is none.
    """

    def __init__(self, folder: Path, *, keep: int) -> None:
        """Opens or makes the folder, and verifies that a checkpoint in it can be read.

        The ``keep`` newest checkpoints are kept. Raises InputError if the folder cannot be made, or
        cannot hold checkpoints.
        """
        self._folder, self._keep = folder, keep
        self._first = jax.process_index() == 0
        saved = checkpoints.steps(folder)
        self.newest: int | None = max(saved, default=None)
        self._losses = {step: _validation_loss(path) for step, path in saved.items()}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._writing: Future[None] | None = None
        if self._first:
            remedy = "check space and permissions"
            with storage.explained(f"{folder} cannot be used", remedy):
                folder.mkdir(parents=True, exist_ok=True)
                for path in folder.glob(f"*{UNFINISHED}*"):
                    shutil.rmtree(path)
            storage.check_folder(folder)

    def save(
        self,
        state: State,
        fnet: Unrolled,
        data: grain.DatasetIterator,
        *,
        record: dict[str, Any],
        validation_loss: float,
    ) -> None:
        """Starts to save a checkpoint, after waiting for the previous one.

        The state has NumPy arrays, ``data`` is the iterator of the next batch, ``record`` that of
        the run, and ``validation_loss`` decides which checkpoint is the best.

        Raises:
            InputError: the previous checkpoint cannot be written, or the weights are not finite.
        """
        step = int(state.step)
        if step == self.newest:
            return
        self._wait()
        if self._first:
            arrays = _arrays(state)
            source = {"kind": "training", "step": step, **record}
            meta = checkpoints.describe(fnet, state.ema["fnet"], source=source)
            meta["state_checksums"] = integrity.checksums({"state": arrays})
            meta[VALIDATION] = validation_loss
            items = {"state": arrays, "params": state.ema["fnet"]}
            self._writing = self._thread.submit(self._write, step, items, meta, _Position(data))
        self.newest = step

    def close(self) -> None:
        """Waits until everything is written; raises InputError if a checkpoint cannot be."""
        try:
            self._wait()
        finally:
            self._thread.shutdown()

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is None:
            return
        remedy = "check space and permissions there, then use --resume to continue"
        try:
            with storage.explained(f"no checkpoint can be written to {self._folder}", remedy):
                writing.result()
        except InputError:
            self.newest = max(checkpoints.steps(self._folder), default=None)
            raise

    def _write(
        self, step: int, items: dict[str, Any], meta: dict[str, Any], position: "_Position"
    ) -> None:
        """Writes a checkpoint under a temporary name, renames it, and removes old ones."""
        data = {"data": grain.checkpoint.CheckpointSave(position)}
        with draft(self._folder, Path.mkdir) as workshop:
            storage.write(workshop / "new", items, meta, others=data)
            (workshop / "new").rename(self._folder / str(step))
            self._losses[step] = meta[VALIDATION]
            for old in self._losses.keys() - self._kept():
                (self._folder / str(old)).rename(workshop / str(old))
                del self._losses[old]

    def _kept(self) -> set[int]:
        """The newest steps, and the one with the smallest validation loss."""
        known = {step: loss for step, loss in self._losses.items() if loss is not None}
        best = [min(known, key=known.__getitem__)] if known else []
        return {*sorted(self._losses)[-self._keep :], *best}


class _Position:
    """The current position of an iterator, for grain to save while the iterator moves on."""

    def __init__(self, data: grain.DatasetIterator) -> None:
        self._state = json.dumps(data.get_state(), indent=4).encode()

    def get_state(self) -> bytes:
        return self._state


def _validation_loss(checkpoint: Path) -> float | None:
    """The recorded validation loss of a checkpoint; None if it cannot be read."""
    for file in (storage.DESCRIPTION, "metrics/metrics"):  # the second is of earlier versions
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            return float(json.loads(read_text(checkpoint / file))[VALIDATION])
    return None


def restore(
    folder: Path, fresh: State, report: Report
) -> tuple[State, dict[str, Any], Path] | None:
    """The newest intact checkpoint of a run in ``folder``, read by this process alone.

    Damaged ones are reported, and moved to ``damaged`` beside ``folder`` once an intact one has
    been read; nothing is deleted. ``fresh`` is a state of the same networks and optimizer.

    Returns:
        The state as NumPy arrays, the content of ``meta``, and the checkpoint's folder; None if
        there is no checkpoint at all.

    Raises:
        InputError: there are checkpoints, but all are damaged, or one cannot be read.
    """
    found = checkpoints.steps(folder)
    newest, damaged = None, []
    for step in sorted(found, reverse=True):
        try:
            integrity.check_files(found[step])
            newest = newest or (*_restore(found[step], fresh), found[step])
        except DamagedError as error:
            report(f"{error}; skipping this checkpoint")
            damaged.append(found[step])
    if found and newest is None:
        raise InputError(
            f"every checkpoint in {folder} is damaged; restore one from a copy, or train in "
            f"another --workdir"
        )
    for checkpoint in damaged:
        _set_aside(checkpoint)
    return newest


def _set_aside(checkpoint: Path) -> None:
    place = checkpoint.parent.parent / DAMAGED
    try:
        place.mkdir(exist_ok=True)
        number = sum(1 for _ in place.iterdir())
        checkpoint.rename(place / f"{checkpoint.name}-{number}")
    except OSError as error:
        raise InputError(
            f"{checkpoint} is damaged and cannot be moved to {place} ({reason(error)}); "
            f"check the permissions there"
        ) from error


def _restore(checkpoint: Path, fresh: State) -> tuple[State, dict[str, Any]]:
    with _explained(checkpoint):
        meta = storage.describe(checkpoint)
        recorded = meta["state_checksums"]
        shapes = _known(storage.shapes(checkpoint, "state"))
    expected = _flat(_arrays(fresh))
    for path in sorted(expected.keys() | shapes.keys()):
        wanted, found = (getattr(t.get(path), "shape", None) for t in (expected, shapes))
        if wanted is None or found is None or tuple(found) != wanted:
            raise InputError(
                f"the state in {checkpoint} does not fit these networks: {'/'.join(path)} has "
                f"shape {found} instead of {wanted}; use the configuration it was trained with"
            )
    with _explained(checkpoint):
        everything = storage.read(checkpoint, "state")
    integrity.check_arrays(checkpoint, {"state": everything}, recorded)
    structure = flax.serialization.to_state_dict(fresh)
    empty = flax.traverse_util.flatten_dict(structure, keep_empty_nodes=True)
    nested = flax.traverse_util.unflatten_dict(empty | _known(everything))
    return flax.serialization.from_state_dict(fresh, nested), meta


@contextlib.contextmanager
def _explained(checkpoint: Path) -> Iterator[None]:
    remedy = (
        f"its files are intact: check memory and versions (it was written with "
        f"{_versions_of(checkpoint)})"
    )
    with storage.explained(f"{checkpoint} cannot be read", remedy):
        yield


def _versions_of(checkpoint: Path) -> str:
    """The versions that wrote a checkpoint, if they can be read."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        versions = storage.describe(checkpoint)["versions"]
        return ", ".join(f"{name} {version}" for name, version in versions.items())
    return "unknown versions"


def restore_position(checkpoint: Path, data: grain.DatasetIterator) -> None:
    """Sets an iterator to the position saved in a checkpoint.

    Raises:
        InputError: grain does not understand the saved position, perhaps in another version.
    """
    try:
        handler = grain.checkpoint.CheckpointHandler()
        handler.restore(checkpoint / "data", item=data)
    except Exception as error:  # of many kinds
        raise InputError(
            f"the position in the data saved in {checkpoint} is unknown ({first_line(error)})"
        ) from error


def _arrays(state: State) -> dict[str, Any]:
    """A state's arrays, nested in dicts without the empty ones, which Orbax does not store."""
    return flax.traverse_util.unflatten_dict(_flat(flax.serialization.to_state_dict(state)))


def _known(tree: Any) -> dict[Any, Any]:
    """The leaves of a current state, by path."""
    return {path: x for path, x in _flat(tree).items() if path[0] not in FORMER_LEAVES}


def _flat(tree: Any) -> dict[Any, Any]:
    return flax.traverse_util.flatten_dict(tree)
