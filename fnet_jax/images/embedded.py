"""The images inside a radiometric file: the sensor's counts and the visible image."""

import io
import struct
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image

from fnet_jax.errors import InputError, first_line
from fnet_jax.images import jpeg, png
from fnet_jax.images.fff import PIXELS_AT, Record, size
from fnet_jax.images.jpeg_segments import START, segments

MOST_COUNTS = 25_000_000  # pixels; the largest thermal images, of several shots, have 3 million
MOST_VISIBLE = 40_000_000  # pixels; cameras have up to 13 million
JPEG_LS = 0xF7
PART = 1_000_000  # pixels that are examined together
NEUTRAL, TINTED = 128, 40  # chroma without color, and the largest offset of a scene's median
ALIKE = 0.5  # correlation of gradients: red and blue with green > 0.7, chroma with luma < 0.3


def raw_counts(path: Path, record: Record) -> np.ndarray:
    """Reads the sensor's counts, uint16 (H, W): uncompressed, PNG, or JPEG-LS.

    Raises:
        InputError: the image is damaged, larger than its bytes or 25 million pixels, of another
            format, or JPEG-LS without ``imagecodecs``.
    """
    body = record.data[PIXELS_AT:]
    if body.startswith(png.SIGNATURE):
        image = _decoded(path, body, png, MOST_COUNTS)
        if image.dtype != np.uint16 or image.ndim != 2:
            raise _damaged(path, "the raw image is not 16-bit grey")
        # PNG is big-endian, but FLIR's cameras store little-endian samples in it.
        return _in_order(image.byteswap(), image)
    if body.startswith(START):
        return _jpeg_ls(path, body)
    height, width = size(record)
    corner = record.number("H", 16), record.number("H", 12)  # row and column of the last pixel
    whole = 2 * width * height == len(body) or corner in ((height - 1, width - 1), (0, 0))
    if width * height == 0 or 2 * width * height > len(body) or not whole:
        raise _damaged(path, f"the raw image of {width}×{height} pixels has {len(body)} bytes")
    if width * height > MOST_COUNTS:
        raise _too_large(path, width, height, MOST_COUNTS)
    stored = np.frombuffer(body, np.dtype(record.order + "u2"), width * height)
    image = stored.reshape(height, width).astype(np.uint16)
    return _in_order(image, image.byteswap())


def visible_picture(path: Path, file: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    """Reads the visible image of a record: uint8 array (H, W, 3), RGB, and notes.

    Older cameras store Y'CbCr in a PNG, which cannot declare it; the pixels themselves decide
    (:func:`is_luma_chroma`).

    Raises:
        InputError: it is damaged, larger than 40 million pixels, or neither JPEG nor PNG.
    """
    form = {png.SIGNATURE: png, START: jpeg}.get(file[: 3 if file.startswith(START) else 8])
    if form is None:
        raise _damaged(path, "the visible image is neither JPEG nor PNG")
    image = _decoded(path, file, form, MOST_VISIBLE)
    if image.dtype != np.uint8:
        raise _damaged(path, "the visible image does not have 8 bits per channel")
    if image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=2), ()
    if form is png and is_luma_chroma(image):
        height, width = image.shape[:2]
        stored = Image.frombytes("YCbCr", (width, height), image.tobytes())
        return np.asarray(stored.convert("RGB")), ("the visible image is stored as Y'CbCr",)
    return image, ()


def is_luma_chroma(image: np.ndarray) -> bool:
    """Whether the channels of a uint8 image (H, W, 3) are Y', Cb and Cr, though its file says RGB.

    They are if the second and third lie around the neutral 128 and do not change where the first
    does: red, green and blue would share their edges.
    """
    some = image[:: 1 + image.shape[0] * image.shape[1] // PART]  # rows, to save memory
    medians = np.median(some[..., 1:], axis=(0, 1))
    if np.abs(medians - NEUTRAL).max() > TINTED:
        return False
    luma, *chroma = (
        np.diff(channel.astype(np.float32), axis=1) for channel in np.moveaxis(some, 2, 0)
    )
    return all(_correlation(luma, each) < ALIKE for each in chroma)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation, or 0 if either input is constant."""
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum(dtype=np.float64) * (b * b).sum(dtype=np.float64)))
    return float((a * b).sum(dtype=np.float64)) / norm if norm > 0 else 0.0


def _in_order(usual: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The byte order in which neighbors are alike; the usual one unless the other is far better.

    In the wrong order, the noise of the last bits is multiplied by 256: real images are then 100 to
    400 times rougher.
    """
    return other if 4 * _roughness(other) < _roughness(usual) else usual


def _roughness(image: np.ndarray) -> float:
    """The mean step between neighbors, computed a few rows at a time to save memory."""
    height, width = image.shape
    many = max(1, PART // width)
    total = 0
    for first in range(0, height, many):
        rows = image[first : first + many + 1].astype(np.int32)
        total += int(np.abs(np.diff(rows[:many], axis=1)).sum())
        total += int(np.abs(np.diff(rows, axis=0)).sum())
    return total / image.size


def _decoded(path: Path, file: bytes, form: ModuleType, most: int) -> np.ndarray:
    """Samples of a PNG or a JPEG, after a check of its size."""
    try:
        height, width, _ = form.size(io.BytesIO(file))
        if width * height > most:
            raise _too_large(path, width, height, most)
        pixels: np.ndarray = form.decode(io.BytesIO(file), grey=False).pixels
        return pixels
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(
            f"{path}: not enough memory to decode an embedded image; close other programs"
        ) from error
    except Exception as error:  # decoders raise many kinds of errors for damaged files
        raise _damaged(path, f"an embedded image: {first_line(error)}") from error


def _jpeg_ls(path: Path, file: bytes) -> np.ndarray:
    frames = [payload for marker, payload in segments(file) if marker == JPEG_LS]
    if not frames or len(frames[0]) < 6:
        raise _damaged(path, "the raw image is a JPEG without counts")
    height, width = struct.unpack_from(">2H", frames[0], 1)
    if width * height > MOST_COUNTS:
        raise _too_large(path, width, height, MOST_COUNTS)
    try:
        from imagecodecs import jpegls_decode
    except ImportError as error:
        raise InputError(
            f"{path}: the raw image is JPEG-LS; install imagecodecs to read it"
        ) from error
    try:
        image = np.asarray(jpegls_decode(file))
    except Exception as error:
        raise _damaged(path, f"the raw image: {first_line(error)}") from error
    if image.dtype != np.uint16 or image.ndim != 2:
        raise _damaged(path, "the raw image is not 16-bit grey")
    return _in_order(image, image.byteswap())


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"{path}: damaged or cut short ({what}); copy or export it again")


def _too_large(path: Path, width: int, height: int, most: int) -> InputError:
    return InputError(
        f"{path}: an embedded image of {width}×{height} pixels exceeds the limit of {most}; "
        f"export it again"
    )
