"""How far a run is, for whoever waits for it."""

import datetime
import sys
import time
from collections.abc import Iterable

from tqdm import tqdm

from fnet_jax.artifacts.progress import Item


class Display:
    """What a run calls as it goes, in the first process alone; this one shows nothing."""

    def over(self, items: Iterable[Item], /, *, total: int, desc: str) -> Iterable[Item]:
        """Wraps what is prepared first, as :class:`~fnet_jax.artifacts.progress.Progress` does."""
        return items

    def begin(self, name: str, *, done: int, steps: int, batch: int) -> None:
        """The first step is about to be computed.

        Args:
            name: of the stage.
            done: number of steps that were done before.
            steps: number of steps in all.
            batch: pairs per step.
        """

    def step(self, loss: float) -> None:
        """A step is done, with this loss."""

    def saved(self, done: int, loss: float) -> None:
        """A checkpoint is about to be saved.

        Args:
            done: number of steps done.
            loss: the validation loss.
        """

    def end(self) -> None:
        """The last step of this call is done, or it failed."""


class Bar(Display):
    """A bar on standard error; where that is not a terminal, a line for each checkpoint."""

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
        """Moves the bar on by one step."""
        self._bar.update()
        rate = self._bar.format_dict["rate"]
        speed = f"{self._batch * rate:.1f}" if rate else "?"
        self._bar.set_postfix_str(f"loss {loss:.4g}, {speed} pairs/s", refresh=False)

    def saved(self, done: int, loss: float) -> None:
        """Prints how far the run is, where there is no bar to see it by."""
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
