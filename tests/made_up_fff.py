"""Files of thermal cameras with known counts and constants, made up byte by byte."""

import io
import struct

import numpy as np
from PIL import Image

from fnet_jax.images import radiometric
from fnet_jax.images.planck import Constants

HEIGHT, WIDTH = 30, 40
SENSOR = Constants(
    r1=16850.5, r2=0.0116173, b=1433.3, f=1.0, o=-5151, emissivity=0.95, distance=1.0
)


def smooth_counts(rng):
    """A smooth image with the noise of a sensor, as real ones are: uint16."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    noise = rng.integers(-5, 6, (HEIGHT, WIDTH))
    return (15000 + 30 * x + 20 * y + noise).astype(np.uint16)


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def jpeg(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=95)
    return file.getvalue()


def image_record(order, word, width, height, body):
    head = struct.pack(order + "3H", word, width, height).ljust(12, b"\0")
    corner = struct.pack(order + "2I", width - 1, height - 1)  # column and row of the last pixel
    return (head + corner).ljust(32, b"\0") + body


def camera_record(order, constants, model=b"FLIR Test", seconds=1568147407, west=360):
    record = bytearray(2476)
    record[:2] = struct.pack(order + "H", 2)
    c = constants
    real = {
        0x20: c.emissivity,
        0x24: c.distance,
        0x28: c.reflected,
        0x2C: c.atmosphere,
        0x30: c.window,
        0x34: c.window_transmission,
        0x3C: c.humidity,
        0x58: c.r1,
        0x5C: c.b,
        0x60: c.f,
        0x70: c.alpha1,
        0x74: c.alpha2,
        0x78: c.beta1,
        0x7C: c.beta2,
        0x80: c.x,
        0x30C: c.r2,
    }
    for at, value in real.items():
        struct.pack_into(order + "f", record, at, value)
    struct.pack_into(order + "i", record, 0x308, c.o)
    record[0xD4 : 0xD4 + len(model)] = model
    struct.pack_into(order + "IIh", record, 0x384, seconds, 482, west)
    return bytes(record)


def fff(records, header=">", creator=b""):
    """An FFF record of (type, bytes)."""
    at = 64 + 32 * len(records)
    directory, body = b"", b""
    for kind, data in records:
        entry = struct.pack(header + "2H4I", kind, 1, 100, 1, at + len(body), len(data))
        directory += entry.ljust(32, b"\0")
        body += data
    head = b"FFF\0" + creator.ljust(16, b"\0") + struct.pack(header + "3I", 100, 64, len(records))
    return head.ljust(64, b"\0") + directory + body


def made_up(counts, constants=SENSOR, *, header=">", order="<", body=None, more=()):
    height, width = counts.shape
    body = counts.astype(order + "u2").tobytes() if body is None else body
    raw = image_record(order, 2, width, height, body)
    return fff([(0x20, camera_record(order, constants)), (1, raw), *more], header)


def parted(record, size=1000):
    """The APP1 segments of a FLIR record."""
    parts = [record[at : at + size] for at in range(0, len(record), size)]
    return [
        b"FLIR\0" + bytes([1, number, len(parts) - 1]) + part for number, part in enumerate(parts)
    ]


def in_jpeg(payloads, marker=0xE1, picture=None):
    picture = jpeg(np.zeros((24, 32), np.uint8)) if picture is None else picture
    segments = (struct.pack(">BBH", 0xFF, marker, len(p) + 2) + p for p in payloads)
    return picture[:2] + b"".join(segments) + picture[2:]


def pip_record(real2ir, x, y, order="<"):
    return struct.pack(order + "f6h", real2ir, x, y, 36, 142, 37, 143).ljust(96, b"\0")


def visible_record(file, width, height):
    return image_record("<", 3, width, height, file)


def dji(counts, *, make="DJI", size=(HEIGHT, WIDTH)):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0132] = make, "M3T", "2022:07:23 15:13:38"
    file = io.BytesIO()
    Image.fromarray(np.zeros(size, np.uint8)).save(file, "JPEG", exif=exif)
    body = counts.astype("<u2").tobytes()
    parts = [body[at : at + 700] for at in range(0, len(body), 700)]
    return in_jpeg([*parts, b"no more of the image"], 0xE3, file.getvalue())


def read(content):
    assert radiometric.is_radiometric(content[:16])
    return radiometric.read("photo.jpg", content)


def photo(path, rng, *, visible=True, warmer=0):
    """A file of a thermal camera of 30×40 pixels over 60×80 visible ones."""
    more = []
    if visible:
        colors = rng.integers(0, 256, (60, 80, 3), np.uint8)
        more = [
            (0x0E, visible_record(jpeg(colors), 80, 60)),
            (0x2A, pip_record(1.25, 4, -2)),
        ]
    counts = smooth_counts(rng) + warmer
    record = made_up(counts.astype(np.uint16), more=more)
    path.write_bytes(in_jpeg(parted(record)))
    return path
