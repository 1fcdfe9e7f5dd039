"""TIFF files, classic and BigTIFF: integers of 1 to 32 bits and floats, grey, color and palettes.

tifffile reads them; samples of odd bit depths are unpacked here. Where tifffile would need
imagecodecs to decompress, Pillow decodes the common kinds; the rest requires imagecodecs.
"""

import ctypes
import importlib.util
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL import Image, TiffImagePlugin

from fnet_jax.artifacts.words import counted
from fnet_jax.images import exif as exifs
from fnet_jax.images.stored import Stored, Unsuitable, white_of, with_alpha
from fnet_jax.images.strips import by_strips, copied

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE = 0, 1, 2, 3
PLAIN = (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE)  # photometric interpretations
REDUCED = 1  # bit of NewSubfileType: a smaller copy of another page
ASSOCIATED, UNASSOCIATED = 1, 2  # kinds of alpha: colors are premultiplied, or not
NO_COMPRESSION, PACKBITS = 1, 32773
STORED = (NO_COMPRESSION, 8, 32946)  # the latter two are deflate
WHOLE = (8, 16, 32, 64)  # bits of samples that fill whole bytes
GEO = (33550, 33922, 34264, 34735, 34736, 34737)  # tags of GeoTIFF
PER_INCH = {2: 1.0, 3: 2.54}  # by resolution unit
PILLOW = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I;16B", "F")
SIXTEEN = 65535

_libtiff = threading.Lock()


def size(file: BinaryIO) -> tuple[int, int, int]:
    """Height and width as stored, and the orientation."""
    with _opened(file) as tif:
        page, _ = _page(tif)
        return page.imagelength, page.imagewidth, _orientation(page)


def deep(file: BinaryIO) -> bool:
    """Whether it has more than 8 bits, or floats."""
    with _opened(file) as tif:
        page, _ = _page(tif)
        return max(_bits(page)) > 8


def said(file: BinaryIO) -> tuple[str, str, str]:
    """The camera (maker, model, software), the XMP, and the description in the tags."""
    with _opened(file) as tif:
        page, _ = _page(tif)
        camera, xmp, description = (
            " ".join(
                value.decode("utf-8", "replace") if isinstance(value, bytes) else value
                for tag in tags
                if isinstance(value := _value(page, tag), str | bytes)
            )
            for tags in ((271, 272, 305), (700,), (270,))
        )
        return camera, xmp, description


def decode(file: BinaryIO, *, grey: bool) -> Stored:
    """Decodes the first page of full resolution. ``grey`` has no effect: the caller converts.

    Raises:
        ValueError: it is damaged, or is not an image of one or three channels.
    """
    with _opened(file) as tif:
        page, notes = _page(tif)
        _check(page)
        if _is_packed(page):
            stored = _interpreted(page, _unpacked(file, page))
        elif _suits_tifffile(page):
            stored = _interpreted(page, _by_tifffile(page))
        else:
            stored = _by_pillow(file, tif, page)
        metadata = exifs.kept(_camera(page), _resolution(page)) | _geo(page)
        return Stored(
            pixels=stored.pixels,
            white=stored.white,
            alpha=stored.alpha,
            orientation=stored.orientation,
            icc=_value(page, 34675),
            metadata=metadata,
            notes=(*notes, *stored.notes),
        )


@contextmanager
def _opened(file: BinaryIO) -> Iterator[tifffile.TiffFile]:
    file.seek(0)
    with tifffile.TiffFile(file) as tif:
        yield tif


def _page(tif: tifffile.TiffFile) -> tuple[Any, tuple[str, ...]]:
    """The first page that is not a smaller copy of another, and a note if there are more."""
    pages = tif.pages
    count, first = len(pages), 0
    if count > 1:
        for number in range(min(count, 100)):
            if not int(_value(pages[number], 254) or 0) & REDUCED:
                first = number
                break
        return pages[first], (f"page {first + 1} of {count} is read",)
    return pages[0], ()


def _value(page: Any, tag: int) -> Any:
    found = page.tags.get(tag)
    return None if found is None else found.value


def _orientation(page: Any) -> int:
    value = _value(page, exifs.ORIENTATION)
    return int(value) if isinstance(value, int) and 1 <= value <= 8 else 1


def _bits(page: Any) -> tuple[int, ...]:
    """Bits of each sample."""
    bits = page.bitspersample
    return tuple(bits) if isinstance(bits, tuple) else (bits,) * page.samplesperpixel


def _check(page: Any) -> None:
    """Raises ValueError with a description of the page unless it is an image that can be fused."""
    bits, kind = _bits(page), page.sampleformat
    kind = kind[0] if isinstance(kind, tuple) else kind
    names = {1: "unsigned integers", 2: "signed integers", 3: "floats"}
    channels = counted(page.samplesperpixel, "channel")
    holds = f"{channels} of {bits[0]}-bit {names.get(kind, 'other values')}"
    depth = getattr(page, "imagedepth", 1)
    if page.samplesperpixel > 4 or kind not in names or bits[0] > (64 if kind == 3 else 32):
        raise Unsuitable(f"contains {holds}; use grey or color of at most 32 bits, or floats")
    if len(set(bits)) > 1 or depth != 1 or page.dtype is None:
        raise Unsuitable(f"contains {holds} of mixed sizes or depths; use one grey or color image")


def _is_packed(page: Any) -> bool:
    """Whether samples share bytes with their neighbors, in strips that can be unpacked here."""
    bits = _bits(page)[0]
    striped = not page.is_tiled and int(page.planarconfig or 1) == 1
    plain = int(page.compression) in STORED and int(page.photometric) in PLAIN
    return bits not in (1, *WHOLE) and page.sampleformat == 1 and striped and plain


def _unpacked(file: BinaryIO, page: Any) -> np.ndarray:
    """Samples (H, W, C) of any number of bits, where each row begins at a new byte."""
    bits, channels = _bits(page)[0], page.samplesperpixel
    height, width = page.imagelength, page.imagewidth
    row = (width * channels * bits + 7) // 8
    dtype = np.uint8 if bits < 8 else np.uint16 if bits < 16 else np.uint32
    found = np.empty((height, width, channels), dtype)

    def samples(stored: np.ndarray) -> np.ndarray:
        digits = np.unpackbits(stored, 1)[:, : width * channels * bits]
        digits = digits.reshape(-1, width, channels, bits)
        values = np.zeros(digits.shape[:3], dtype)
        for bit in range(bits):
            values = values << 1 | digits[..., bit]
        return values

    first, strip = 0, page.rowsperstrip
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        rows = min(strip, height - first)
        file.seek(offset)
        content = file.read(count)
        if int(page.compression) != NO_COMPRESSION:
            content = zlib.decompressobj().decompress(content, rows * row)
        if len(content) < rows * row:
            raise ValueError("the file ends too early")
        stored = np.frombuffer(content, np.uint8, rows * row).reshape(rows, row)
        found[first : first + rows] = by_strips(samples, stored)
        first += rows
    return found


def _suits_tifffile(page: Any) -> bool:
    """Whether tifffile reads a page by itself, or imagecodecs is installed."""
    if int(page.photometric) not in PLAIN:
        return False
    if importlib.util.find_spec("imagecodecs"):
        return True
    alone = int(page.compression) in (*STORED, PACKBITS) and page.predictor in (1, 2)
    return alone and _bits(page)[0] in (1, *WHOLE)


def _by_tifffile(page: Any) -> np.ndarray:
    """Samples (H, W, C) as stored."""
    found = page.asarray(maxworkers=1)
    height, width = page.imagelength, page.imagewidth
    planes = int(page.planarconfig or 1) == 2 and page.samplesperpixel > 1
    if planes:
        found = np.moveaxis(found.reshape(page.samplesperpixel, height, width), 0, 2)
    return found.reshape(height, width, -1)


def _interpreted(page: Any, found: np.ndarray) -> Stored:
    """Converts samples (H, W, C) to grey or color, with their value of white."""
    bits, notes = _bits(page)[0], []
    photometric = int(page.photometric)
    if photometric == PALETTE:
        colors = (np.asarray(page.colormap) >> 8).astype(np.uint8).T  # (2^bits, 3)
        rgb = by_strips(lambda index: colors[index[..., 0]], found)
        return Stored(rgb, 255, orientation=_orientation(page))
    if found.dtype == bool:
        found, bits = found.astype(np.uint8) * 255, 8
    white: float
    if np.issubdtype(found.dtype, np.floating):
        white = 1.0
        found = found.astype(np.float32) if found.dtype == np.float16 else found
    elif np.issubdtype(found.dtype, np.signedinteger) and found.min(initial=0) < 0:
        white, found = 1.0, found.astype(np.float32 if bits <= 16 else np.float64)
    else:
        white = white_of(bits)
        if bits == 32 and found.max(initial=0) <= SIXTEEN:
            white, notes = SIXTEEN, [f"{bits}-bit values up to {found.max()} are read as 16-bit"]
            found = found.astype(np.uint16)
        elif np.issubdtype(found.dtype, np.signedinteger):
            found = found.astype(f"u{found.dtype.itemsize}")
    if photometric == WHITE_IS_ZERO:
        found = (white - found).astype(found.dtype)
    extra = page.tags.get(338)
    if page.samplesperpixel in (2, 4) and np.issubdtype(found.dtype, np.floating):
        found = found[..., : page.samplesperpixel - 1]  # alpha of floats is not defined
        pixels, alpha = (found[..., 0] if found.shape[2] == 1 else found), None
        notes.append("the last channel of floats is ignored")
    else:
        pixels, alpha = with_alpha(found, white)
        meaning = UNASSOCIATED if extra is None else np.ravel(extra.value)[0]
        if alpha is not None and meaning != UNASSOCIATED:
            alpha = None  # colors are premultiplied already, or the channel is not alpha
            said = "transparent pixels become black", "the last channel is ignored"
            notes.append(said[0] if meaning == ASSOCIATED else said[1])
    return Stored(pixels, white, alpha, orientation=_orientation(page), notes=tuple(notes))


def _by_pillow(file: BinaryIO, tif: tifffile.TiffFile, page: Any) -> Stored:
    """Reads the first page by Pillow; raises Unsuitable for kinds that it would alter."""
    need = Unsuitable(
        f"contains {_bits(page)[0]}-bit {page.photometric.name} samples with "
        f"{page.compression.name} compression; install imagecodecs to read it, or save it as grey "
        f"or RGB of 8 or 16 bits"
    )
    deep = _bits(page)[0] not in (1, 8) and page.samplesperpixel > 1
    if page.offset != tif.pages[0].offset or deep:
        raise need
    file.seek(0)
    with _silent_libtiff():
        try:
            image = TiffImagePlugin.TiffImageFile(file)
        except SyntaxError as error:  # "unknown pixel mode"
            raise need from error
        if image.mode not in PILLOW:
            raise need
        image.load()  # which also applies the orientation
    if image.mode == "F":
        return Stored(copied(image), 1.0)
    if image.mode.startswith("I"):
        found, bits = copied(image).astype(np.uint16, copy=False), _bits(page)[0]
        if int(page.photometric) == WHITE_IS_ZERO:
            found = (white_of(bits) - found).astype(np.uint16)
        return Stored(found, white_of(bits))
    mode = {"1": "L", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}.get(image.mode, image.mode)
    found = copied(image, (lambda strip: strip.convert(mode)) if mode != image.mode else None)
    pixels, alpha = with_alpha(found.reshape(*found.shape[:2], -1), 255)
    return Stored(pixels, 255, alpha)


@contextmanager
def _silent_libtiff() -> Iterator[None]:
    """Suppresses messages of libtiff and Pillow; Pillow raises what matters."""
    with _libtiff, warnings.catch_warnings(action="ignore"):
        setters = []
        with suppress(OSError, AttributeError):  # not exported by Pillow for Windows
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


def _camera(page: Any) -> Image.Exif:
    """The Exif tags that cameras write into TIFF: make, model, time, artist and such."""
    exif = Image.Exif()
    for tag in (270, 271, 272, 306, 315, 33432):
        value = _value(page, tag)
        if isinstance(value, str) and value:
            exif[tag] = value
    return exif


def _resolution(page: Any) -> tuple[float, float] | None:
    unit = PER_INCH.get(int(_value(page, 296) or 2))
    found = [_value(page, tag) for tag in (282, 283)]
    if unit is None or not all(isinstance(x, tuple) and len(x) == 2 and x[1] for x in found):
        return None
    x, y = (value[0] / value[1] * unit for value in found)
    return x, y


def _geo(page: Any) -> dict[str, Any]:
    """GeoTIFF's tags by number: type and value."""
    tags = {t: page.tags[t] for t in GEO if t in page.tags}
    return {"geotiff": {t: (int(x.dtype), x.value) for t, x in tags.items()}} if tags else {}
