"""Writing image files: encoded in memory, then written whole or not at all."""

import io
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from fnet_jax.artifacts.files import replace_file, writable
from fnet_jax.errors import InputError
from fnet_jax.images.color import from_unit, to_unit
from fnet_jax.images.folders import SUFFIXES
from fnet_jax.images.frame import logger
from fnet_jax.images.levels import to_8_bits
from fnet_jax.images.png import METERS_PER_INCH, SIGNATURE

JPEG, PNG, TIFF, BMP = (".jpg", ".jpeg"), (".png",), (".tif", ".tiff"), (".bmp",)
JPEG_OPTIONS: dict[str, Any] = {"quality": 95, "subsampling": 0}
JPEG_SIDE = 65500  # limit of libjpeg
TYPES = (np.uint8, np.uint16, np.float32, np.float64)


def write(
    path: Path,
    image: np.ndarray,
    *,
    overwrite: bool = False,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Writes an image file, whole or not at all.

    The suffix selects the format. PNG keeps 16 bits and TIFF floats as well; what a format cannot
    keep becomes 16 or 8 bits, with a warning in the log. JPEG is written at quality 95 without
    chroma subsampling.

    Args:
        path: the file, in an existing folder.
        image: array (H, W) or (H, W, 3): uint8, uint16, or floats in [0, 1].
        overwrite: replace an existing file.
        metadata: of a :class:`~fnet_jax.images.frame.Frame`, kept where the format can.

    Raises:
        InputError: the file exists and ``overwrite`` is not set, the suffix is not one of
            ``SUFFIXES``, the array is not such an image, or the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: unsupported format; use one of {', '.join(SUFFIXES)}")
    image = _fitting(path, np.asarray(image), suffix)
    if suffix in JPEG and max(image.shape[:2]) > JPEG_SIDE:
        raise InputError(f"{path}: JPEG has at most {JPEG_SIDE} pixels a side; use --format png")
    _write(path, _encoded(image, suffix, metadata or {}), overwrite=overwrite)


def write_values(path: Path, values: np.ndarray, *, overwrite: bool = False) -> None:
    """Writes measured values (H, W), such as °C, unchanged into a float32 TIFF file.

    Raises:
        InputError: the file exists and ``overwrite`` is not set, or it cannot be written.
    """
    file = io.BytesIO()
    _write_tiff(file, values.astype(np.float32), {})
    _write(path, file.getvalue(), overwrite=overwrite)


def _write(path: Path, content: bytes, *, overwrite: bool) -> None:
    with writable(path, remedy="use another name or folder"):
        try:
            with replace_file(path, overwrite=overwrite) as file:
                file.write(content)
        except FileExistsError as error:
            raise InputError(f"{path} already exists; use --overwrite to replace it") from error


def _fitting(path: Path, image: np.ndarray, suffix: str) -> np.ndarray:
    """The image in a type that the format can keep; raises InputError if it is not an image."""
    image = image.astype(image.dtype.newbyteorder("="), copy=False)
    if image.dtype == np.float16:
        image = image.astype(np.float32)
    grey_or_rgb = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype not in TYPES or not grey_or_rgb or not image.size:
        raise InputError(
            f"{path}: cannot write {image.dtype} of shape {image.shape}; "
            f"it must be a uint8, uint16 or float image"
        )
    if np.issubdtype(image.dtype, np.floating):
        if not (image.min() >= 0 and image.max() <= 1):  # also true for NaN
            raise InputError(f"{path}: cannot write floats outside [0, 1]; scale them")
        if suffix in TIFF:
            return image
        depth: type = np.uint16 if suffix in PNG else np.uint8
        logger.warning("%s: floats are written with %d bits", path, np.dtype(depth).itemsize * 8)
        return from_unit(to_unit(image), np.dtype(depth))
    if image.dtype == np.uint16 and suffix not in (*PNG, *TIFF):
        logger.warning("%s: 16 bits are written as 8 bits", path)
        return to_8_bits(image)
    return image


def _encoded(image: np.ndarray, suffix: str, metadata: Mapping[str, Any]) -> bytes:
    """The bytes of the file."""
    file = io.BytesIO()
    if suffix in TIFF:
        _write_tiff(file, image, metadata)
        return file.getvalue()
    if suffix in PNG and image.dtype == np.uint16 and image.ndim == 3:
        return _deep_png(image, metadata)
    options: dict[str, Any] = dict(JPEG_OPTIONS) if suffix in JPEG else {}
    if suffix not in BMP and "exif" in metadata:
        options["exif"] = metadata["exif"]
    if "resolution" in metadata:
        options["dpi"] = metadata["resolution"]
    form = {JPEG: "JPEG", PNG: "PNG", BMP: "BMP"}[
        next(kind for kind in (JPEG, PNG, BMP) if suffix in kind)
    ]
    Image.fromarray(image).save(file, form, **options)
    return file.getvalue()


def _write_tiff(file: io.BytesIO, image: np.ndarray, metadata: Mapping[str, Any]) -> None:
    options: dict[str, Any] = {}
    if "resolution" in metadata:
        options |= {"resolution": metadata["resolution"], "resolutionunit": "INCH"}
    exif = Image.Exif()
    if "exif" in metadata:
        exif.load(metadata["exif"])
    words = {t: x for t, x in exif.items() if isinstance(x, str) and x.isascii()}
    texts = [(t, 2, 0, words[t], True) for t in (271, 272, 315, 33432) if t in words]
    geo = [
        (tag, kind, len(value) if isinstance(value, tuple | str) else 1, value, True)
        for tag, (kind, value) in metadata.get("geotiff", {}).items()
    ]
    tifffile.imwrite(
        file,
        image,
        photometric="rgb" if image.ndim == 3 else "minisblack",
        metadata=None,
        software=False,
        datetime=words[306] if len(words.get(306, "")) == 19 else None,
        description=words.get(270),
        extratags=[*texts, *geo],
        **options,
    )


def _deep_png(image: np.ndarray, metadata: Mapping[str, Any]) -> bytes:
    """A PNG file of 16-bit color, which Pillow cannot write, with the filter "up" in each row."""
    height, width = image.shape[:2]
    rows = image.astype(">u2").view(np.uint8).reshape(height, -1)
    differences = np.diff(rows, axis=0, prepend=np.zeros_like(rows[:1]))
    filtered = np.concatenate([np.full((height, 1), 2, np.uint8), differences], axis=1)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))]
    if "resolution" in metadata:
        dots = (round(x / METERS_PER_INCH) for x in metadata["resolution"])
        chunks.append((b"pHYs", struct.pack(">IIB", *dots, 1)))
    if "exif" in metadata:
        chunks.append((b"eXIf", metadata["exif"].removeprefix(b"Exif\0\0")))
    chunks += [(b"IDAT", zlib.compress(filtered.tobytes(), 6)), (b"IEND", b"")]
    return SIGNATURE + b"".join(
        struct.pack(">I4s", len(content), kind)
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
