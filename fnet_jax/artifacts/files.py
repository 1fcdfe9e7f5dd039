"""Files and folders that are written whole or not at all; reading and checksums of any file.

Whatever becomes of the process or the disk, a target is what it was or what it was to become. What
is unfinished is a :func:`~.drafts.draft` beside it.
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
    """The bytes of a regular file.

    Raises:
        OSError: it cannot be read, or is no regular file: a pipe or a device may have no end.
    """

    def opened(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))  # else a pipe waits for a writer

    with open(path, "rb", opener=opened) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        return file.read()


def read_text(path: Path) -> str:
    """The text of a regular file in UTF-8.

    Raises:
        OSError: as :func:`read_bytes`.
        UnicodeDecodeError: it is not UTF-8.
    """
    return read_bytes(path).decode("utf-8")


def replace_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8, whole or not at all.

    Bytes of file names that are not UTF-8 become question marks.

    Raises:
        OSError: the file cannot be written; it is as it was.
    """
    replace_texts({path: text})


def replace_texts(texts: Mapping[Path, str]) -> None:
    """As :func:`replace_text`, several files that belong together.

    None is replaced before all are on the disk.

    Raises:
        OSError: a file cannot be written.
    """
    with ExitStack() as stack:
        for path, text in texts.items():
            file = stack.enter_context(replace_file(path))
            file.write(text.encode("utf-8", "replace"))
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def replace_file(path: Path, *, overwrite: bool = True) -> Iterator[BinaryIO]:
    """Gives an empty file that becomes ``path`` at the end, unless the block raises.

    Args:
        path: the file, in a folder that exists. A link is followed.
        overwrite: replace a file that exists.

    Raises:
        FileExistsError: ``path`` exists, and ``overwrite`` is not set.
        OSError: the file cannot be written; ``path`` is as it was.
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

    Args:
        path: the folder, in one that exists. A link is followed, and an empty folder counts as
            none.
        overwrite: replace a folder that exists, with all that is in it.

    Raises:
        FileExistsError: ``path`` exists, and ``overwrite`` is not set.
        OSError: the folder cannot be written, or ``path`` is a file; it is as it was.
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
    """Turns a failure to write, or to look at, a file or folder into an InputError that names it.

    Args:
        path: what is being written.
        remedy: what to do other than to check space and permissions, such as "use another --out".
    """
    try:
        with suppress(OSError):  # what is done with the path will say what is wrong
            path.stat()
    except ValueError as error:  # a null byte, or a letter that this locale's names cannot have
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
    """Raises InputError if a file is there that is not to be replaced, or its folder is not."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name a file in it, such as {path / 'new.json'}")
    if path.exists() and not overwrite:
        raise InputError(f"{path}: already exists; use --overwrite to replace it")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder; make it, or use another --out")


def check_all_new(paths: Sequence[Path], *, overwrite: bool) -> None:
    """As :func:`check_new`, of several files, which are different ones."""
    for path in paths:
        check_new(path, overwrite=overwrite)
    if len({*map(resolved, paths)}) < len(paths):
        raise InputError(f"{paths[0]}: would be written twice; use different files")


def sha256(path: Path) -> str:
    """Checksum of a file's bytes, 64 hexadecimal digits; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resolved(path: Path) -> Path:
    """A path without links; as it is where links lead back to themselves."""
    return Path(os.path.realpath(path))


def _flush(folder: Path) -> None:
    """Makes the system write the files of a folder to the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _rename_unless_taken(old: Path, new: Path) -> None:
    """Raises FileExistsError if ``new`` exists; without a race where a file system has links."""
    try:
        os.link(old, new)
    except FileExistsError:
        raise
    except OSError:  # FAT and some network shares have no links
        if os.path.lexists(new):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(new)) from None
        old.replace(new)
