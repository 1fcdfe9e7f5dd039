"""Contact sheets as files: marked, so that no command mistakes one for an input image.

The mark is a text near the start of the file, where the format has a place for one: a text chunk of
PNG, a comment of JPEG, the description of TIFF. BMP has none, so the text follows the pixels.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fnet_jax.artifacts.files import replace_file, writable
from fnet_jax.errors import InputError

if TYPE_CHECKING:
    import numpy as np

MARK = b"Contact sheet of FNet, not an image of a scene"
LOOKED_AT = 1024  # bytes at the start that are searched for the mark


def write_sheet(path: Path, sheet: "np.ndarray", *, overwrite: bool = False) -> None:
    """Writes a contact sheet, uint8 (H, W, 3), to an image file, whole or not at all.

    Raises:
        InputError: the file exists and ``overwrite`` is not set, or it cannot be written.
    """
    from PIL import Image, PngImagePlugin  # slow to import and not needed to find images

    text = PngImagePlugin.PngInfo()
    text.add_text("Description", MARK.decode())
    form = Image.registered_extensions()[path.suffix.lower()]
    options: dict[str, dict[str, Any]] = {
        "PNG": {"pnginfo": text},
        "JPEG": {"comment": MARK, "quality": 95, "subsampling": 0},
        "TIFF": {"description": MARK.decode()},
    }
    with writable(path, remedy="use another --sheet"):
        try:
            with replace_file(path, overwrite=overwrite) as file:
                Image.fromarray(sheet).save(file, form, **options.get(form, {}))
                if form not in options:
                    file.seek(0, os.SEEK_END)
                    file.write(MARK)
        except FileExistsError as error:
            raise InputError(f"{path} already exists; use --overwrite to replace it") from error


def is_sheet(path: Path) -> bool:
    """Whether a file is a contact sheet; False for anything that cannot be read."""
    with suppress(OSError):
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with open(path, "rb", opener=_opened) as file:
            if MARK in (start := file.read(LOOKED_AT)):
                return True
            if start.startswith(b"BM"):
                file.seek(-len(MARK), os.SEEK_END)
                return file.read() == MARK
    return False


def _opened(name: str, flags: int) -> int:
    # A pipe that replaced the file in the meantime would block.
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
