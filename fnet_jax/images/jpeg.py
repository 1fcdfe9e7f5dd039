"""JPEG files: grey, Y'CbCr, RGB and CMYK, baseline and progressive."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image, JpegImagePlugin

from fnet_jax.images import exif as exifs
from fnet_jax.images.profiles import is_srgb, to_srgb
from fnet_jax.images.stored import Stored
from fnet_jax.images.strips import copied

MOST_SCANS = 100  # encoders write 10; each takes as much time as the whole picture
START, END, SCAN, APP1 = 0xD8, 0xD9, 0xDA, 0xE1
ALONE = (0x01, *range(0xD0, 0xD9))  # markers without a length field
FRAMES = tuple(m for m in range(0xC0, 0xD0) if m not in (0xC4, 0xC8, 0xCC))
JUNK = 1 << 16  # bytes that are searched at a time for the next segment
EXIF, XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"


def size(file: BinaryIO) -> tuple[int, int, int]:
    """Height and width as stored, and the orientation."""
    height = width = 0
    exif = xmp = None
    for marker, length in segments(file):
        if marker in FRAMES and not height:
            height, width = struct.unpack(">HH", file.read(5)[1:])
        elif marker == APP1:
            content = file.read(length)
            if content.startswith(EXIF) and exif is None:
                exif = content
            elif content.startswith(XMP) and xmp is None:
                xmp = content
        elif marker == SCAN:
            break
    if not height or not width:
        raise ValueError("the size is missing")
    return height, width, exifs.orientation(exifs.parsed(exif), xmp)


def decode(file: BinaryIO, *, grey: bool) -> Stored:
    """Decodes a JPEG file, given at its start.

    With ``grey``, returns the luma that the file stores, if it is sRGB.

    Raises:
        ValueError: it has more than ``MOST_SCANS`` scans.
        OSError: it is damaged.
    """
    scans = _scans(file)
    if scans > MOST_SCANS:
        raise ValueError(f"{scans} scans exceed the limit of {MOST_SCANS}")
    file.seek(0)
    image: Image.Image = JpegImagePlugin.JpegImageFile(file)
    icc, channels = image.info.get("icc_profile"), 1 if image.mode == "L" else 3
    if grey and image.mode == "RGB" and is_srgb(icc):
        image.draft("L", None)
    exif = exifs.parsed(image.info.get("exif"))
    turned = exifs.orientation(exif, image.info.get("xmp"))
    resolution = image.info.get("dpi")
    image.load()
    if image.mode == "CMYK":
        # Converted by its profile, if any: files.py handles profiles of RGB and grey only.
        convert = (icc and to_srgb(image.mode, icc)) or (lambda strip: strip.convert("RGB"))
        pixels, icc = copied(image, convert), None
    else:
        pixels = copied(image)
    return Stored(
        pixels=pixels,
        white=255,
        orientation=turned,
        icc=icc,
        channels=channels,
        metadata=exifs.kept(exif, resolution),
    )


def segments(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Marker and length of each segment, with the file positioned at its content.

    Bytes between segments are skipped, as decoders do.
    """
    if file.read(2) != bytes((0xFF, START)):
        raise ValueError("not a JPEG file")
    place = 2
    while True:
        file.seek(place)
        head = file.read(2)
        if len(head) < 2:
            raise ValueError("the end is missing")
        if head[0] != 0xFF:
            skipped = (head + file.read(JUNK)).find(0xFF)
            place += skipped if skipped > 0 else JUNK
            continue
        if head[1] == 0xFF:  # padding
            place += 1
            continue
        if head[1] in ALONE:
            place += 2
            continue
        if head[1] == END:
            return
        (length,) = struct.unpack(">H", file.read(2).rjust(2, b"\0"))
        yield head[1], max(length - 2, 0)
        place += 2 + max(length, 2)


def _scans(file: BinaryIO) -> int:
    """The number of scans; inside coded data, FF is followed by 0."""
    file.seek(0)
    for marker, _ in segments(file):
        if marker == SCAN:
            break
    scans, last = 1, b""
    while block := file.read(1 << 20):
        coded, end, _ = (last + block).partition(bytes((0xFF, END)))
        scans += coded.count(bytes((0xFF, SCAN)))
        if end:
            break
        last = block[-1:]
    return scans
