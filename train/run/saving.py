"""Checkpoints of a training run, written by Orbax beside the training, and what a run goes on from.

Each is a folder named after its step, with four items: ``state`` (weights, their average, the
optimiser, the step and the PRNG key), ``params`` (the average of FNet's weights, as every command
reads it), ``data`` (where grain's iterator is) and ``meta`` (JSON: the configuration, the data's
fingerprint, versions, a checksum per array). It appears under its name only when it is whole, with
a list of its files' checksums.
"""

import contextlib
import json
import logging
import operator
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flax
import grain
import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy as policies

from fnet_jax.errors import DamagedError, InputError, first_line
from fnet_jax.sparse_coding.unrolled import Unrolled
from fnet_jax.weights import checkpoints
from train.run.steps import State

VALIDATION = "validation_loss"
DAMAGED = "damaged"
TIMES = ("_CHECKPOINT_METADATA",)  # when Orbax began and ended, which it writes last of all


class Saver:
    """Saves a run's checkpoints, and keeps the newest and the best of them."""

    def __init__(self, folder: Path, *, keep: int) -> None:
        """Opens or makes the folder.

        Args:
            folder: of the checkpoints.
            keep: how many of the newest to keep.

        Raises:
            InputError: the folder cannot be made.
        """
        self._folder = folder
        self.newest: int | None = max(checkpoints.steps(folder), default=None)
        measure = operator.itemgetter(VALIDATION)
        policy = policies.AnyPreservationPolicy(
            [
                policies.LatestN(keep),
                policies.BestN(get_metric_fn=measure, reverse=True, n=1),
            ]
        )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _quiet():
                self._manager = ocp.CheckpointManager(
                    folder.absolute(),
                    options=ocp.CheckpointManagerOptions(
                        best_fn=measure,
                        best_mode="min",
                        preservation_policy=policy,
                        async_options=ocp.AsyncOptions(post_finalization_callback=self._seal),
                    ),
                )
        except Exception as error:  # what Orbax finds there may be of many kinds
            raise InputError(
                f"{folder}: cannot be used ({first_line(error)}); check what is there, space and "
                f"permissions"
            ) from error

    def save(
        self,
        state: State,
        fnet: Unrolled,
        data: grain.DatasetIterator,
        *,
        record: dict[str, Any],
        validation_loss: float,
    ) -> None:
        """Starts to save a checkpoint; waits for the one before it.

        Args:
            state: the state of the run, as NumPy arrays.
            fnet: the network, for its settings.
            data: the iterator that the next batch will come from.
            record: what to keep of the run, JSON values by name.
            validation_loss: by which the best checkpoint is chosen.

        Raises:
            InputError: a checkpoint cannot be written.
        """
        step = int(state.step)
        if step == self.newest:
            return
        arrays = _arrays(state)
        source = {"kind": "training", "step": step, **record}
        meta = checkpoints.describe(fnet, state.ema["fnet"], source=source)
        meta["state_checksums"] = checkpoints.checksums({"state": arrays})
        with self._named(), _quiet():
            self._manager.wait_until_finished()
            self._sealing = step  # before Orbax's thread can come to ask
            started = self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(arrays),
                    params=ocp.args.StandardSave(state.ema["fnet"]),
                    data=grain.checkpoint.CheckpointSave(data),
                    meta=ocp.args.JsonSave(meta),
                ),
                metrics={VALIDATION: validation_loss},
            )
            if not started:
                raise RuntimeError(f"Orbax declined to save step {step}")
        self.newest = step

    def close(self) -> None:
        """Waits until everything is written.

        Raises:
            InputError: a checkpoint cannot be written.
        """
        with self._named(), _quiet():
            self._manager.wait_until_finished()
            self._manager.close()

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # Orbax raises many kinds where a disk is full or protected
            raise InputError(
                f"{self._folder}: a checkpoint cannot be written ({first_line(error)}); "
                f"check space and permissions there, then go on with --resume"
            ) from error

    def _seal(self) -> None:
        """Lists the files of the checkpoint that Orbax, in its thread, is about to name."""
        if jax.process_index() == 0:
            for folder in self._folder.glob(f"{self._sealing}.orbax-checkpoint-tmp*"):
                checkpoints.write_sums(folder, leave_out=TIMES)


def restore(
    folder: Path, fresh: State, report: Callable[[str], None]
) -> tuple[State, dict[str, Any], Path] | None:
    """The newest sound checkpoint of a run, read by this process alone.

    Damaged ones are moved aside, into ``damaged`` beside ``folder``, once a sound one has been
    read; nothing is deleted.

    Args:
        folder: of the checkpoints.
        fresh: a state of the same networks and optimiser, for its structure.
        report: is told of each checkpoint that is damaged.

    Returns:
        The state as NumPy arrays, what ``meta`` holds, and the checkpoint's folder; None if there
        is no checkpoint at all.

    Raises:
        InputError: there are checkpoints, but all are damaged, or one cannot be read.
    """
    found = checkpoints.steps(folder)
    newest, damaged = None, []
    for step in sorted(found, reverse=True):
        try:
            checkpoints.check_files(found[step])
            newest = newest or (*_restore(found[step], fresh), found[step])
        except DamagedError as error:
            report(f"{error}; passed over")
            damaged.append(found[step])
    if found and newest is None:
        raise InputError(
            f"{folder}: every checkpoint is damaged; copy one back, or train in another --workdir"
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
            f"{checkpoint}: is damaged and cannot be moved to {place} ({error.strerror}); "
            f"check the permissions there"
        ) from error


def _restore(checkpoint: Path, fresh: State) -> tuple[State, dict[str, Any]]:
    try:
        found = _read(
            checkpoint,
            ocp.args.Composite(meta=ocp.args.JsonRestore(), state=ocp.args.StandardRestore()),
        )
        arrays, meta = jax.tree.map(np.asarray, found["state"]), found["meta"]
        recorded = meta["state_checksums"]
    except Exception as error:  # Orbax and TensorStore raise many kinds; the files are sound
        raise InputError(
            f"{checkpoint}: cannot be read ({first_line(error)}); its files are sound: check the "
            f"versions ({_versions_of(checkpoint)}) and the memory"
        ) from error
    expected = {name: array.shape for name, array in _flat(_arrays(fresh)).items()}
    if {name: array.shape for name, array in _flat(arrays).items()} != expected:
        raise InputError(f"{checkpoint}: does not hold the state of these networks")
    for name, digest in checkpoints.checksums({"state": arrays}).items():
        if recorded.get(name) != digest:
            raise DamagedError(f"{checkpoint}: {name} does not have the recorded checksum")
    structure = flax.serialization.to_state_dict(fresh)
    whole = flax.traverse_util.flatten_dict(structure, keep_empty_nodes=True) | _flat(arrays)
    nested = flax.traverse_util.unflatten_dict(whole)
    return flax.serialization.from_state_dict(fresh, nested), meta


def _versions_of(checkpoint: Path) -> str:
    """What a checkpoint was written with, as far as that can be read."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        meta = json.loads((checkpoint / "meta/metadata").read_text())
        return ", ".join(f"{name} {version}" for name, version in meta["versions"].items())
    return "unknown"


def _read(checkpoint: Path, arguments: ocp.args.Composite) -> Any:
    """Reads items of a checkpoint, without waiting for other processes."""
    me = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"read_{me}"
    )
    handler = ocp.CompositeCheckpointHandler(
        composite_options=ocp.CompositeOptions(multiprocessing_options=alone)
    )
    with _quiet(), ocp.Checkpointer(handler, multiprocessing_options=alone) as checkpointer:
        return checkpointer.restore(checkpoint.absolute(), args=arguments)


def restore_position(checkpoint: Path, data: grain.DatasetIterator) -> None:
    """Sets an iterator to where the one of a checkpoint was.

    Raises:
        InputError: grain does not understand what it saved, in another version perhaps.
    """
    try:
        _read(checkpoint, ocp.args.Composite(data=grain.checkpoint.CheckpointRestore(data)))
    except Exception as error:  # of many kinds
        raise InputError(
            f"{checkpoint}: its place in the data is not understood ({first_line(error)})"
        ) from error


def _arrays(state: State) -> dict[str, Any]:
    """A state's arrays, nested in dicts without the empty ones, which Orbax does not keep."""
    return flax.traverse_util.unflatten_dict(_flat(flax.serialization.to_state_dict(state)))


def _flat(tree: Any) -> dict[Any, Any]:
    return flax.traverse_util.flatten_dict(tree)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Orbax from warning of what is meant."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
