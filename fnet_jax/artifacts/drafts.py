"""Where files and folders are made before they are renamed to their place.

A draft is a file or folder of random name in ``.fnet-jax-writing``, a folder beside the place that
exists only while something is written. Its writer holds a lock on it, so that a draft whose lock is
free is what a killed process left; the next write beside it removes it. A process that is
interrupted removes its own (:func:`remove_own`).
"""

import ctypes
import errno
import os
import shutil
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows; what killed processes leave there stays
    fcntl = None  # type: ignore[assignment]

WRITING = ".fnet-jax-writing"
OLD = "old"
GONE = "-gone"  # ends the name of a draft that is being removed
TRIES = 1000  # to make a draft while others take away the folder of drafts
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of Linux

_own: set[Path] = set()  # what this process is writing
_beginning = threading.RLock()  # held while a draft is made, and by what ends the process


@contextmanager
def draft(folder: Path, make: Callable[[Path], object]) -> Iterator[Path]:
    """Gives a fresh path on the file system of ``folder``, and removes what is there at the end.

    Args:
        folder: where the result is going to be.
        make: makes the file or the folder, such as ``Path.mkdir``.

    Raises:
        OSError: it cannot be made.
    """
    remove_left(folder)
    path, lock = folder / WRITING / uuid.uuid4().hex, None
    try:
        with _beginning:
            _own.add(path)
            lock = _made(path, make)
        yield path
    finally:
        with suppress(OSError):  # it cannot be reached any more
            _remove(path)
        if lock is not None:
            os.close(lock)
        with suppress(OSError):  # others are still writing
            path.parent.rmdir()
        _own.discard(path)


@contextmanager
def scratch(folder: Path | None = None, *, prefix: str = "fnet-jax-") -> Iterator[Path]:
    """Gives an empty folder that is removed at the end.

    Args:
        folder: where it is made; None for where the system keeps temporary files.
        prefix: begins its name.

    Raises:
        OSError: it cannot be made.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=prefix) as name:
        path = Path(name)
        _own.add(path)
        try:
            yield path
        finally:
            _own.discard(path)


def remove_own() -> None:
    """Removes what this process is writing, in whichever thread; the process is about to end.

    No thread begins another one from now on. Each draft gets another name first, so that a thread
    that still writes can no longer rename it to its place while it is being removed.
    """
    _beginning.acquire(timeout=1)  # for ever: never released
    for path in tuple(_own):
        gone = path.with_name(path.name + GONE)
        with suppress(OSError):  # it has just been finished
            path.rename(gone)
            _clear(gone)
        if path.parent.name == WRITING:
            with suppress(OSError):  # others are still writing
                path.parent.rmdir()


def put_folder(new: Path, target: Path, old: Path) -> None:
    """Renames a folder to ``target``, in place of the folder that is there.

    At any time, ``target`` is the old folder or the new one. Where the system cannot exchange two
    folders, it is missing for a moment; if the process is killed right then, the next write beside
    it puts the old folder back.

    Args:
        new: a folder in a draft.
        target: the folder that is replaced.
        old: ``OLD`` in the draft.

    Raises:
        OSError: the folder cannot be renamed. Then nothing has changed.
    """
    try:
        _exchange(new, target)
    except OSError:
        old.mkdir()
        target.rename(old / target.name)
        try:
            new.rename(target)
        except OSError:
            (old / target.name).rename(target)
            raise


def _made(path: Path, make: Callable[[Path], object]) -> int | None:
    """Makes a draft and returns its lock; None where the system has none."""
    for left in reversed(range(TRIES)):
        try:
            with suppress(FileExistsError):  # Path.mkdir would look again, when it may be gone
                os.mkdir(path.parent)  # noqa: PTH102
            make(path)
            lock = _locked(path, wait=True)
            if path.exists():
                return lock
        except FileNotFoundError:
            # Another process took away the empty base, or the draft before it was locked; unless
            # it is the folder itself that is missing.
            path.parent.parent.stat()
            if not left:  # a system folder, such as /proc, says so of all that is new in it
                raise
            continue
        if lock is not None:
            os.close(lock)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def _locked(path: Path, *, wait: bool) -> int | None:
    """A file descriptor that holds the lock of a draft; None where it cannot be had."""
    if fcntl is None:
        return None
    lock = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # another process has it, or this file system knows no locks
        os.close(lock)
        return None
    return lock


def remove_left(folder: Path) -> None:
    """Removes the drafts in a folder whose processes are gone."""
    base = folder / WRITING
    try:
        left = sorted(base.iterdir())
    except OSError:  # there is nothing, or nothing that this user may see
        return
    for path in left:
        with suppress(OSError):  # its writer has just finished, or it belongs to another user
            lock = _locked(path, wait=False)
            if lock is None:
                continue
            try:
                _clear(path)
            finally:
                os.close(lock)
    with suppress(OSError):  # others are writing
        base.rmdir()


def _clear(path: Path) -> None:
    """Removes a draft; a folder that was on its way out of it and has no successor goes back."""
    place = path.parent.parent
    for old in (path / OLD).iterdir() if (path / OLD).is_dir() else ():
        if not os.path.lexists(place / old.name):
            old.rename(place / old.name)
    _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _exchange(one: Path, two: Path) -> None:
    """Exchanges the names of two folders in one step; raises OSError where that is impossible."""
    if not sys.platform.startswith("linux"):
        raise OSError("folders can be exchanged on Linux only")
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        raise OSError("this C library cannot exchange folders")
    names = AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(two)
    if libc.renameat2(*names, RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(two))
