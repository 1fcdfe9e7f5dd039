"""Finding image files in folders by name; contact sheets are skipped."""

import os
from pathlib import Path

from fnet_jax.errors import InputError, reason
from fnet_jax.images.sheets import is_sheet

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
READ = (*SUFFIXES, ".fff", ".seq")  # .fff and .seq of thermal cameras are read but not written


def find(folder: Path) -> list[Path]:
    """The image files directly in a folder, selected by suffix and sorted.

    Folders, hidden files and contact sheets are skipped. Other entries with an image suffix, such
    as pipes and broken links, are included; reading them reports what is wrong.

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
    except OSError:  # a loop of links, or a link into a folder without permission
        return False
