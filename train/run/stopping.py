"""Signals that ask a run to stop."""

import signal
from types import FrameType
from typing import Any


class Stopping:
    """Notes signals that ask the process to stop, so that a run can save first.

    Until the first call there is nothing to save: Ctrl-C has its usual effect, and SIGTERM raises
    KeyboardInterrupt. From then on both are noted, and the run sees them at its next step. A second
    Ctrl-C has its usual effect again.

    Attributes:
        by: name of the signal, such as ``"SIGTERM"``; None if there was none.
    """

    def __init__(self, *, noted: bool = False) -> None:
        """``noted``: note signals from the start, so that all processes stop at the same step."""
        self.by: str | None = None
        self._noted = noted
        self._before: dict[int, Any] = {}

    def __call__(self) -> str | None:
        """The name of the signal, or None; signals are noted from now on."""
        self._noted = True
        self._take(signal.SIGINT)
        return self.by

    def __enter__(self) -> "Stopping":
        self._take(signal.SIGTERM)
        if self._noted:
            self._take(signal.SIGINT)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int) -> None:
        if number not in self._before:
            self._before[number] = signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        before, again = self._before[number], self.by is not None
        self.by = signal.Signals(number).name
        if again and number == signal.SIGINT and callable(before):
            before(number, frame)
        elif not self._noted:
            raise KeyboardInterrupt
