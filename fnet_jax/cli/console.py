"""How a command speaks and ends, whatever becomes of it and of its output."""

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

from fnet_jax.errors import InputError


def finish(work: Callable[[], int], *, stopped: str) -> int:
    """Runs a command's work and returns its exit status.

    Input that cannot be used gives one line and 1; an interruption gives one line, which ends with
    ``stopped``, and 130.
    """
    if sys.stderr is None:  # started without one, by a service for example
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 (for the rest of the run)
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe that has no × or ↑ gets a question mark rather than nothing at all.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        return work()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"stopped; {stopped}", file=sys.stderr)
        return 130


def say(line: str) -> None:
    """Prints a line; if nobody can read it, the work is done all the same."""
    try:
        print(line, flush=True)
    except OSError:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 (for the rest of the run)
