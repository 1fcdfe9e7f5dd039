"""Drafts: files and folders under construction, before they are renamed to their final place.

A draft is a file or folder of random name in ``.fnet-jax-writing``, a folder beside the target that
exists only during writing. The writer holds a lock on its draft, so a draft with a free lock was
left by a killed process; the next write beside it removes it. An interrupted process removes its
own drafts (:func:`remove_own`).
"""

import ctypes
import errno
import os
import shutil
import stat
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where drafts of killed processes stay
    fcntl = None  # type: ignore[assignment]

WRITING = ".fnet-jax-writing"
OLD = "old"
GONE = "-gone"  # suffix of a draft that is being removed
YOUNG = 2  # seconds
TRIES = 1000  # attempts to make a draft while others remove the folder of drafts
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # Linux constants

_own: set[Path] = set()  # drafts of this process
_beginning = threading.RLock()  # held while a draft is made, and while the process ends


@contextmanager
def draft(folder: Path, make: Callable[[Path], object]) -> Iterator[Path]:
    """Gives a fresh path on the file system of ``folder``, and removes it at the end.

    ``make`` makes the file or folder, such as ``Path.mkdir``; raises OSError if that fails.
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
    """Gives an empty folder, by default a temporary one, that is removed at the end.

    It is locked, so that :func:`remove_scratch` knows whether its process still runs.

    Raises:
        OSError: it cannot be made.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=prefix) as name:
        path = Path(name)
        lock = _locked(path, wait=True)
        _own.add(path)
        try:
            yield path
        finally:
            _own.discard(path)
            if lock is not None:
                os.close(lock)


def remove_scratch(prefix: str) -> None:
    """Removes this user's temporary folders of a prefix whose processes were killed."""
    if fcntl is None:
        return
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError):  # just removed, or owned by another user
            status = path.lstat()
            old = time.time() - status.st_mtime > YOUNG  # a younger one may not be locked yet
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or not old:
                continue
            lock = _locked(path, wait=False)
            if lock is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)


def remove_own() -> None:
    """Removes this process's drafts, of all threads; to be called when the process is about to end.

    No thread can start another draft afterwards. Each draft is renamed first, so that a thread that
    is still writing cannot move it to its target while it is being removed.
    """
    _beginning.acquire(timeout=1)  # never released
    for path in tuple(_own):
        gone = path.with_name(path.name + GONE)
        with suppress(OSError):  # it was just finished
            path.rename(gone)
            _clear(gone)
        if path.parent.name == WRITING:
            with suppress(OSError):  # others are still writing
                path.parent.rmdir()


def put_folder(new: Path, target: Path, old: Path) -> None:
    """Renames folder ``new`` of a draft to ``target``; the old one moves to ``old`` in the draft.

    At any time, ``target`` is the old or the new folder. Where the system cannot exchange two
    folders, it is missing for a moment; if the process is killed then, the next write beside it
    restores the old folder.

    Raises:
        OSError: the folder cannot be renamed; nothing has changed.
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
    """Makes a draft and returns its lock; None if the system has no locks."""
    for left in reversed(range(TRIES)):
        try:
            with suppress(FileExistsError):  # Path.mkdir would check again, when it may be gone
                os.mkdir(path.parent)  # noqa: PTH102
            make(path)
            lock = _locked(path, wait=True)
            if path.exists():
                return lock
        except FileNotFoundError:
            # Another process removed the empty base, or the draft before it was locked; unless the
            # parent folder itself is missing.
            path.parent.parent.stat()
            if not left:  # system folders such as /proc report this for every new entry
                raise
            continue
        if lock is not None:
            os.close(lock)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def _locked(path: Path, *, wait: bool) -> int | None:
    """A file descriptor that holds the lock of a draft; None if it cannot be acquired."""
    if fcntl is None:
        return None
    lock = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # another process holds it, or the file system has no locks
        os.close(lock)
        return None
    return lock


def remove_left(folder: Path) -> None:
    """Removes the drafts in a folder whose processes have ended."""
    base = folder / WRITING
    try:
        left = sorted(base.iterdir())
    except OSError:  # missing, or not visible to this user
        return
    for path in left:
        with suppress(OSError):  # just finished, or owned by another user
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
    """Removes a draft; a replaced folder in it that has no successor is restored."""
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
    """Exchanges the names of two folders atomically; raises OSError if that is impossible."""
    if not sys.platform.startswith("linux"):
        raise OSError("exchanging folders is supported on Linux only")
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        raise OSError("this C library cannot exchange folders")
    names = AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(two)
    if libc.renameat2(*names, RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(two))
