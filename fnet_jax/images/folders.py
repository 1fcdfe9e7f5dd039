"""Image files in folders, found by their names alone."""

from pathlib import Path

from fnet_jax.errors import InputError, reason

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def find(folder: Path) -> list[Path]:
    """The image files directly in a folder, by their suffixes, sorted; no hidden files.

    Raises:
        InputError: the folder cannot be read.
    """
    try:
        return sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in SUFFIXES
            and not path.name.startswith(".")
            and not path.is_dir()
        )
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be read ({reason(error)}); check its permissions"
        ) from error
