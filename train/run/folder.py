"""A lock that allows one run at a time in the folder of a stage."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from fnet_jax.artifacts.files import writable
from fnet_jax.errors import InputError
from train.workdir import ELSEWHERE

LOCK = ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks a folder against other runs, if the system supports locks.

    Raises:
        InputError: another run uses it, or it cannot be written to.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with writable(folder, remedy=ELSEWHERE):
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("a+", encoding="utf-8")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{folder} is in use by another run; wait until it ends, or {ELSEWHERE}"
            ) from error
        except OSError:  # some network file systems have no locks
            pass
        yield
