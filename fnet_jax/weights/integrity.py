"""Integrity of a checkpoint: checksums of its files and of its arrays.

``sha256sums.txt`` lists the files of a checkpoint as ``sha256sum --check`` reads it, because Orbax
itself loads a flipped bit. Unlisted regular files, such as those of a file manager, are ignored:
the arrays have checksums of their own in a listed file, so everything that is used is checked.
Pipes, devices and links that lead out of the folder are refused.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import flax
import numpy as np

from fnet_jax.artifacts.files import sha256
from fnet_jax.errors import DamagedError, InputError, reason

SUMS = "sha256sums.txt"
LARGEST_LIST = 2**20  # bytes; a checkpoint has tens of files
LISTED = ("meta/metadata", "params/_METADATA")  # entries of every list
LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")


def named_arrays(params: Any) -> dict[str, Any]:
    """The arrays of a parameter tree by path, such as ``lzsc_u1/W_e_0``."""
    tree = params["params"] if isinstance(params, dict) and "params" in params else params
    return flax.traverse_util.flatten_dict(tree, sep="/")


def checksums(params: Any) -> dict[str, str]:
    """SHA-256 of each array's type, shape and bytes, by path."""
    return {name: _checksum(np.asarray(array)) for name, array in named_arrays(params).items()}


def _checksum(array: np.ndarray) -> str:
    header = f"{array.dtype.str} {array.shape} ".encode()
    return hashlib.sha256(header + np.ascontiguousarray(array).tobytes()).hexdigest()


def check_arrays(where: Path, params: Any, recorded: Mapping[str, Any]) -> None:
    """Compares the arrays of a parameter tree with their recorded :func:`checksums`.

    ``where`` is the checkpoint, for the message.

    Raises:
        DamagedError: an array has changed; the message names it.
    """
    for name, digest in checksums(params).items():
        if recorded.get(name) != digest:
            raise DamagedError(
                f"{where} is damaged: {name} does not have the recorded checksum; copy the "
                f"checkpoint again"
            )


def write_sums(folder: Path) -> None:
    """Lists the files of a checkpoint with their SHA-256, for :func:`check_files`."""
    files = (path for path in folder.rglob("*") if path.is_file())
    names = sorted(path.relative_to(folder).as_posix() for path in files)
    lines = [f"{sha256(folder / name)}  {name}\n" for name in names if name != SUMS]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def check_files(folder: Path) -> None:
    """Compares the files of a checkpoint with the list that was made when they were written.

    Only regular files inside the folder are opened, and after a successful check it has no others.

    Raises:
        DamagedError: a file is missing or has changed, or the list cannot be used.
        InputError: a file cannot be read, for a reason other than its content.
    """
    recorded = _listed(folder)
    for parent, folders, files in os.walk(folder):
        for name in sorted({*folders, *files}):
            path = Path(parent, name)
            if path.exists() and not (path.is_dir() and not path.is_symlink()):
                _inside(folder, path.relative_to(folder).as_posix(), str(path))
    for name, (line, digest) in recorded.items():
        path = _inside(folder, name, f"{folder / SUMS}, line {line}: {name}")
        with _named(path):
            found = sha256(path)
        if found != digest:
            raise DamagedError(
                f"{folder / name} has changed since it was written; copy the checkpoint again"
            )


def _listed(folder: Path) -> dict[str, tuple[int, str]]:
    """Line number and checksum of each name in the list."""
    path = _inside(folder, SUMS, str(folder / SUMS))
    with _named(path), path.open("rb") as file:
        content = file.read(LARGEST_LIST + 1)
    if len(content) > LARGEST_LIST:
        raise DamagedError(f"{path} is too long for a list of checksums; copy the checkpoint again")
    found: dict[str, tuple[int, str]] = {}
    lines = content.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n")
    for number, line in enumerate(lines, 1):
        match = LINE.fullmatch(line)
        if match is None or not match[2].isprintable():
            raise DamagedError(
                f"{path}, line {number}: not a SHA-256 and a file name; copy the checkpoint again"
            )
        if match[2] in found:
            raise DamagedError(
                f"{path}, line {number}: lists {match[2]} twice; copy the checkpoint again"
            )
        found[match[2]] = number, match[1].lower()
    for name in LISTED:
        if name not in found:
            raise DamagedError(f"{path} does not list {name}; copy the checkpoint again")
    return found


def _inside(folder: Path, name: str, where: str) -> Path:
    """A regular file of a checkpoint, links followed; ``where`` is its name in an error."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or pure.as_posix() != name:
        raise DamagedError(f"{where} is not a path inside the checkpoint; copy it again")
    path = Path(os.path.realpath(folder / name))
    if not path.is_relative_to(os.path.realpath(folder)):
        raise DamagedError(f"{where} leads out of the checkpoint; copy it again")
    with _named(folder / name):
        mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise DamagedError(f"{where} is not a regular file; copy the checkpoint again")
    return path


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DamagedError(
            f"{path} is missing; the checkpoint is damaged, copy it again"
        ) from error
    except PermissionError as error:
        raise InputError(f"permission denied: {path}; check its permissions") from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}); the file itself may be intact: try again"
        ) from error
