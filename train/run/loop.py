"""A training run from its first step to its last. The caller handles printing and signals."""

import contextlib
import time
from collections.abc import Callable, Iterator

import jax

from fnet_jax.artifacts.progress import Report
from fnet_jax.errors import InputError, first_line
from fnet_jax.runtime.memory import exhausted
from fnet_jax.runtime.precision import multiplying
from train.config import TrainConfig
from train.run import steps
from train.run.curves import Curves, validation_course
from train.run.devices import AXIS, divide, first, replicate, spread
from train.run.display import Display
from train.run.folder import locked
from train.run.position import position
from train.run.processes import PeerLost, agreed, first_alone, is_first, together
from train.run.record import previous, restore_config, write_config
from train.run.result import Result
from train.run.saving import Saver
from train.run.setup import Setup, set_up
from train.run.stages import Stage
from train.run.watch import Watch

Stop = Callable[[], str | None]
"""Returns what asks the run to stop, or None; called before the first and after each step."""


def train(
    stage: Stage,
    config: TrainConfig,
    *,
    report: Report = lambda line: None,
    stop: Stop = lambda: None,
    display: Display | None = None,
) -> Result:
    """Trains a stage in its folder of the workdir, or continues its run there.

    Nothing is printed and no signal handler is installed; ``stop`` ends a run early, with its last
    step saved.

    Args:
        stage: one of :data:`train.run.stages.STAGES`.
        config: configuration of the run.
        report: gets lines for the user, in the first process only.
        stop: see :data:`Stop`.
        display: gets each step, in the first process only.

    Returns:
        The steps, losses and checkpoints of the run.

    Raises:
        InputError: the run cannot begin or be continued, or something cannot be written.
        Diverged: the loss or the weights are no longer finite.
        PeerLost: another process of the run has ended.
    """
    if config.dry_run:
        raise InputError("--dry-run does not train; use train.run.dry_run.described")

    def say(line: str) -> None:
        if is_first():
            report(line)

    display = display or Display()
    # The networks are float32, whatever the process has set for other work.
    with jax.enable_x64(False), _failures_explained(config), contextlib.ExitStack() as stack:
        stack.enter_context(multiplying(config.precision))
        run = set_up(stage, config, report=say, progress=display.over)
        first_alone(lambda: stack.enter_context(locked(run.folder)))
        together(lambda: _check_unchanged(run))
        if run.before is not None:
            before = run.before
            first_alone(lambda: restore_config(run.folder, before, say))
        state, batches = position(run, report=say)
        began = done = int(state.step)
        course = {n: x for n, x in validation_course(run.folder).items() if done and n <= done}
        config, asked = run.config, stop()
        if done >= config.steps or (asked and jax.process_count() == 1):
            return Result.of(
                run.folder,
                began=began,
                steps=done,
                wanted=config.steps,
                course=course,
                stopped_by=None if done >= config.steps else asked,
            )

        saver = stack.enter_context(contextlib.closing(Saver(run.checkpoints, keep=config.keep)))
        first_alone(lambda: write_config(run.folder, run.record))
        curves = None
        if is_first():
            curves = stack.enter_context(
                contextlib.closing(Curves(run.folder, start=done, report=say))
            )
            display.begin(stage.name, done=done, steps=config.steps, batch=config.batch)
            stack.callback(display.end)
        watch = Watch(run, saver, course=course, curves=curves, display=display)
        step = spread(
            steps.make_step(
                run.resolved.loss, run.resolved.optimizer, ema_decay=config.ema, axis_name=AXIS
            )
        )
        say(f"compiling a step of {config.batch} pairs of {config.crop}×{config.crop} pixels")
        if done == 0:  # also compiles it, so that a run saves quickly when asked to stop
            watch.validation(state)
        state = replicate(state)
        saved_at, waiting, asked = time.monotonic(), None, None
        while done < config.steps and not asked:
            batch = next(batches)
            state, metrics = step(state, *(divide(batch[name]) for name in ("I1", "I2")))
            if waiting:  # the previous step, checked while this one is computed
                watch.step(*waiting)
            done += 1
            waiting = (done, batch["index"], metrics)
            late = time.monotonic() - saved_at > 60 * config.save_minutes
            asked, late = _asked_by_any(done, stop(), late, config)
            picture = done % config.pictures_every == 0 or done == config.steps
            if asked or late or picture or done % config.save_every == 0:
                watch.step(*waiting)
                waiting = None
                now = first(state)
                loss = watch.validation(now, picture=picture)
                saver.save(now, run.resolved.fnet, batches, record=run.record, validation_loss=loss)
                saved_at = time.monotonic()
    return Result.of(
        run.folder,
        began=began,
        steps=done,
        wanted=config.steps,
        course=watch.course,
        stopped_by=asked,
    )


def _asked_by_any(
    done: int, asked: str | None, late: bool, config: TrainConfig
) -> tuple[str | None, bool]:
    """What asks any of the processes to stop, and whether a checkpoint is due in any."""
    if jax.process_count() == 1:
        return asked, late
    if done % config.log_every:
        return None, False
    any_asked, any_late = agreed(asked is not None, late)
    return asked or ("another process" if any_asked else None), any_late


def _check_unchanged(run: Setup) -> None:
    """Raises InputError if another run used the folder before this one had locked it."""
    if previous(run.folder, resume=run.config.resume) != run.before:
        raise InputError(
            f"{run.folder}: another run has saved a checkpoint since this one began; run the same "
            f"command again"
        )


@contextlib.contextmanager
def _failures_explained(config: TrainConfig) -> Iterator[None]:
    """Turns known failures of the runtime into InputErrors."""
    try:
        yield
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if exhausted(error):
            raise InputError(
                f"--batch {config.batch} with --crop {config.crop} does not fit into memory; "
                f"use smaller values (--dry-run shows the memory of a step)"
            ) from error
        if jax.process_count() > 1:
            raise PeerLost(
                f"another process has ended ({first_line(error)}); use --resume to continue"
            ) from error
        raise
