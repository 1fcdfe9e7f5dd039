"""A training run from the first step to the last: it owns time, files and printing."""

import contextlib
import math
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import grain
import jax
import numpy as np
from tqdm import tqdm

from fnet_jax.cli.console import say
from fnet_jax.errors import InputError, first_line
from fnet_jax.networks.fnet import FNet
from fnet_jax.weights import checkpoints
from train.ablations import ablation
from train.config import TrainConfig, check
from train.data import sources
from train.data.batches import batches
from train.run import steps
from train.run.curves import Curves, validator
from train.run.dry_run import described
from train.run.folder import check_data, locked, previous, record_of, write_config
from train.run.processes import (
    check_agreement,
    first_alone,
    gather,
    is_first,
    join,
    shared,
    together,
)
from train.run.saving import Saver, restore, restore_position
from train.run.stages import Stage, network, resolved, start


class Diverged(InputError):
    """The loss, the gradient or the weights are no longer numbers."""


class Stopping:
    """Notes that the process was asked to stop, so that the run can save first.

    Attributes:
        by: the signal, or None.
    """

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self.by: int | None = None

    def __enter__(self) -> "Stopping":
        self._before = {s: signal.signal(s, self._note) for s in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.by is not None and number == signal.SIGINT:  # asked twice: at once, unsaved
            raise KeyboardInterrupt
        self.by = number

    @property
    def status(self) -> int:
        """Exit status of a run that ends now."""
        return 130 if self.by == signal.SIGINT else 0


def tell(line: str) -> None:
    """Prints a line on standard error, above the progress bar; the first process alone does."""
    if is_first():
        tqdm.write(line, file=sys.stderr)


def train(stage: Stage, config: TrainConfig) -> int:
    """Runs a stage, or goes on with it; returns the exit status.

    Raises:
        InputError: the run cannot start or go on; the message says why.
        Diverged: the loss became NaN or infinite.
    """
    check(config)
    config = resolved(stage, config)
    change = ablation(config.ablation)
    join(config)
    _check_devices(config)
    with contextlib.ExitStack() as stack:
        # A signal before JAX has joined other processes ends this one; from here on it is noted.
        stopping = stack.enter_context(Stopping())
        own = ("process_id", "data", "data_dir", "workers")  # which processes may have
        told = {name: value for name, value in config.recorded().items() if name not in own}
        check_agreement(configuration=told)
        folder = config.workdir / stage.name
        before = None
        if not config.dry_run:
            before = together(lambda: previous(folder, config))
        data = _find_data(config)
        tell(f"training on {data.title}")
        check_agreement(data=data.described())
        if before is None:
            fnet, params, origin = together(lambda: start(stage, config))
        else:  # the checkpoint has the values; these are for their structure
            check_data(folder, before, data.described())
            fnet, origin = network(before["network"]), before["origin"]
            params = stage.params(fnet, seed=config.seed, method="xavier", change=change)
        tell(f"{stage.name}: {stage.title}, {origin}")
        record = record_of(config, fnet, data.described(), stage=stage.name, origin=origin)
        schedule = steps.learning_rate(
            config.lr, steps=config.steps, warmup=config.warmup, cosine=config.cosine
        )
        optimizer = steps.make_optimizer(schedule, clip=config.clip)
        state = steps.create(params, optimizer, jax.random.key(config.seed))
        loss = stage.loss(fnet, change)
        try:
            if config.dry_run:
                step = steps.make_step(loss, optimizer, ema_decay=config.ema)
                for line in described(stage, config, fnet, state, step, record):
                    if is_first():
                        say(line)
                return 0
            if stopping.by and jax.process_count() == 1:
                tell("asked to stop before the first step; there is nothing to save")
                return stopping.status
            first_alone(lambda: stack.enter_context(locked(folder)))
            run = _Run(config, folder, data, fnet, schedule, record, stopping)
            return run.go(state, loss, optimizer)
        except jax.errors.JaxRuntimeError as error:
            _explain(error, config)
            raise


def _find_data(config: TrainConfig) -> sources.TrainingData:
    """The data; what must be prepared first, the first process prepares."""

    def find() -> sources.TrainingData:
        return sources.find(
            config.data,
            split=config.split,
            data_dir=config.data_dir,
            crop=config.crop,
            validation=config.validation,
            workdir=config.workdir,
            readers=max(1, config.workers),
        )

    found = first_alone(find)
    return together(lambda: found or find())


def _check_devices(config: TrainConfig) -> None:
    devices = jax.device_count()
    if config.batch % devices:
        fitting = max(devices, config.batch // devices * devices)
        raise InputError(
            f"--batch {config.batch}: does not divide over {devices} devices; "
            f"give a multiple of {devices}, such as {fitting}"
        )


def _explain(error: jax.errors.JaxRuntimeError, config: TrainConfig) -> None:
    """Raises InputError where it is known what a failure of the runtime means."""
    if "RESOURCE_EXHAUSTED" in str(error):
        raise InputError(
            f"--batch {config.batch} of --crop {config.crop}: does not fit into the memory of the "
            f"devices; give smaller ones (--dry-run tells what a step needs)"
        ) from error
    if jax.process_count() > 1:
        line = f"error: another process has ended ({first_line(error)}); go on with --resume"
        print(line, file=sys.stderr, flush=True)
        os._exit(1)  # an orderly end would wait for the process that is gone


class _Run:
    """A run whose configuration has been checked."""

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        data: sources.TrainingData,
        fnet: FNet,
        schedule: Callable[[int], Any],
        record: dict[str, Any],
        stopping: Stopping,
    ) -> None:
        self.config, self.folder, self.data, self.fnet = config, folder, data, fnet
        self.schedule, self.record, self.stopping = schedule, record, stopping
        self.checkpoints = folder / checkpoints.RUN_FOLDER

    def go(self, fresh: steps.State, loss: steps.Loss, optimizer: Any) -> int:
        """Trains to the last step, or until asked to stop; returns the exit status."""
        config = self.config
        state, iterator = self._position(fresh)
        done = int(state.step)
        if done >= config.steps:
            if is_first():
                say(f"{self.folder}: is at step {done:,} of {config.steps:,} already")
            return 0
        first_alone(lambda: write_config(self.folder, self.record))
        step = steps.spread(
            steps.make_step(loss, optimizer, ema_decay=config.ema, axis_name=steps.AXIS)
        )
        self.validate = validator(loss, self.fnet, self.data.validation, crop=config.crop)
        with contextlib.ExitStack() as stack:
            self.saver = Saver(self.checkpoints, keep=config.keep)
            stack.callback(self.saver.close)
            self.report: Curves | None = None
            if is_first():
                self.report = Curves(
                    self.folder, start=done, steps=config.steps, batch=config.batch
                )
                stack.callback(self.report.close)
            final = self._loop(step, steps.replicate(state), iterator, done)
        if self.stopping.by:
            tell(f"asked to stop: saved at step {final:,}; go on with --resume")
        if is_first():
            say(f"{self.folder}: step {final:,} of {config.steps:,}, saved in {self.checkpoints}")
        return self.stopping.status

    def _loop(
        self, step: Callable[..., Any], state: Any, iterator: grain.DatasetIterator, done: int
    ) -> int:
        """The steps; returns how many are done at its end."""
        config = self.config
        tell(f"compiling a step of {config.batch} pairs of {config.crop}×{config.crop} pixels")
        if done == 0:  # so that what is compiled for it is there when the run is asked to stop
            self._validate(steps.first(state), picture=False)
        saved_at = time.monotonic()
        waiting: tuple[int, np.ndarray, Any] | None = None  # the step that is being computed
        while done < config.steps:
            batch = next(iterator)
            state, metrics = step(state, *(steps.divide(batch[name]) for name in ("I1", "I2")))
            if waiting:
                self._finish(*waiting)
            done += 1
            waiting = (done, batch["index"], metrics)
            late = time.monotonic() - saved_at > 60 * config.save_minutes
            stop, late = self._agreed(done, self.stopping.by is not None, late)
            last = stop or done == config.steps
            picture = done % config.pictures_every == 0 or done == config.steps
            if last or late or picture or done % config.save_every == 0:
                self._finish(*waiting)
                waiting = None
                self._save(state, iterator, picture=picture)
                saved_at = time.monotonic()
            if stop:
                break
        return done

    def _agreed(self, done: int, stop: bool, late: bool) -> tuple[bool, bool]:
        """Whether any process was asked to stop, or is late with a checkpoint."""
        if jax.process_count() > 1 and done % self.config.log_every:
            return False, False
        stops, lates = gather([stop, late]).T
        return bool(stops.any()), bool(lates.any())

    def _finish(self, done: int, index: np.ndarray, metrics: Any) -> None:
        """Waits for a step, looks whether it is sound, and reports it."""
        loss, norm = (float(steps.first(metrics[name])) for name in ("loss", "gradient_norm"))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            names = ", ".join(str(self.data.train[int(i)]["name"]) for i in index)
            self._stop(f"step {done:,} gave loss {loss:g} and gradient norm {norm:g} on {names}")
        if self.report:
            self.report.step(loss)
            if done % self.config.log_every == 0 or done == self.config.steps:
                values = steps.first(metrics) | {"learning_rate": self.schedule(done - 1)}
                self.report.point(done, values)

    def _stop(self, what: str) -> None:
        """Raises Diverged, with the last checkpoint, all of which are sound."""
        good = self.saver.newest
        if good is None:
            where = "there is no checkpoint yet"
        else:
            where = f"the last good checkpoint is {self.checkpoints / str(good)}"
        raise Diverged(
            f"{self.folder}: {what}; {where}; try a smaller --lr, or --clip, in another --workdir"
        )

    def _validate(self, now: steps.State, *, picture: bool) -> float:
        """Measures the average of the weights; returns the validation loss."""
        values, grid = self.validate(now.ema, picture=picture)
        loss = float(values["validation_loss"])
        finite = all(np.isfinite(x).all() for x in jax.tree.leaves((now.params, now.ema)))
        if not (finite and math.isfinite(loss)):
            self._stop(
                f"at step {int(now.step):,} the validation loss is {loss:g} and the weights are "
                f"{'' if finite else 'no longer '}finite"
            )
        if self.report:
            self.report.point(int(now.step), values)
            if grid is not None:
                self.report.picture(int(now.step), grid)
        return loss

    def _save(self, state: Any, iterator: grain.DatasetIterator, *, picture: bool) -> None:
        """Validates, and starts to save a checkpoint."""
        now: steps.State = steps.first(state)
        loss = self._validate(now, picture=picture)
        if self.report:
            self.report.saved(int(now.step), loss)
        self.saver.save(now, self.fnet, iterator, record=self.record, validation_loss=loss)

    def _position(self, fresh: steps.State) -> tuple[steps.State, grain.DatasetIterator]:
        """The state to go on from, and the iterator with the batch that comes next."""
        found = first_alone(lambda: restore(self.checkpoints, fresh, tell))
        state, meta, path = found or (fresh, {"source": {}}, None)
        if path:
            tell(f"going on from {path}")
        state = shared(state)
        # The state of grain's iterator is of use to as many processes and workers only; without
        # it, the iterator is begun at the batch of that number, which is the same.
        then, now = meta["source"], self.record
        alone = then.get("processes") == now["processes"] == 1
        if path and alone and then["workers"] == now["workers"]:
            try:
                now["first_batch"] = then["first_batch"]
                iterator = self._batches()
                restore_position(path, iterator)
                return state, iterator
            except InputError as error:
                tell(f"{error}; counting the batches instead")
        now["first_batch"] = int(state.step)
        return state, self._batches()

    def _batches(self) -> grain.DatasetIterator:
        config = self.config
        return batches(
            self.data.train,
            batch=config.batch,
            crop=config.crop,
            seed=config.seed,
            start=self.record["first_batch"],
            process=jax.process_index(),
            processes=jax.process_count(),
            workers=config.workers,
        )
