"""Finding files along the paths of a layout (``vi|vis/*``) or a glob (``vi/*_rgb.png``)."""

import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fnet_jax import images
from fnet_jax.errors import InputError, reason

Pieces = tuple[str, ...]
ANY_DEPTH = "**"


@dataclass(frozen=True)
class File:
    """A file that was found.

    Attributes:
        path: its path.
        above: what the wildcards in the folders' names match.
        name: what the wildcards in the file's own name match.
    """

    path: Path
    above: Pieces
    name: Pieces

    @property
    def pieces(self) -> Pieces:
        """What all wildcards match."""
        return self.above + self.name


def walk(
    folder: Path,
    folders: Sequence[re.Pattern[str] | str],
    name: Callable[[str], Pieces | None],
    problems: list[str],
) -> Iterator[File]:
    """Yields image files below a folder.

    Args:
        folder: where to begin.
        folders: the folders on the path: patterns, exact names, or :data:`ANY_DEPTH`.
        name: from a file's name to its pieces; None to skip the file.
        problems: gets a line for each folder that cannot be read.
    """
    if not folders:
        try:
            found = images.find(folder)
        except InputError as error:
            if str(error) not in problems:
                problems.append(str(error))
            return
        for path in found:
            pieces = name(unicodedata.normalize("NFC", path.name))
            if pieces is not None:
                yield File(path, (), pieces)
        return
    part, rest = folders[0], folders[1:]
    if part == ANY_DEPTH:
        for file in walk(folder, rest, name, problems):
            yield File(file.path, ("", *file.above), file.name)
        for below in _folders(folder, problems, links=False):
            for file in walk(below, folders, name, problems):
                first, *more = file.above
                yield File(file.path, (f"{below.name}/{first}", *more), file.name)
        return
    if isinstance(part, str):
        try:
            there = (folder / part).is_dir()
        except OSError as error:
            _note(folder / part, error, problems)
            return
        if there:
            yield from walk(folder / part, rest, name, problems)
        return
    for below in _folders(folder, problems):
        fitting = part.fullmatch(unicodedata.normalize("NFC", below.name))
        if fitting:
            for file in walk(below, rest, name, problems):
                yield File(file.path, fitting.groups() + file.above, file.name)


def _folders(folder: Path, problems: list[str], *, links: bool = True) -> list[Path]:
    """The folders in a folder, sorted, without hidden ones."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                folder / entry.name
                for entry in entries
                if not entry.name.startswith(".") and _is_folder(entry, links=links)
            )
    except OSError as error:
        _note(folder, error, problems)
        return []


def _note(folder: Path, error: OSError, problems: list[str]) -> None:
    line = f"{folder}: cannot be read ({reason(error)}); check its permissions"
    if line not in problems:
        problems.append(line)


def _is_folder(entry: "os.DirEntry[str]", *, links: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=links)
    except OSError:  # a loop of links, or a link into a folder without permission
        return False
