"""Image files in folders, found by their names; contact sheets are none."""

import os
from pathlib import Path

from fnet_jax.errors import InputError, reason
from fnet_jax.images.sheets import is_sheet

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
READ = (*SUFFIXES, ".fff", ".seq")  # the latter of thermal cameras: read, not written


def find(folder: Path) -> list[Path]:
    """The image files directly in a folder, by their suffixes, sorted.

    No folders, hidden files or contact sheets. Whatever else has such a name is among them, a pipe
    or a link that leads nowhere too: who reads it says what is wrong.

    Raises:
        InputError: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            named = [
                folder / entry.name
                for entry in entries
                if Path(entry.name).suffix.lower() in READ
                and not entry.name.startswith(".")
                and not _is_folder(entry)
            ]
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be read ({reason(error)}); check its permissions"
        ) from error
    return sorted(path for path in named if not is_sheet(path))


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links, or a link into a folder that may not be entered
        return False
