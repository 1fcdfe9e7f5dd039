"""The starting point of a run: its state, and the next batch."""

import grain
import jax

from fnet_jax.artifacts.progress import Report
from fnet_jax.errors import InputError
from train.data.batches import batches
from train.run import steps
from train.run.processes import first_alone, shared
from train.run.saving import restore, restore_position
from train.run.setup import Setup


def position(run: Setup, *, report: Report) -> tuple[steps.State, grain.DatasetIterator]:
    """The state of the newest intact checkpoint, or of a new run, and its batches.

    The record of the run gets ``first_batch``, the number of the batch at which the iterator was
    created. ``report`` gets a line on what was restored, and on each damaged checkpoint.

    Raises:
        InputError: there are checkpoints, but none can be used.
    """
    resolved, record = run.resolved, run.record
    fresh = steps.create(resolved.params, resolved.optimizer)
    found = first_alone(lambda: restore(run.checkpoints, fresh, report))
    state, meta, path = found or (fresh, {"source": {}}, None)
    if path:
        report(f"continuing from {path}")
    state = shared(state)
    # The state of grain's iterator only fits the same number of processes and workers. Without it,
    # an iterator that starts at the number of the next batch gives the same batches.
    then = meta["source"]
    alone = then.get("processes") == record["processes"] == 1
    if path and alone and then["workers"] == record["workers"]:
        try:
            record["first_batch"] = then["first_batch"]
            iterator = _batches(run)
            restore_position(path, iterator)
            return state, iterator
        except InputError as error:
            report(f"{error}; counting the batches instead")
    record["first_batch"] = int(state.step)
    return state, _batches(run)


def _batches(run: Setup) -> grain.DatasetIterator:
    return batches(
        run.data.train,
        batch=run.config.batch,
        crop=run.config.crop,
        seed=run.config.seed,
        contrast=run.config.contrast,
        alike=run.config.alike,
        start=run.record["first_batch"],
        process=jax.process_index(),
        processes=jax.process_count(),
        workers=run.config.workers,
    )
