"""Files and folders that are written whole or not at all; reading and checksums of any file.

Whatever happens to the process or the disk, a target has its old or its new contents. Unfinished
ones are in a :func:`~.drafts.draft` beside it.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from fnet_jax.artifacts.drafts import OLD, draft, put_folder
from fnet_jax.errors import InputError, first_line, reason


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file; raises OSError for others: a pipe or a device may never end."""

    def opened(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))  # else a pipe blocks

    with open(path, "rb", opener=opened) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        return file.read()


def read_text(path: Path) -> str:
    """The UTF-8 text of a regular file; raises OSError or UnicodeDecodeError."""
    return read_bytes(path).decode("utf-8")


def replace_text(path: Path, text: str) -> None:
    """Writes a UTF-8 text file, whole or not at all; raises OSError.

    Bytes of file names that are not UTF-8 become question marks.
    """
    replace_texts({path: text})


def replace_texts(texts: Mapping[Path, str]) -> None:
    """As :func:`replace_text`, for several files; none is replaced before all are on the disk."""
    with ExitStack() as stack:
        for path, text in texts.items():
            file = stack.enter_context(replace_file(path))
            file.write(text.encode("utf-8", "replace"))
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def replace_file(path: Path, *, overwrite: bool = True) -> Iterator[BinaryIO]:
    """Gives an empty file that becomes ``path`` at the end, unless the block raises.

    The folder must exist. A link is followed.

    Raises:
        FileExistsError: ``path`` exists, and ``overwrite`` is not set.
        OSError: the file cannot be written; ``path`` is unchanged.
    """
    path = resolved(path)
    with draft(path.parent, Path.touch) as new:
        with new.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            new.replace(path)
        else:
            _rename_unless_taken(new, path)


@contextmanager
def replace_folder(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Gives an empty folder that becomes ``path`` at the end, unless the block raises.

    The parent must exist. A link is followed; an empty folder counts as missing.

    Raises:
        FileExistsError: ``path`` exists, and ``overwrite`` is not set.
        OSError: the folder cannot be written, or ``path`` is a file; it is unchanged.
    """
    path = resolved(path)
    with draft(path.parent, Path.mkdir) as place:
        new = place / "new"
        new.mkdir()
        yield new
        _flush(new)
        try:
            new.rename(path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            if not overwrite:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
            put_folder(new, path, place / OLD)


@contextmanager
def writable(path: Path, *, remedy: str) -> Iterator[None]:
    """Converts a failure to access or write a file or folder to an InputError that names it.

    ``remedy`` is what to do besides checking space and permissions, such as "use another --out".
    """
    try:
        with suppress(OSError):  # reported when the path is used
            path.stat()
    except ValueError as error:  # a null byte, or a letter that the locale cannot encode
        raise InputError(
            f"{str(path)!r}: not a file name ({first_line(error)}); {remedy}"
        ) from error
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({reason(error)}); check space and "
            f"permissions there, or {remedy}"
        ) from error


def check_new(path: Path, *, overwrite: bool) -> None:
    """Raises InputError if the file exists and may not be replaced, or its folder is missing."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it, such as {path / 'new.json'}")
    if path.exists() and not overwrite:
        raise InputError(f"{path} already exists; use --overwrite to replace it")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder; create it, or use another --out")


def check_all_new(paths: Sequence[Path], *, overwrite: bool) -> None:
    """As :func:`check_new`, for several files, which must differ."""
    for path in paths:
        check_new(path, overwrite=overwrite)
    if len({*map(resolved, paths)}) < len(paths):
        raise InputError(f"{paths[0]} would be written twice; use different files")


def sha256(path: Path) -> str:
    """The checksum of a file, 64 hexadecimal digits; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resolved(path: Path) -> Path:
    """A path without links; unchanged if its links form a loop."""
    return Path(os.path.realpath(path))


def _flush(folder: Path) -> None:
    """Flushes the files of a folder to the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _rename_unless_taken(old: Path, new: Path) -> None:
    """Raises FileExistsError if ``new`` exists; atomic if the file system has links."""
    try:
        os.link(old, new)
    except FileExistsError:
        raise
    except OSError:  # FAT and some network shares have no links
        if os.path.lexists(new):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new)) from None
        old.replace(new)
