"""How a command speaks and ends, whatever becomes of it and of its output."""

import io
import logging
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from fnet_jax.artifacts.words import one_line
from fnet_jax.cli import program
from fnet_jax.errors import InputError


def finish(work: Callable[[], int], *, stopped: str) -> int:
    """Runs a command's work and returns its exit status.

    Input that cannot be used gives one line and 1; an interruption gives one line, which ends with
    ``stopped``, and 130.
    """
    if sys.stderr is None:  # started without one, by a service for example
        sys.stderr = _nowhere()
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe that has no × or ↑ gets a question mark rather than nothing at all.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if logging.lastResort:  # the handler of a command that sets none
        logging.lastResort.setFormatter(InOneLine())
    # What Pillow warns of, such as damaged tags, is no reason to refuse a picture.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    line = f"stopped; {stopped}"
    program.when_interrupted(line)
    try:
        return work()
    except InputError as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return 1
    except OSError as error:  # of a file or folder that nothing else has looked at before
        if error.filename is None or error.strerror is None:
            raise
        cause = f"{error.filename}: {error.strerror.lower()}"
        print(f"error: {one_line(cause)}; check the name and permissions", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # in a notebook; a program does not raise it
        print(line, file=sys.stderr)
        return program.STATUS


class InOneLine(logging.Formatter):
    """Messages of the log, each in one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The message of a record, without a line break."""
        return one_line(super().format(record))


def complain(line: str, *, kind: str = "error") -> None:
    """Prints a line about a file on standard error, above a progress bar if there is one."""
    from tqdm import tqdm  # slow to import: after --help

    tqdm.write(f"{kind}: {one_line(line)}", file=sys.stderr)


def warn(line: str) -> None:
    """Prints a line about something that may be meant, and stops nothing."""
    complain(line, kind="warning")


def say(line: str) -> None:
    """Prints a line; if nobody can read it, the work is done all the same."""
    try:
        print(line, flush=True)
    except OSError:
        sys.stdout = _nowhere()


def show(text: str) -> int:
    """Prints a help text, whatever the encoding of stdout; returns the exit status 0."""

    def work() -> int:
        say(text)
        return 0

    return finish(work, stopped="nothing was done")


def _nowhere() -> io.TextIOWrapper:
    """A stream that takes everything, for the rest of the run."""
    return Path(os.devnull).open("w", encoding="utf-8")
