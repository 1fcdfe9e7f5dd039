"""Reading and writing image files: a bad file is named, and a file is never half written.

Arrays are (H, W) or (H, W, 3), uint8 or, for 16-bit grey files, uint16; row 0 is the top of the
picture as a viewer shows it (orientation tags of cameras are followed).
"""

import ctypes
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin

from fnet_jax.artifacts.files import replace_file, writable
from fnet_jax.errors import InputError, first_line
from fnet_jax.images.color import published_grey
from fnet_jax.images.folders import SUFFIXES
from fnet_jax.images.levels import to_8_bits

SIXTEEN_BIT_SUFFIXES = (".png", ".tif", ".tiff")
SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    ".jpg": {"quality": 95, "subsampling": 0},
    ".jpeg": {"quality": 95, "subsampling": 0},
}
JPEG_SIDE = 65500  # what libjpeg accepts
GREY_MODES = ("1", "L", "LA", "La")
ORIENTATION_TAG, PHOTOMETRIC_TAG = 0x0112, 0x0106

logger = logging.getLogger(__name__)

_settings = threading.RLock()


def size(path: Path, *, max_pixels: int | None = None) -> tuple[int, int]:
    """Height and width in pixels of an image file, from its header.

    Raises:
        InputError: as :func:`read`, but for damage behind the header.
    """
    with _opened(path, max_pixels) as image:
        width, height = image.size
        # Pillow gives the turned size of a TIFF file, and would decode a PNG file to find that it
        # has no such tag.
        untagged = image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info)
        turned = not untagged and image.getexif().get(ORIENTATION_TAG) in (5, 6, 7, 8)
        return (width, height) if turned else (height, width)


def read(path: Path, *, grey: bool = False, max_pixels: int | None = None) -> np.ndarray:
    """Reads an image file.

    PNG, JPEG, BMP and TIFF of 8 bits per channel (grey, RGB, palette, each with or without an alpha
    channel, which is dropped) and 16-bit grey PNG and TIFF, at full precision. 16-bit color is
    read at 8 bits, with a warning in the log. Of several pages the first is read.

    Args:
        path: the file.
        grey: return color images as 8-bit grey, as the published grey results were made from:
            the luma that a JPEG file stores, and
            :func:`fnet_jax.images.color.published_grey` otherwise.
        max_pixels: refuse larger images before they are decoded; None for any size.

    Returns:
        uint8 array (H, W) or (H, W, 3), or uint16 array (H, W).

    Raises:
        InputError: the file is missing, empty, damaged, too large, not an image, of floating point,
            or cannot be read.
    """
    with _opened(path, max_pixels) as image:
        stored = [str(part) for part in getattr(image, "tile", [])]  # how each tile is coded
        if grey and image.format in ("JPEG", "MPO") and image.mode == "RGB":
            image.draft("L", None)
        with _silent_libtiff():
            image.load()
        white_is_zero = image.format == "TIFF" and image.getexif().get(PHOTOMETRIC_TAG) == 0
        if image.format != "TIFF":  # which Pillow turns by itself
            image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):
            array = np.asarray(image).astype(np.int64)
            if array.min() < 0 or array.max() > 65535:
                raise InputError(f"{path}: has values outside 0…65535; convert it to 16-bit grey")
            # Pillow turns such images around at 8 bits only.
            return (65535 - array if white_is_zero else array).astype(np.uint16)
        if image.mode == "F":
            raise InputError(f"{path}: holds floating-point values; convert it to 8 or 16-bit grey")
        if any(";16" in part for part in stored):
            logger.warning("%s: 16-bit color is read at 8 bits", path)
        if image.mode in GREY_MODES:
            return np.asarray(image.convert("L"))
        rgb = np.asarray(image.convert("RGB"))
        return published_grey(rgb) if grey else rgb


@contextmanager
def _opened(path: Path, max_pixels: int | None) -> Iterator[Image.Image]:
    """Opens an image file and turns whatever its decoder raises into an InputError."""
    path = Path(path)
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path}: the file is empty; copy or export it again")
        with _own_settings(), Image.open(path) as image:
            width, height = image.size
            if max_pixels is not None and width * height > max_pixels:
                raise InputError(
                    f"{path}: {width}×{height} is more than {max_pixels} pixels; "
                    f"shrink it or raise --max-pixels"
                )
            yield image
    except InputError:
        raise
    except FileNotFoundError as error:
        what = "a link to a file that does not exist" if path.is_symlink() else "no such file"
        raise InputError(f"{path}: {what}; check the name") from error
    except PermissionError as error:
        raise InputError(f"{path}: permission denied; check its permissions") from error
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


@contextmanager
def _own_settings() -> Iterator[None]:
    """Sets what Pillow keeps for the whole process as it is needed here; one thread at a time."""
    with _settings:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        # Pillow's own reader garbles uncompressed TIFF files that lie on their side.
        libtiff, TiffImagePlugin.READ_LIBTIFF = TiffImagePlugin.READ_LIBTIFF, True
        try:
            # Warnings of damaged tags are left out: the decoder's error says enough.
            with warnings.catch_warnings(action="ignore"):
                yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
            TiffImagePlugin.READ_LIBTIFF = libtiff


@contextmanager
def _silent_libtiff() -> Iterator[None]:
    """Keeps libtiff from writing messages of its own to standard error; Pillow raises errors."""
    setters = []
    with suppress(OSError, AttributeError):  # Pillow for Windows does not let others call it
        library = ctypes.CDLL(Image.core.__file__)
        setters = [library.TIFFSetErrorHandler, library.TIFFSetWarningHandler]
    for setter in setters:
        setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
    handlers = [setter(None) for setter in setters]
    try:
        yield
    finally:
        for setter, handler in zip(setters, handlers, strict=True):
            setter(handler)


def write(path: Path, image: np.ndarray, *, overwrite: bool = False) -> None:
    """Writes an image file, whole or not at all.

    The format follows the suffix. JPEG is written at quality 95 without chroma subsampling. Where
    16 bits cannot be written (in color, and in formats without them), 8 bits are.

    Args:
        path: the file, in a folder that exists.
        image: uint8 or uint16 array (H, W) or (H, W, 3).
        overwrite: replace a file that exists.

    Raises:
        InputError: the file exists and ``overwrite`` is not set, the suffix is not one of
            ``SUFFIXES``, the array is not such an image, or the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: cannot write this format; use one of {', '.join(SUFFIXES)}")
    image = image.astype(image.dtype.newbyteorder("="), copy=False)
    if image.dtype == np.uint16 and (image.ndim == 3 or suffix not in SIXTEEN_BIT_SUFFIXES):
        image = to_8_bits(image)
    grey_or_rgb = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype not in (np.uint8, np.uint16) or not grey_or_rgb or not image.size:
        raise InputError(
            f"{path}: cannot write {image.dtype} of shape {image.shape}; "
            f"it must be a uint8 or uint16 image"
        )
    if suffix in (".jpg", ".jpeg") and max(image.shape[:2]) > JPEG_SIDE:
        raise InputError(f"{path}: JPEG has at most {JPEG_SIDE} pixels a side; use --format png")
    form = Image.registered_extensions()[suffix]
    with writable(path, remedy="use another name or folder"):
        try:
            with replace_file(path, overwrite=overwrite) as file:
                Image.fromarray(image).save(file, form, **SAVE_OPTIONS.get(suffix, {}))
        except FileExistsError as error:
            raise InputError(f"{path}: already exists; use --overwrite to replace it") from error
