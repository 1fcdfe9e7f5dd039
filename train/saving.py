"""Checkpoints of a training run, written by Orbax beside the training, and what a run goes on from.

Each is a folder named after its step, with four items: ``state`` (weights, their average, the
optimiser, the step and the PRNG key), ``params`` (the average of FNet's weights, as every command
reads it), ``data`` (where grain's iterator is) and ``meta`` (JSON: the configuration, the data's
fingerprint, versions, a checksum per array). It appears under its name only when it is whole, with
a list of its files' checksums.
"""

import contextlib
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

from fnet_jax import checkpoints
from fnet_jax.errors import InputError, first_line
from fnet_jax.lzsc import Unrolled
from train.steps import State

VALIDATION = "validation_loss"
DAMAGED = "damaged"


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
        except OSError as error:
            raise InputError(f"{folder}: cannot be made ({error.strerror})") from error

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
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(arrays),
                    params=ocp.args.StandardSave(state.ema["fnet"]),
                    data=grain.checkpoint.CheckpointSave(data),
                    meta=ocp.args.JsonSave(meta),
                ),
                metrics={VALIDATION: validation_loss},
            )
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
        """Lists the files of the checkpoint that Orbax is about to give its name."""
        if jax.process_index() == 0:
            for folder in self._folder.glob(f"{self.newest}.orbax-checkpoint-tmp*"):
                checkpoints.write_sums(folder)


def restore(
    folder: Path, fresh: State, report: Callable[[str], None]
) -> tuple[State, dict[str, Any], Path] | None:
    """The newest sound checkpoint of a run.

    Damaged ones that are newer are moved aside, into ``damaged`` beside ``folder``, by the first
    process; nothing is deleted.

    Args:
        folder: of the checkpoints.
        fresh: a state of the same networks and optimiser, for its structure.
        report: is told of each checkpoint that is damaged.

    Returns:
        The state as NumPy arrays, what ``meta`` holds, and the checkpoint's folder; None if there
        is no checkpoint at all.

    Raises:
        InputError: there are checkpoints, but all are damaged.
    """
    found = checkpoints.steps(folder)
    for step in sorted(found, reverse=True):
        try:
            return (*_restore(found[step], fresh), found[step])
        except InputError as error:
            report(f"{error}; passed over")
            if jax.process_index() == 0:
                _set_aside(found[step])
    if found:
        raise InputError(
            f"{folder}: every checkpoint is damaged (now in {folder.parent / DAMAGED}); "
            f"train in another --workdir"
        )
    return None


def _set_aside(checkpoint: Path) -> None:
    place = checkpoint.parent.parent / DAMAGED
    place.mkdir(exist_ok=True)
    number = sum(1 for _ in place.iterdir())
    checkpoint.rename(place / f"{checkpoint.name}-{number}")


def _restore(checkpoint: Path, fresh: State) -> tuple[State, dict[str, Any]]:
    checkpoints.check_files(checkpoint)
    try:
        with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer, _quiet():
            found = checkpointer.restore(
                checkpoint.absolute(),
                args=ocp.args.Composite(
                    meta=ocp.args.JsonRestore(), state=ocp.args.StandardRestore()
                ),
            )
        arrays, meta = jax.tree.map(np.asarray, found["state"]), found["meta"]
        recorded = meta["state_checksums"]
    except Exception as error:  # Orbax and TensorStore raise many kinds for a damaged folder
        raise InputError(f"{checkpoint}: is damaged ({first_line(error)})") from error
    expected = {name: array.shape for name, array in _flat(_arrays(fresh)).items()}
    if {name: array.shape for name, array in _flat(arrays).items()} != expected:
        raise InputError(f"{checkpoint}: does not hold the state of these networks")
    for name, digest in checkpoints.checksums({"state": arrays}).items():
        if recorded.get(name) != digest:
            raise InputError(f"{checkpoint}: {name} does not have the recorded checksum")
    structure = flax.serialization.to_state_dict(fresh)
    whole = flax.traverse_util.flatten_dict(structure, keep_empty_nodes=True) | _flat(arrays)
    nested = flax.traverse_util.unflatten_dict(whole)
    return flax.serialization.from_state_dict(fresh, nested), meta


def restore_position(checkpoint: Path, data: grain.DatasetIterator) -> None:
    """Sets an iterator to where the one of a checkpoint was.

    Raises:
        InputError: the checkpoint was made with another number of processes or workers.
    """
    try:
        with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer, _quiet():
            checkpointer.restore(
                checkpoint.absolute(),
                args=ocp.args.Composite(data=grain.checkpoint.CheckpointRestore(data)),
            )
    except Exception as error:
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
