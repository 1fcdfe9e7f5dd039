"""PNG files: 1 to 16 bits, grey, color and palettes, with or without alpha, at full precision.

This module parses the chunks and verifies their checksums; Pillow decodes the few that hold the
picture. Texts and profiles of any length and position are accepted.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin

from fnet_jax.images import exif as exifs
from fnet_jax.images.stored import Stored, white_of, with_alpha
from fnet_jax.images.strips import by_strips, copied

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
SAID = (b"eXIf", b"iCCP", b"iTXt", b"tEXt", b"zTXt", b"pHYs", b"sRGB")
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by color type
RGB, PALETTE, GREY_ALPHA, RGBA = 2, 3, 4, 6
ADAM7 = (  # first column and row, and steps, of the passes of an interlaced picture
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
LARGEST_SAID = 1 << 24  # bytes of a text or profile that are examined
XMP, RAW_EXIF = b"XML:com.adobe.xmp", b"Raw profile type "
METERS_PER_INCH = 0.0254


def size(file: BinaryIO) -> tuple[int, int, int]:
    """Height and width as stored, and the orientation."""
    header = b""
    said: dict[bytes, list[bytes]] = {}
    for kind, length in _chunks(file):
        if kind == b"IHDR":
            header = _content(file, kind, length)
        elif kind in SAID and length <= LARGEST_SAID:
            said.setdefault(kind, []).append(_content(file, kind, length))
    width, height = _header(header)[:2]
    return height, width, exifs.orientation(*_exif_and_xmp(said))


def deep(file: BinaryIO) -> bool:
    """Whether it has more than 8 bits per channel."""
    return next(_header(_content(file, k, n))[2] for k, n in _chunks(file)) > 8


def decode(file: BinaryIO, *, grey: bool) -> Stored:
    """Decodes a PNG file, given at its start. ``grey`` has no effect: the caller converts.

    Raises:
        ValueError: a checksum fails, or the file violates the format.
    """
    length = sum(12 + length for kind, length in _chunks(file) if kind in PICTURE)
    picture = io.BytesIO(bytes(len(SIGNATURE) + length))  # preallocated
    picture.write(SIGNATURE)
    said: dict[bytes, list[bytes]] = {}
    header = transparent = b""
    file.seek(0)
    for kind, length in _chunks(file):
        if kind in PICTURE:
            content = _content(file, kind, length)
            if kind == b"IHDR":
                header = content
                _, _, bits, color = _header(header)
                if (bits, color) == (16, GREY_ALPHA):
                    # Same bytes as 8-bit RGBA, which Pillow does not alter.
                    content = content[:8] + bytes((8, RGBA)) + content[10:]
            transparent = content if kind == b"tRNS" else transparent
            picture.write(struct.pack(">I4s", length, kind))
            picture.write(content)
            picture.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(kind))))
        elif kind in SAID and length <= LARGEST_SAID:
            said.setdefault(kind, []).append(_content(file, kind, length))
        elif not kind[0] & 32:
            raise ValueError(f"unknown critical chunk {kind.decode('latin-1')!r}")
    _, _, bits, color = _header(header)
    channels, alpha = _pixels(picture, bits, color, transparent)
    # Missing pixels are black, or the first color of a palette; passes may end in any row.
    blank = channels[-1, :1] if color == PALETTE else 0
    doubtful = header[12] or (channels[-1] == blank).all()
    if doubtful and not _is_complete(file, header):
        raise ValueError("too few pixels")
    exif, xmp = _exif_and_xmp(said)
    return Stored(
        pixels=channels,
        white=255 if color == PALETTE else white_of(bits if bits == 16 else 8),
        alpha=alpha,
        orientation=exifs.orientation(exif, xmp),
        icc=_profile(said),
        metadata=exifs.kept(exif, _resolution(said)),
    )


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Kind and length of each chunk up to IEND, with the file positioned at its content."""
    if file.read(8) != SIGNATURE:
        raise ValueError("not a PNG file")
    place = 8
    while True:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            raise ValueError("the end of the picture is missing")
        length, kind = struct.unpack(">I4s", head)
        if length > 0x7FFFFFFF or not kind.isalpha():
            raise ValueError("a chunk has no name")
        yield kind, length
        if kind == b"IEND":
            return
        place += 12 + length


def _content(file: BinaryIO, kind: bytes, length: int) -> bytes:
    content = file.read(length)
    check = file.read(4)
    if len(content) < length or len(check) < 4:
        raise ValueError("the file ends too early")
    if struct.unpack(">I", check)[0] != zlib.crc32(content, zlib.crc32(kind)):
        raise ValueError(f"the checksum of chunk {kind.decode()} is wrong")
    return content


def _header(content: bytes) -> tuple[int, int, int, int]:
    """Width, height, bits per channel and color type."""
    if len(content) != 13:
        raise ValueError("the header is missing")
    width, height, bits, color = struct.unpack(">IIBB", content[:10])
    if color not in CHANNELS or bits not in (1, 2, 4, 8, 16) or not width or not height:
        raise ValueError("the header is not a PNG header")
    return width, height, bits, color


def _pixels(
    picture: io.BytesIO, bits: int, color: int, transparent: bytes
) -> tuple[np.ndarray, np.ndarray | None]:
    """Channels and alpha; fewer than 8 bits are scaled to 8. Frees the picture once decoded."""
    if bits == 16 and color in (RGB, RGBA):
        # Pillow keeps one byte of each channel; the name of the layout selects which.
        both = [_opened(picture, ends) for ends in ("B", "L")]
        picture.truncate(0)
        high, low = (_samples(image) for image in both)
        pixels, alpha = with_alpha(
            by_strips(lambda a, b: a.astype(np.uint16) << 8 | b, high, low), 65535
        )
    else:
        image = _opened(picture)
        picture.truncate(0)
        if color == PALETTE:
            mode = "RGBA" if transparent else "RGB"
            return with_alpha(copied(image, lambda strip: strip.convert(mode)), 255)
        found = _samples(image)
        if (bits, color) == (16, GREY_ALPHA):
            return with_alpha(found.view(">u2"), 65535)
        pixels, alpha = with_alpha(found, white_of(max(bits, 8)))
    if alpha is None and transparent:
        key = np.frombuffer(transparent[: 6 if color == RGB else 2], ">u2").astype(np.int64)
        if bits < 8:
            key = key * (255 // white_of(bits))
        white = pixels.dtype.type(white_of(max(bits, 8)))

        def opaque(pixels: np.ndarray) -> np.ndarray:
            hidden = (pixels.reshape(*pixels.shape[:2], -1) == key).all(axis=2)
            return np.where(hidden, pixels.dtype.type(0), white)

        alpha = by_strips(opaque, pixels)
    return pixels, alpha


def _samples(image: Image.Image) -> np.ndarray:
    """Samples (H, W, C) of 8 or 16 bits."""
    found = copied(image, (lambda strip: strip.convert("L")) if image.mode == "1" else None)
    found = found.astype(np.uint16) if found.dtype not in (np.uint8, np.uint16) else found
    return found.reshape(*found.shape[:2], -1)


def _opened(picture: io.BytesIO, ends: str | None = None) -> Image.Image:
    """Opens the picture; of 16-bit channels, keeps the first (B) or last (L) byte."""
    picture.seek(0)
    image = PngImagePlugin.PngImageFile(picture)
    if ends is not None:
        (tile,) = image.tile
        image.tile = [tile._replace(args=f"{image.mode};16{ends}")]
    image.load()
    return image


def _is_complete(file: BinaryIO, header: bytes) -> bool:
    """Whether no pixel is missing; Pillow silently leaves missing pixels black."""
    width, height, bits, color = _header(header)
    passes = ADAM7 if header[12] else ((0, 0, 1, 1),)
    expected = 0
    for x, y, dx, dy in passes:
        columns, rows = -(-(width - x) // dx), -(-(height - y) // dy)
        if columns > 0 and rows > 0:
            expected += rows * (1 + (columns * CHANNELS[color] * bits + 7) // 8)
    file.seek(0)
    inflate, found = zlib.decompressobj(), 0
    for kind, length in _chunks(file):
        if kind == b"IDAT":
            found += len(inflate.decompress(_content(file, kind, length)))
    return found + len(inflate.flush()) >= expected


def _exif_and_xmp(said: dict[bytes, list[bytes]]) -> tuple[Image.Exif, bytes | None]:
    """Exif from its own chunk or from a text written by ImageMagick; and XMP."""
    exif, xmp = b"".join(said.get(b"eXIf", [])[:1]), None
    for kind in (b"iTXt", b"tEXt", b"zTXt"):
        for content in said.get(kind, []):
            name, _, rest = content.partition(b"\0")
            if name == XMP and kind == b"iTXt":
                xmp = _international(rest)
            elif name.startswith(RAW_EXIF) and name.endswith((b"exif", b"APP1")) and not exif:
                exif = _hexadecimal(_inflated(rest[1:]) if kind == b"zTXt" else rest)
    return exifs.parsed(exif), xmp


def _international(rest: bytes) -> bytes | None:
    """The text of an iTXt chunk after its keyword."""
    if len(rest) < 2:
        return None
    text = rest[2:].split(b"\0", 2)[-1]
    return _inflated(text) if rest[0] else text


def _hexadecimal(text: bytes) -> bytes:
    """The bytes of a raw profile: a line with its name, a line with its length, and hex digits."""
    try:
        return bytes.fromhex(b"".join(text.split()[2:]).decode("ascii"))
    except ValueError:
        return b""


def _inflated(content: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(content, LARGEST_SAID)
    except zlib.error:
        return b""


def _profile(said: dict[bytes, list[bytes]]) -> bytes | None:
    if b"sRGB" in said or b"iCCP" not in said:
        return None
    _, _, rest = said[b"iCCP"][0].partition(b"\0")
    return _inflated(rest[1:]) or None


def _resolution(said: dict[bytes, list[bytes]]) -> tuple[float, float] | None:
    content = b"".join(said.get(b"pHYs", [])[:1])
    if len(content) != 9 or content[8] != 1:
        return None
    x, y = struct.unpack(">II", content[:8])
    return x * METERS_PER_INCH, y * METERS_PER_INCH
