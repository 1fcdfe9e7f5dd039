"""PNG files of known samples, made up byte by byte."""

import struct
import zlib

import numpy as np
from PIL import Image

CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # by color type


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def encoded(samples, bits, color, *, before=(), after=(), interlaced=False):
    """A PNG file of samples (H, W, C)."""
    height, width = samples.shape[:2]
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2)]
        passes += [(0, 1, 2, 2), (1, 0, 2, 1)]
    rows = b""
    for y, x, down, right in passes:
        part = samples[y::down, x::right]
        if not part.size:
            continue
        for row in part:
            if bits == 16:
                rows += b"\0" + row.astype(">u2").tobytes()
            else:
                digits = (row.ravel()[:, None] >> np.arange(bits - 1, -1, -1)) & 1
                rows += b"\0" + np.packbits(digits.astype(np.uint8).ravel()).tobytes()
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlaced)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            *(chunk(*part) for part in before),
            chunk(b"IDAT", zlib.compress(rows)),
            *(chunk(*part) for part in after),
            chunk(b"IEND", b""),
        )
    )


def exif_of(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes().removeprefix(b"Exif\0\0")


def xmp_of(orientation, *, element):
    inside = f"<tiff:Orientation>{orientation}</tiff:Orientation>" if element else ""
    attribute = "" if element else f'tiff:Orientation="{orientation}"'
    return f"<x:xmpmeta><rdf:Description {attribute}>{inside}</rdf:Description>".encode()


def said(place, orientation):
    """The chunk that says how the camera was held, in each way that viewers know."""
    exif = exif_of(orientation)
    digits = (b"Exif\0\0" + exif).hex().encode()
    raw = b"\nexif\n%8d\n" % (len(digits) // 2) + digits + b"\n"
    return {
        "eXIf": (b"eXIf", exif),
        "XMP": (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp_of(orientation, element=False)),
        "XMP element": (
            b"iTXt",
            b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp_of(orientation, element=True)),
        ),
        "tEXt": (b"tEXt", b"Raw profile type exif\0" + raw),
        "zTXt": (b"zTXt", b"Raw profile type APP1\0\0" + zlib.compress(raw)),
    }[place]
