"""TIFF files, classic and BigTIFF: integers of 1 to 32 bits and floats, grey, color and palettes.

tifffile reads them. What it needs a further library to decompress, Pillow does for the usual kinds;
the rest needs imagecodecs.
"""

import ctypes
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL import Image, TiffImagePlugin

from fnet_jax.images import exif as exifs
from fnet_jax.images.stored import Stored, Unsuitable, white_of, with_alpha

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE = 0, 1, 2, 3
PLAIN = (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE)  # photometric interpretations
REDUCED = 1  # bit of NewSubfileType: a smaller copy of another page
UNASSOCIATED = 2  # extra sample: alpha that the colors are not multiplied by
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


def decode(file: BinaryIO, *, grey: bool) -> Stored:
    """Decodes the first page of full resolution.

    Args:
        file: at its start.
        grey: has no effect: the door makes grey images of color ones.

    Raises:
        ValueError: it is damaged, or holds what is not an image of one or three channels.
    """
    with _opened(file) as tif:
        page, notes = _page(tif)
        _check(page)
        try:
            found = _by_tifffile(page)
        except (ValueError, RuntimeError, NotImplementedError, KeyError, ImportError) as error:
            if "imagecodecs" not in str(error) and "packints" not in str(error):
                raise
            stored = _by_pillow(file, tif, page)
        else:
            stored = _interpreted(page, found)
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
    """The first page that is no smaller copy of another, and a note if there are more."""
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
    """Raises ValueError, which says what the page holds, unless it is an image to be fused."""
    bits, kind = _bits(page), page.sampleformat
    kind = kind[0] if isinstance(kind, tuple) else kind
    names = {1: "unsigned integers", 2: "signed integers", 3: "floats"}
    holds = f"{page.samplesperpixel} channels of {bits[0]}-bit {names.get(kind, 'other values')}"
    depth = getattr(page, "imagedepth", 1)
    if page.samplesperpixel > 4 or kind not in names or bits[0] > (64 if kind == 3 else 32):
        raise Unsuitable(f"holds {holds}; use grey or color of at most 32 bits, or floats")
    if len(set(bits)) > 1 or depth != 1 or page.dtype is None:
        raise Unsuitable(f"holds {holds}, of several sizes or depths; use one grey or color image")


def _by_tifffile(page: Any) -> np.ndarray:
    """Samples (H, W, C) as stored."""
    if int(page.photometric) not in PLAIN:
        raise ValueError("needs imagecodecs or Pillow")
    found = page.asarray(maxworkers=1)
    height, width = page.imagelength, page.imagewidth
    planes = int(page.planarconfig or 1) == 2 and page.samplesperpixel > 1
    if planes:
        found = np.moveaxis(found.reshape(page.samplesperpixel, height, width), 0, 2)
    return found.reshape(height, width, -1)


def _interpreted(page: Any, found: np.ndarray) -> Stored:
    """Samples (H, W, C) as grey or color with the value of their white."""
    bits, notes = _bits(page)[0], []
    photometric = int(page.photometric)
    if photometric == PALETTE:
        colors = (np.asarray(page.colormap) >> 8).astype(np.uint8)  # (3, 2^bits)
        rgb = np.moveaxis(colors[:, found[..., 0]], 0, 2)
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
        if found.dtype.itemsize == 4 and found.max(initial=0) <= SIXTEEN:
            white, notes = SIXTEEN, [f"{bits}-bit values up to {found.max()} are taken for 16-bit"]
            found = found.astype(np.uint16)
        elif np.issubdtype(found.dtype, np.signedinteger):
            found = found.astype(f"u{found.dtype.itemsize}")
    if photometric == WHITE_IS_ZERO:
        found = (white - found).astype(found.dtype)
    extra = page.tags.get(338)
    if page.samplesperpixel in (2, 4) and np.issubdtype(found.dtype, np.floating):
        found = found[..., : page.samplesperpixel - 1]  # what alpha of floats means is not said
        pixels, alpha = (found[..., 0] if found.shape[2] == 1 else found), None
        notes.append("the last channel of floats is left out")
    else:
        pixels, alpha = with_alpha(found, white)
        associated = extra is not None and extra.value not in (UNASSOCIATED, (UNASSOCIATED,))
        if alpha is not None and associated:
            alpha = None  # the colors are multiplied by it already
    return Stored(pixels, white, alpha, orientation=_orientation(page), notes=tuple(notes))


def _by_pillow(file: BinaryIO, tif: tifffile.TiffFile, page: Any) -> Stored:
    """The first page, by Pillow; raises Unsuitable for kinds that it does not keep whole."""
    need = Unsuitable(
        f"is compressed by {page.compression.name}; install imagecodecs to read it, or save it "
        f"without compression"
    )
    deep = _bits(page)[0] not in (1, 8) and page.samplesperpixel > 1
    if page.offset != tif.pages[0].offset or deep:
        raise need
    file.seek(0)
    with _silent_libtiff():
        image = TiffImagePlugin.TiffImageFile(file)
        if image.mode not in PILLOW:
            raise need
        image.load()  # which also turns the picture upright
    if image.mode == "F":
        return Stored(np.asarray(image), 1.0)
    if image.mode.startswith("I"):
        found, bits = np.asarray(image).astype(np.uint16), _bits(page)[0]
        if int(page.photometric) == WHITE_IS_ZERO:
            found = (white_of(bits) - found).astype(np.uint16)
        return Stored(found, white_of(bits))
    mode = {"1": "L", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}.get(image.mode, image.mode)
    found = np.asarray(image.convert(mode))
    pixels, alpha = with_alpha(found.reshape(*found.shape[:2], -1), 255)
    return Stored(pixels, 255, alpha)


@contextmanager
def _silent_libtiff() -> Iterator[None]:
    """Keeps libtiff and Pillow from messages of their own; what matters, Pillow raises."""
    with _libtiff, warnings.catch_warnings(action="ignore"):
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


def _camera(page: Any) -> Image.Exif:
    """The tags of Exif that cameras write into TIFF: make, model, time, artist and such."""
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
