"""A training run from the first step to the last: it owns time, files and printing."""

import dataclasses
import json
import logging
import math
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import flax
import grain
import jax
import numpy as np
from jax.experimental import multihost_utils
from tqdm import tqdm

from fnet_jax import checkpoints
from fnet_jax.commands.console import say
from fnet_jax.errors import InputError, first_line
from fnet_jax.fnet import FNet
from fnet_jax.lzsc import Unrolled
from fnet_jax.version import __version__
from train import data as training_data
from train import steps
from train.config import TrainConfig, check, differences
from train.plan import describe_plan
from train.reporting import Report, validator
from train.saving import Saver, restore, restore_position
from train.stages import Stage, network, start

CONFIG = "config.json"

logger = logging.getLogger(__name__)


class Diverged(InputError):
    """The loss or the gradient is no longer a number."""


class Stopping:
    """Notes that the process was asked to stop, so that the loop can save first.

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


def tell(line: str) -> None:
    """Prints a line on standard error, above the progress bar; the first process alone does."""
    if jax.process_index() == 0:
        tqdm.write(line, file=sys.stderr)


def train(stage: Stage, config: TrainConfig) -> int:
    """Runs a stage, or goes on with it; returns the exit status.

    Raises:
        InputError: the run cannot start or go on; the message says why.
        Diverged: the loss became NaN or infinite.
    """
    check(config)
    _start_processes(config)
    _check_devices(config)
    folder = config.workdir / stage.name
    before = _previous(folder, config)
    data = training_data.find(
        config.data,
        split=config.split,
        data_dir=config.data_dir,
        crop=config.crop,
        validation=config.validation,
        workdir=config.workdir,
        readers=max(1, config.workers),
    )
    tell(f"training on {data.title}")
    _check_data(folder, before, data)
    if before is None:
        fnet, params, origin = start(stage, config)
    else:  # the checkpoint has the values; these are for their structure
        fnet, origin = network(before["network"]), before["origin"]
        whole = dataclasses.replace(config, init="xavier", **_named_settings(fnet))
        _, params, _ = start(stage, whole)
    tell(f"{stage.name}: {stage.title}, {origin}")
    record = {
        "stage": stage.name,
        "origin": origin,
        "config": config.recorded(),
        "data": data.described(),
        "workers": config.workers,
        "processes": jax.process_count(),
    }
    schedule = steps.learning_rate(
        config.lr, steps=config.steps, warmup=config.warmup, cosine=config.cosine
    )
    optimizer = steps.make_optimizer(schedule, clip=config.clip)
    state = steps.create(params, optimizer, jax.random.key(config.seed))
    loss = stage.loss(fnet)
    if config.dry_run:
        step = steps.make_step(loss, optimizer, ema_decay=config.ema)
        for line in describe_plan(stage, config, fnet, state, step, record):
            say(line)
        return 0
    run = _Run(stage, config, folder, data, fnet, schedule, record)
    return run.go(state, loss, optimizer)


def _named_settings(fnet: FNet) -> dict[str, Any]:
    return {n: getattr(fnet, n) for n in ("features", "iterations", "kernel_size")}


def _start_processes(config: TrainConfig) -> None:
    """Joins the other processes, before anything else touches JAX's devices."""
    if not (config.cluster or config.coordinator):
        return
    try:
        jax.distributed.initialize(
            config.coordinator, config.num_processes, config.process_id, initialization_timeout=120
        )
    except (RuntimeError, ValueError) as error:
        where = config.coordinator or "the cluster's environment"
        raise InputError(
            f"{where}: the processes do not find each other ({first_line(error)}); "
            f"check --coordinator, --num-processes and --process-id"
        ) from error


def _check_devices(config: TrainConfig) -> None:
    devices = jax.device_count()
    if config.batch % devices:
        fitting = max(devices, config.batch // devices * devices)
        raise InputError(
            f"--batch {config.batch}: does not divide over {devices} devices; "
            f"give a multiple of {devices}, such as {fitting}"
        )


def _previous(folder: Path, config: TrainConfig) -> dict[str, Any] | None:
    """What is recorded of the run in the folder, if there is one to go on with."""
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
        recorded, _ = before["config"], (before["network"], before["origin"], before["data"])
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path}: cannot be used ({first_line(error)}); put it back (each checkpoint has a "
            f"copy, under source in meta/metadata)"
        ) from error
    differing = differences(recorded, config.recorded())
    if differing:
        raise InputError(
            f"{folder}: holds a run of another configuration: {'; '.join(differing)}; "
            f"give the flags it was started with, or another --workdir"
        )
    return before


def _check_data(folder: Path, before: dict[str, Any] | None, data: training_data.Data) -> None:
    now = data.described()
    for what in ("fingerprint", "train_pairs", "validation_pairs"):
        if before is not None and before["data"][what] != now[what]:
            raise InputError(
                f"{folder}: was trained on other data ({before['data']['name']}, {what} "
                f"{before['data'][what]}, now {data.name}, {now[what]}); give the --data it was "
                f"started with, or another --workdir"
            )


class _Run:
    """A run whose configuration has been checked."""

    def __init__(
        self,
        stage: Stage,
        config: TrainConfig,
        folder: Path,
        data: training_data.Data,
        fnet: FNet,
        schedule: Callable[[int], Any],
        record: dict[str, Any],
    ) -> None:
        self.stage, self.config, self.folder = stage, config, folder
        self.data, self.fnet, self.schedule, self.record = data, fnet, schedule, record
        self.checkpoints = folder / checkpoints.RUN_FOLDER

    def go(self, fresh: steps.State, loss: steps.Loss, optimizer: Any) -> int:
        """Trains to the last step, or until asked to stop; returns the exit status."""
        config = self.config
        state, batches = self._position(fresh)
        done = int(state.step)
        if done >= config.steps:
            say(f"{self.folder}: is at step {done:,} of {config.steps:,} already")
            return 0
        self._write_config()
        step = steps.spread(
            steps.make_step(loss, optimizer, ema_decay=config.ema, axis_name=steps.AXIS)
        )
        self.validate = validator(loss, self.fnet, self.data.validation, crop=config.crop)
        self.saver = Saver(self.checkpoints, keep=config.keep)
        self.report = self._report(done)
        try:
            with Stopping() as stopping:
                final = self._loop(step, steps.replicate(state), batches, done, stopping)
        finally:
            if self.report:
                self.report.close()
            self.saver.close()
        if jax.process_index() == 0:
            say(f"{self.folder}: step {final:,} of {config.steps:,}, saved in {self.checkpoints}")
        return 130 if stopping.by == signal.SIGINT else 0

    def _report(self, done: int) -> Report | None:
        if jax.process_index():
            return None
        return Report(self.folder, start=done, steps=self.config.steps, batch=self.config.batch)

    def _loop(
        self,
        step: Callable[..., Any],
        state: Any,
        batches: grain.DatasetIterator,
        done: int,
        stopping: Stopping,
    ) -> int:
        """The steps; returns how many are done at its end."""
        config = self.config
        saved_at = time.monotonic()
        waiting: tuple[int, np.ndarray, Any] | None = None  # the step that is being computed
        tell(f"compiling a step of {config.batch} pairs of {config.crop}×{config.crop} pixels")
        while done < config.steps:
            batch = next(batches)
            state, metrics = step(state, *(steps.divide(batch[name]) for name in ("I1", "I2")))
            if waiting:
                self._finish(*waiting)
            done += 1
            waiting = (done, batch["index"], metrics)
            late = time.monotonic() - saved_at > 60 * config.save_minutes
            stop, late = self._agreed(done, stopping.by is not None, late)
            last = stop or done == config.steps
            picture = done % config.pictures_every == 0 or done == config.steps
            if last or late or picture or done % config.save_every == 0:
                self._finish(*waiting)
                waiting = None
                self._save(state, batches, picture=picture)
                saved_at = time.monotonic()
            if stop:
                tell(f"asked to stop: saved at step {done:,}; go on with --resume")
                break
        return done

    def _agreed(self, done: int, stop: bool, late: bool) -> tuple[bool, bool]:
        """Whether any process was asked to stop, or is late with a checkpoint."""
        if jax.process_count() == 1:
            return stop, late
        if done % self.config.log_every:
            return False, False
        flags = multihost_utils.process_allgather(np.array([stop, late]))
        stops, lates = np.asarray(flags).reshape(-1, 2).T
        return bool(stops.any()), bool(lates.any())

    def _finish(self, done: int, index: np.ndarray, metrics: Any) -> None:
        """Waits for a step, looks whether it is sound, and reports it."""
        loss, norm = (float(steps.first(metrics[name])) for name in ("loss", "gradient_norm"))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            names = ", ".join(str(self.data.train[int(i)]["name"]) for i in index)
            good = self.saver.newest
            where = f"the last good checkpoint is {self.checkpoints / str(good)}"
            raise Diverged(
                f"{self.folder}: step {done:,} gave loss {loss:g} and gradient norm {norm:g} on "
                f"{names}; {where if good is not None else 'there is no checkpoint yet'}; "
                f"try a smaller --lr, or --clip"
            )
        if self.report:
            self.report.step(loss)
            if done % self.config.log_every == 0 or done == self.config.steps:
                values = steps.first(metrics) | {"learning_rate": self.schedule(done - 1)}
                self.report.point(done, values)

    def _save(self, state: Any, batches: grain.DatasetIterator, *, picture: bool) -> None:
        """Validates, and starts to save a checkpoint."""
        now: steps.State = steps.first(state)
        values, grid = self.validate(now.ema, picture=picture)
        if self.report:
            self.report.point(int(now.step), values)
            if grid is not None:
                self.report.picture(int(now.step), grid)
        self.saver.save(
            now,
            self.fnet,
            batches,
            record=self.record,
            validation_loss=float(values["validation_loss"]),
        )

    def _position(self, fresh: steps.State) -> tuple[steps.State, grain.DatasetIterator]:
        """The state to go on from, and the iterator with the batch that comes next."""
        found = None
        if jax.process_index() == 0:
            found = restore(self.checkpoints, fresh, tell)
        state, meta, path = found or (fresh, {"source": {}}, None)
        if path:
            tell(f"going on from {path}")
        if jax.process_count() > 1:
            state = jax.tree.map(np.asarray, multihost_utils.broadcast_one_to_all(state))
        # The state of grain's iterator is of use to as many processes and workers only.
        then, now = meta["source"], self.record
        alone = then.get("processes") == now["processes"] == 1
        if path and alone and then["workers"] == now["workers"]:
            now["first_batch"] = then["first_batch"]
            batches = self._batches()
            restore_position(path, batches)
        else:
            now["first_batch"] = int(state.step)
            batches = self._batches()
        return state, batches

    def _batches(self) -> grain.DatasetIterator:
        config = self.config
        return training_data.batches(
            self.data.train,
            batch=config.batch,
            crop=config.crop,
            seed=config.seed,
            start=self.record["first_batch"],
            process=jax.process_index(),
            processes=jax.process_count(),
            workers=config.workers,
        )

    def _write_config(self) -> None:
        """Writes ``config.json``: all that the run depends on."""
        if jax.process_index():
            return
        text = json.dumps(self.record | described(self.fnet), indent=1, ensure_ascii=False)
        path = self.folder / CONFIG
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{CONFIG}")
            temporary.write_text(text + "\n")
            temporary.replace(path)
        except OSError as error:
            raise InputError(
                f"{path}: cannot be written ({error.strerror}); give another --workdir"
            ) from error


def described(fnet: Unrolled) -> dict[str, Any]:
    """The network's settings, versions and devices, as JSON values."""
    return {
        "network": fnet.settings(),
        "versions": {
            "fnet_jax": __version__,
            "jax": jax.__version__,
            "flax": flax.__version__,
            "numpy": np.__version__,
            "grain": grain.__version__ if hasattr(grain, "__version__") else "unknown",
        },
        "devices": [str(device) for device in jax.devices()],
    }
