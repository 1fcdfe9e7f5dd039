"""Reading image files: dispatches to the module of each format, and names files that are bad.

Row 0 of an array is the top of the picture as a viewer shows it. Nothing here depends on, or
changes, global settings of Pillow.
"""

import builtins
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from fnet_jax.errors import InputError, first_line, reason
from fnet_jax.images import bmp, jpeg, kelvin, png, profiles, radiometric, tiff
from fnet_jax.images.color import from_unit, published_grey
from fnet_jax.images.color import grey as luma
from fnet_jax.images.frame import MAX_PIXELS, Frame, logger
from fnet_jax.images.radiometric import Radiometric
from fnet_jax.images.range_rules import TYPE, Rule
from fnet_jax.images.ranges import misses, ranged
from fnet_jax.images.stored import Stored, Unsuitable
from fnet_jax.images.strips import by_strips

SIGNATURES: dict[bytes, ModuleType] = {
    png.SIGNATURE: png,
    b"\xff\xd8\xff": jpeg,
    b"BM": bmp,
    b"II*\0": tiff,
    b"MM\0*": tiff,
    b"II+\0": tiff,
    b"MM\0+": tiff,
}
OTHERS = {  # what is often found under an image suffix
    b"version https://git-lfs": "a Git LFS pointer; fetch the file itself with git lfs pull",
    b"<": "text, such as a web page; download the image itself",
    b"%!PS": "PostScript; export it as PNG",
    b"%PDF": "PDF; export it as PNG",
    b"GIF8": "GIF; save it as PNG",
    b"SIMPLE": "FITS; save it as TIFF",
}
PARTS = (None, "thermal", "visible", "picture")
LARGEST_RECORD = 1 << 26  # bytes of a bare record of a thermal camera
KNOWN = "PNG, JPEG, BMP or TIFF"
# For each orientation: whether to transpose, then to reverse rows, then columns.
TURNS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def size(
    path: Path, *, part: str | None = "picture", max_pixels: int | None = MAX_PIXELS
) -> tuple[int, int]:
    """Height and width in pixels of an image file, as :func:`open` returns it, from its headers.

    Arguments are as for :func:`open`, but the size of a visible part is known only after decoding.

    Raises:
        InputError: as :func:`open`, except for damage after the header.
    """
    if part != "picture" and (found := thermal_camera(path, max_pixels=max_pixels)):
        height, width = found.thermal.size
        return (width, height) if TURNS[found.orientation][0] else (height, width)
    with _opened(path) as (file, form):
        return _size(file, form, Path(path), max_pixels)


def open(
    path: Path,
    *,
    part: str | None = None,
    grey: bool = False,
    max_pixels: int | None = MAX_PIXELS,
) -> Frame:
    """Reads an image file together with its metadata.

    Supported are PNG, JPEG, BMP and TIFF: grey, color and palettes of 1 to 16 bits, and TIFF of 32
    bits and floats. The orientation is applied, 8-bit colors of other profiles are converted to
    sRGB, and transparent pixels become black. Of several pages, the first of full resolution is
    read.

    A file of a thermal camera (:mod:`fnet_jax.images.radiometric`) gives its thermal image, and a
    TIFF file of temperatures (:mod:`fnet_jax.images.kelvin`) gives them in °C.

    Args:
        path: the file.
        part: of a file of a thermal camera, ``"thermal"``, ``"visible"`` (the picture of its second
            lens) or ``"picture"`` (what it shows to a viewer); None for the thermal image, and for
            the picture of other files.
        grey: as for :func:`read`.
        max_pixels: refuse larger images before they are decoded; None for no limit.

    Raises:
        InputError: the file is missing, empty, damaged, too large, of an unsupported format, has
            no such part, or cannot be read.
        ValueError: the part is unknown.
    """
    if part not in PARTS:
        raise ValueError(f"unknown part {part!r}; use thermal, visible or picture")
    path = Path(path)
    if part == "picture":
        return _read(path, grey=grey, max_pixels=max_pixels)
    if found := thermal_camera(path, max_pixels=max_pixels):
        frame = found.visible() if part == "visible" else found.thermal
        frame = frame and frame.replace(pixels=upright(frame.pixels, found.orientation))
    else:
        frame = _read(path, grey=grey, max_pixels=max_pixels)
        celsius = None if part == "visible" else _celsius(path, frame)
        frame = celsius or (None if part else frame)
    if frame is None:
        raise InputError(f"{path}: contains no {part} image of a thermal camera; use another file")
    return frame


def _celsius(path: Path, frame: Frame) -> Frame | None:
    """The temperatures in a TIFF file; None if it contains none, or is not TIFF."""
    with _opened(path) as (file, form):
        if form is not tiff:
            return None
        camera, xmp, description = tiff.said(file)
    return kelvin.celsius(frame, camera, xmp, says=f"{path.stem} {description}")


def thermal_camera(path: Path, *, max_pixels: int | None = MAX_PIXELS) -> Radiometric | None:
    """The contents of a thermal camera's file, its images as stored; None for other files.

    Raises:
        InputError: as :func:`open`.
    """
    path = Path(path)
    with _opened(path, thermal=True) as (file, form):
        if form is not None and form is not jpeg:
            return None
        # The first frame of a sequence is enough.
        found = radiometric.read(path, file.read(-1 if form else LARGEST_RECORD))
    if found is not None and max_pixels is not None and found.raw.size > max_pixels:
        height, width = found.raw.shape
        raise _too_large(path, height, width, max_pixels)
    return found


def read(
    path: Path,
    *,
    part: str | None = "picture",
    grey: bool = False,
    rule: Rule = TYPE,
    max_pixels: int | None = MAX_PIXELS,
) -> np.ndarray:
    """Reads an image file as an array in which white is the largest value of the type, or 1.

    Decisions made while reading are logged as warnings.

    Args:
        path: the file.
        part: as for :func:`open`; by default what the file shows to a viewer.
        grey: return color images as grey, as used for the published grey results: the luma that a
            JPEG file stores, and :func:`fnet_jax.images.color.published_grey` of other 8-bit
            images.
        rule: which values of deep images are black and white
            (:mod:`fnet_jax.images.range_rules`).
        max_pixels: refuse larger images before they are decoded; None for no limit.

    Returns:
        Array (H, W) or (H, W, 3): uint8, uint16, or floats in [0, 1].

    Raises:
        InputError: as :func:`open`, or a file of floats has values outside [0, 1].
    """
    frame = open(path, part=part, grey=grey, max_pixels=max_pixels)
    for note in frame.notes:
        logger.warning("%s: %s", path, note)
    return as_array(path, frame, grey=grey, rule=rule)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Applies an Exif orientation, so that the image is as a viewer shows it."""
    exchanged, rows, columns = TURNS[orientation]
    pixels = pixels.swapaxes(0, 1) if exchanged else pixels
    return np.ascontiguousarray(pixels[:: -1 if rows else 1, :: -1 if columns else 1])


def as_array(path: Path, frame: Frame, *, grey: bool = False, rule: Rule = TYPE) -> np.ndarray:
    """Converts the frame of a file to an array; arguments are as for :func:`read`.

    Raises:
        InputError: values are not finite, or lie outside their range.
    """
    try:
        array = ranged(frame, rule)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    if line := misses(frame, rule):
        logger.warning("%s: %s", path, line)
    if not grey or array.ndim == 2:
        return array
    if array.dtype == np.uint8:
        return by_strips(published_grey, array)
    return by_strips(lambda part: from_unit(luma(part), part.dtype), array)


def is_deep_file(
    path: Path, *, part: str | None = None, max_pixels: int | None = MAX_PIXELS
) -> bool:
    """Whether a file has more than 8 bits, or floats, by its headers; False if it is damaged."""
    try:
        with _opened(path, thermal=part != "picture") as (file, form):
            if form not in (None, jpeg):
                return hasattr(form, "deep") and form.deep(file)
        return part != "picture" and thermal_camera(path, max_pixels=max_pixels) is not None
    except InputError:  # reported when the file is read
        return False


def _read(path: Path, *, grey: bool, max_pixels: int | None) -> Frame:
    with _opened(path) as (file, form):
        _size(file, form, path, max_pixels)
        file.seek(0)
        return _frame(form.decode(file, grey=grey))


def _size(file: BinaryIO, form: ModuleType, path: Path, most: int | None) -> tuple[int, int]:
    height, width, orientation = form.size(file)
    if most is not None and width * height > most:
        raise _too_large(path, height, width, most)
    return (width, height) if TURNS[orientation][0] else (height, width)


def _too_large(path: Path, height: int, width: int, most: int) -> InputError:
    return InputError(
        f"{path}: {width}×{height} pixels exceed the limit of {most}; "
        f"shrink the image or raise --max-pixels"
    )


def _frame(stored: Stored) -> Frame:
    """Converts a stored image to a frame: sRGB, opaque, and upright."""
    pixels, notes = stored.pixels, list(stored.notes)
    if not profiles.is_srgb(stored.icc):
        assert stored.icc is not None
        if pixels.dtype == np.uint8:
            convert = profiles.to_srgb("RGB" if pixels.ndim == 3 else "L", stored.icc)
            if convert is not None:
                pixels = by_strips(lambda part: _managed(part, convert), pixels)
        else:
            notes.append("the color profile is ignored: the image has more than 8 bits a channel")
    if stored.alpha is not None:
        pixels = by_strips(_over_black(stored.white), pixels, stored.alpha)
        notes.append("transparent pixels become black")
    return Frame(
        upright(pixels, stored.orientation),
        black=0.0,
        white=float(stored.white),
        channels=stored.channels or (3 if pixels.ndim == 3 else 1),
        metadata=stored.metadata,
        notes=tuple(notes),
    )


def _managed(pixels: np.ndarray, convert: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    rgb = np.asarray(convert(Image.fromarray(pixels)))
    return rgb if pixels.ndim == 3 else rgb[..., 1]


def _over_black(white: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    def composited(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        opacity = alpha.astype(np.float32) / np.float32(white)
        over = pixels * (opacity if pixels.ndim == 2 else opacity[..., None])
        rounded = np.rint(over) if np.issubdtype(pixels.dtype, np.integer) else over
        return rounded.astype(pixels.dtype)

    return composited


@contextmanager
def _opened(path: Path, *, thermal: bool = False) -> Iterator[tuple[BinaryIO, Any]]:
    """Opens an image file and converts every decoder error to an InputError.

    With ``thermal``, bare records of thermal cameras, which have no module, are let through.
    """
    path = Path(path)
    try:
        with _regular(path) as file:
            head = file.read(24)
            form = next((m for start, m in SIGNATURES.items() if head.startswith(start)), None)
            if not head:
                raise InputError(f"{path}: the file is empty; copy or export it again")
            if form is None and not (thermal and radiometric.is_radiometric(head)):
                known = {head[:8]: "WebP; save it as PNG"} if head[8:12] == b"WEBP" else OTHERS
                what = next((w for start, w in known.items() if head.startswith(start)), None)
                detail = f"contains {what}" if what else f"not in a known image format; use {KNOWN}"
                raise InputError(f"{path}: {detail}")
            file.seek(0)
            yield file, form
    except InputError:
        raise
    except FileNotFoundError as error:
        what = "a link to a file that does not exist" if path.is_symlink() else "no such file"
        raise InputError(f"{path}: {what}; check the name") from error
    except PermissionError as error:
        raise InputError(f"{path}: permission denied; check its permissions") from error
    except OSError as error:
        if error.errno is None:  # from a decoder
            raise InputError(_damaged(path, error)) from error
        raise InputError(f"{path}: cannot be read ({reason(error)}); check the name") from error
    except Unsuitable as error:
        raise InputError(f"{path}: {error}") from error
    except MemoryError as error:
        raise InputError(f"{path}: not enough memory to decode it; shrink the image") from error
    except Exception as error:  # decoders raise many kinds of errors for damaged files
        raise InputError(_damaged(path, error)) from error


def _damaged(path: Path, error: Exception) -> str:
    return f"{path}: damaged or cut short ({first_line(error)}); copy or export it again"


@contextmanager
def _regular(path: Path) -> Iterator[BinaryIO]:
    """Opens a regular file only; a pipe or a device may never end."""

    def opened(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))  # else a pipe blocks

    with builtins.open(path, "rb", opener=opened) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise InputError(f"{path}: not a regular file; use an image file")
        yield file
