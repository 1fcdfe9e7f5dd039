"""Output and exit of commands, whatever happens to them and to their streams."""

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
    """Runs a command and returns its exit status.

    Unusable input prints one line and gives 1; an interruption prints one line that ends with
    ``stopped`` and gives 130.
    """
    if sys.stderr is None:  # started without one, by a service for example
        sys.stderr = _nowhere()
    for stream in (sys.stdout, sys.stderr):
        # Print question marks if the encoding lacks × or ↑, rather than fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if logging.lastResort:  # used by commands without a handler
        logging.lastResort.setFormatter(InOneLine())
    # Pillow warns about damaged tags and the like, which do not affect pictures.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    line = f"stopped; {stopped}"
    program.when_interrupted(line)
    try:
        return work()
    except InputError as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return 1
    except OSError as error:  # from a file or folder that was not checked before
        if error.filename is None or error.strerror is None:
            raise
        cause = f"{error.filename}: {error.strerror.lower()}"
        print(f"error: {one_line(cause)}; check the name and permissions", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # in a notebook; a program does not raise it
        print(line, file=sys.stderr)
        return program.STATUS


class InOneLine(logging.Formatter):
    """Formats each log message as one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The message of a record, without line breaks."""
        return one_line(super().format(record))


def complain(line: str, *, kind: str = "error") -> None:
    """Prints a line to standard error, above any progress bar."""
    from tqdm import tqdm  # slow to import: after --help

    tqdm.write(f"{kind}: {one_line(line)}", file=sys.stderr)


def warn(line: str) -> None:
    """Prints a warning about something that may be intended."""
    complain(line, kind="warning")


def say(line: str) -> None:
    """Prints a line; a closed stream does not stop the work."""
    try:
        print(line, flush=True)
    except OSError:
        sys.stdout = _nowhere()


def show(text: str) -> int:
    """Prints a help text in any encoding of stdout; returns the exit status 0."""

    def work() -> int:
        say(text)
        return 0

    return finish(work, stopped="nothing was done")


def _nowhere() -> io.TextIOWrapper:
    """A stream that discards everything."""
    return Path(os.devnull).open("w", encoding="utf-8")
