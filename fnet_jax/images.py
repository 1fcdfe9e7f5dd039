"""Reading and writing image files, so that a bad file is named and a good one never half written.

Arrays are (H, W) or (H, W, 3), uint8 or, for 16-bit grey files, uint16; row 0 is the top of the
picture as a viewer shows it (orientation tags of cameras are followed).
"""

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from fnet_jax.color import published_grey
from fnet_jax.errors import InputError, first_line

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
SIXTEEN_BIT_SUFFIXES = (".png", ".tif", ".tiff")
SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    ".jpg": {"quality": 95, "subsampling": 0},
    ".jpeg": {"quality": 95, "subsampling": 0},
}
GREY_MODES = ("1", "L", "LA", "La")
ORIENTATION_TAG = 0x0112

logger = logging.getLogger(__name__)


def find(folder: Path) -> list[Path]:
    """The image files directly in a folder, by their suffixes, sorted; no hidden files."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )


def size(path: Path, *, max_pixels: int | None = None) -> tuple[int, int]:
    """Height and width in pixels of an image file, from its header.

    Raises:
        InputError: as :func:`read`, but for damage behind the header.
    """
    with _opened(path, max_pixels) as image:
        width, height = image.size
        turned = image.getexif().get(ORIENTATION_TAG, 1) >= 5
        return (width, height) if turned else (height, width)


def read(path: Path, *, grey: bool = False, max_pixels: int | None = None) -> np.ndarray:
    """Reads an image file.

    PNG, JPEG, BMP and TIFF of 8 bits per channel (grey, RGB, palette, each with or without an alpha
    channel, which is dropped) and 16-bit grey PNG and TIFF, at full precision. 16-bit colour is
    read at 8 bits, with a warning in the log. Of several pages the first is read.

    Args:
        path: the file.
        grey: return colour images as 8-bit grey, as the published grey results were made from:
            the luma that a JPEG file stores, and :func:`fnet_jax.color.published_grey` otherwise.
        max_pixels: refuse larger images before they are decoded; None for any size.

    Returns:
        uint8 array (H, W) or (H, W, 3), or uint16 array (H, W).

    Raises:
        InputError: the file is missing, empty, damaged, too large, no image, or of floating point.
    """
    with _opened(path, max_pixels) as image:
        stored = [str(part) for part in getattr(image, "tile", [])]  # how each tile is coded
        if grey and image.format == "JPEG" and image.mode == "RGB":
            image.draft("L", None)
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):
            array = np.asarray(image).astype(np.int64)
            if array.min() < 0 or array.max() > 65535:
                raise InputError(f"{path}: has values outside 0…65535; convert it to 16-bit grey")
            return array.astype(np.uint16)
        if image.mode == "F":
            raise InputError(f"{path}: holds floating-point values; convert it to 8 or 16-bit grey")
        if any(";16" in part for part in stored):
            logger.warning("%s: 16-bit colour is read at 8 bits", path)
        if image.mode in GREY_MODES:
            return np.asarray(image.convert("L"))
        rgb = np.asarray(image.convert("RGB"))
        return published_grey(rgb) if grey else rgb


@contextmanager
def _opened(path: Path, max_pixels: int | None) -> Iterator[Image.Image]:
    """Opens an image file and turns whatever its decoder raises into an InputError."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; copy or export it again")
    unlimited, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        # Warnings of damaged tags are left out: the decoder's error says enough.
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            width, height = image.size
            if max_pixels is not None and width * height > max_pixels:
                raise InputError(
                    f"{path}: {width}×{height} is more than {max_pixels} pixels; "
                    f"shrink it or raise --max-pixels"
                )
            yield image
    except InputError:
        raise
    except Image.UnidentifiedImageError as error:
        raise InputError(
            f"{path}: not an image of a known format; use PNG, JPEG, BMP or TIFF"
        ) from error
    except MemoryError as error:
        raise InputError(f"{path}: not enough memory to decode it; shrink it") from error
    except Exception as error:  # decoders raise many kinds for the many ways a file can be damaged
        raise InputError(
            f"{path}: damaged or cut short ({first_line(error)}); copy or export it again"
        ) from error
    finally:
        Image.MAX_IMAGE_PIXELS = unlimited


def write(path: Path, image: np.ndarray, *, overwrite: bool = False) -> None:
    """Writes an image file, whole or not at all.

    The format follows the suffix. JPEG is written at quality 95 without chroma subsampling; formats
    without 16-bit grey get 8 bits.

    Args:
        path: the file, in a folder that exists.
        image: uint8 array (H, W) or (H, W, 3), or uint16 array (H, W).
        overwrite: replace a file that is there.

    Raises:
        InputError: the file is there and may not be replaced, the suffix is not one of
            ``SUFFIXES``, or the folder cannot be written to.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: cannot write this format; use one of {', '.join(SUFFIXES)}")
    if image.dtype == np.uint16 and suffix not in SIXTEEN_BIT_SUFFIXES:
        image = np.rint(image / 257).astype(np.uint8)
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=".", suffix=suffix, delete=False
        ) as file:
            temporary = Path(file.name)
            Image.fromarray(image).save(file, **SAVE_OPTIONS.get(suffix, {}))
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        if overwrite:
            temporary.replace(path)
        else:
            os.link(temporary, path)
    except FileExistsError as error:
        raise InputError(f"{path}: is there already; give --overwrite to replace it") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({first_line(error)})") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
