"""Checks and reports every step and every checkpoint of a run."""

import math
from typing import Any

import jax
import numpy as np

from fnet_jax.errors import InputError
from train.run.curves import VALIDATION, Curves
from train.run.devices import first
from train.run.display import Display
from train.run.saving import Saver
from train.run.setup import Setup
from train.run.steps import State
from train.run.validation import validator


class Diverged(InputError):
    """The loss, the gradient or the weights are no longer finite."""


class Watch:
    """Checks and reports a run.

    Attributes:
        course: the validation losses, by step.
    """

    def __init__(
        self,
        run: Setup,
        saver: Saver,
        *,
        course: dict[int, float],
        curves: Curves | None,
        display: Display,
    ) -> None:
        """Watches a run; ``course`` has its earlier validation losses by step.

        ``curves`` is None in all processes but the first.
        """
        self._run, self._saver, self._curves, self._display = run, saver, curves, display
        self._validate = validator(
            run.resolved.measured, run.resolved.fnet, run.data.validation, crop=run.config.crop
        )
        self.course = course

    def step(self, done: int, index: np.ndarray, metrics: Any) -> None:
        """Waits for step ``done`` on the pairs ``index``, checks its metrics, and reports them.

        Raises:
            Diverged: a value is not finite.
        """
        loss, norm = (float(first(metrics[name])) for name in ("loss", "gradient_norm"))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            names = ", ".join(str(self._run.data.train[int(i)]["name"]) for i in index)
            self._stop(f"step {done:,} gave loss {loss:g} and gradient norm {norm:g} on {names}")
        config = self._run.config
        if self._curves:
            self._display.step(loss)
            if done % config.log_every == 0 or done == config.steps:
                rate = self._run.resolved.schedule(done - 1)
                self._curves.point(done, first(metrics) | {"learning_rate": rate})

    def validation(self, now: State, *, picture: bool = False) -> float:
        """Measures and reports the average of the weights; returns the validation loss.

        With ``picture``, a picture is saved too.

        Raises:
            Diverged: the loss or the weights are not finite.
        """
        done = int(now.step)
        values, grid = self._validate(now.ema, picture=picture)
        loss = float(values[VALIDATION])
        finite = all(np.isfinite(x).all() for x in jax.tree.leaves((now.params, now.ema)))
        if not (finite and math.isfinite(loss)):
            self._stop(
                f"at step {done:,} the validation loss is {loss:g} and the weights are "
                f"{'' if finite else 'no longer '}finite"
            )
        self.course[done] = loss
        if self._curves:
            self._curves.point(done, values)
            if grid is not None:
                self._curves.picture(done, grid)
            if done:
                self._display.saved(done, loss)
        return loss

    def _stop(self, what: str) -> None:
        """Raises Diverged, naming the last checkpoint; all checkpoints are intact."""
        good = self._saver.newest
        if good is None:
            where = "there is no checkpoint yet"
        else:
            where = f"the last good checkpoint is {self._run.checkpoints / str(good)}"
        raise Diverged(
            f"{self._run.folder} diverged: {what}; {where}; try a smaller --lr, or --clip, in "
            f"another --workdir"
        )
