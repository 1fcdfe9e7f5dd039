"""The progress display of a run."""

import datetime
import sys
import time
from collections.abc import Iterable

from tqdm import tqdm

from fnet_jax.artifacts.progress import Item


class Display:
    """Callbacks of a run, in the first process only; this class shows nothing."""

    def over(self, items: Iterable[Item], /, *, total: int, desc: str) -> Iterable[Item]:
        """Wraps preparatory work, like :class:`~fnet_jax.artifacts.progress.Progress`."""
        return items

    def begin(self, name: str, *, done: int, steps: int, batch: int) -> None:
        """Called before the first step; ``done`` of ``steps`` steps were done before."""

    def step(self, loss: float) -> None:
        """Called after each step, with its loss."""

    def saved(self, done: int, loss: float) -> None:
        """Called before a checkpoint is saved, after ``done`` steps, with the validation loss."""

    def end(self) -> None:
        """Called after the last step of this call, or when it failed."""


class Bar(Display):
    """A progress bar on standard error; if that is not a terminal, a line for each checkpoint."""

    def over(self, items: Iterable[Item], /, *, total: int, desc: str) -> Iterable[Item]:
        """Draws a bar that disappears at the end."""
        return tqdm(items, total=total, desc=desc, leave=False, disable=None)

    def begin(self, name: str, *, done: int, steps: int, batch: int) -> None:
        """Draws the bar."""
        self._start, self._batch, self._began = done, batch, time.monotonic()
        self._bar = tqdm(
            total=steps, initial=done, desc=name, unit="step", disable=None, smoothing=0.1
        )

    def step(self, loss: float) -> None:
        """Advances the bar by one step."""
        self._bar.update()
        rate = self._bar.format_dict["rate"]
        speed = f"{self._batch * rate:.1f}" if rate else "?"
        self._bar.set_postfix_str(f"loss {loss:.4g}, {speed} pairs/s", refresh=False)

    def saved(self, done: int, loss: float) -> None:
        """Prints the progress if there is no bar."""
        if not self._bar.disable:
            return
        steps = self._bar.total
        rate = (done - self._start) / (time.monotonic() - self._began)
        left = datetime.timedelta(seconds=round((steps - done) / rate)) if rate else "?"
        line = (
            f"step {done:,} of {steps:,}: validation loss {loss:.4g}, {rate:.3g} steps/s, "
            f"{self._batch * rate:.3g} pairs/s, {left} left"
        )
        print(line, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Closes the bar."""
        self._bar.close()
