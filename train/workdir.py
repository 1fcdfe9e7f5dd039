"""Checks whether the folder of the runs can be used, before anything is written to it."""

import errno
import os
import stat
from pathlib import Path

from fnet_jax.errors import InputError, reason

ELSEWHERE = "use another --workdir"
NAME_MAX = 255  # bytes, on all usual file systems


def check_workdir(workdir: Path, *below: str) -> None:
    """Raises InputError unless a workdir, and existing folders below it, can be used.

    Nothing is created. If the workdir does not exist, its nearest existing parent is checked.
    """
    for place in (workdir, *(workdir / name for name in below)):
        try:
            _check_folder(place)
        except (OSError, ValueError) as error:  # ValueError for a NUL in the name
            raise InputError(
                f"--workdir {workdir}: {reason(error)}"
                f"{f' ({place})' if place != workdir else ''}; use a writable folder"
            ) from error


def _check_folder(path: Path) -> None:
    for place in (path, *path.absolute().parents):
        try:
            mode = place.stat().st_mode
        except FileNotFoundError:
            if place.is_symlink():
                raise
            continue
        if any(len(os.fsencode(name)) > NAME_MAX for name in path.parts):
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        if not stat.S_ISDIR(mode):
            raise NotADirectoryError(0, "not a folder")
        needed = os.W_OK | os.X_OK | (os.R_OK if place == path else 0)
        if not os.access(place, needed):
            raise PermissionError(0, "permission denied")
        return
