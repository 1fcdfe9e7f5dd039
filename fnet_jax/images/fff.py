"""FLIR's FFF record: its directory, the raw image, and the camera's metadata.

Integers inside a record follow the record's own byte order, which its first 16-bit word shows. The
header and the directory have byte orders of their own. The layout is documented by the users of
these files: https://exiftool.org/TagNames/FLIR.html.
"""

import struct
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from fnet_jax.errors import InputError
from fnet_jax.images.alignment import Alignment, plausible_ratio
from fnet_jax.images.planck import Constants

MAGIC = (b"FFF\x00", b"AFF\x00")
HEADER, ENTRY = 64, 32  # bytes
MOST_ENTRIES = 4096  # files in practice have 2 to 40
VERSIONS = range(100, 200)
RAW, EMBEDDED, CAMERA, PIP = 0x01, 0x0E, 0x20, 0x2A  # types of records
KNOWN = range(0x40)  # 0x2e is the largest seen in practice
PIXELS_AT = 32  # offset of the image in a record of type RAW or EMBEDDED


@dataclass(frozen=True)
class Record:
    """One record: its kind, byte order (``"<"`` or ``">"``) and bytes."""

    kind: int
    order: str
    data: bytes

    def number(self, form: str, at: int) -> float:
        """A number in :mod:`struct`'s notation; NaN if the record is too short."""
        if at + struct.calcsize(form) > len(self.data):
            return float("nan")
        return struct.unpack_from(self.order + form, self.data, at)[0]

    def text(self, at: int, length: int) -> str:
        """A zero-terminated text."""
        text = self.data[at : at + length].split(b"\x00")[0].decode("latin-1")
        return "".join(letter for letter in text if letter.isprintable()).strip()


def records(path: Path, data: bytes) -> dict[int, Record]:
    """The first record of each supported kind.

    ``data`` begins at the record's ``FFF``; more may follow, such as further frames.

    Raises:
        InputError: the header or the directory is damaged, or a record lies outside the data.
    """
    if not data.startswith(MAGIC) or len(data) < HEADER:
        raise _damaged(path, "the FLIR record has no header")
    for order in (">", "<"):
        version, start, count = struct.unpack_from(order + "3I", data, 0x14)
        if version in VERSIONS:
            break
    else:
        raise _damaged(path, "the FLIR record has an unknown version")
    if count > MOST_ENTRIES or start < HEADER or start + ENTRY * count > len(data):
        raise _damaged(path, "the directory of the FLIR record lies outside the file")
    found: dict[int, Record] = {}
    unknown = False
    for i in range(count):
        kind, _, _, _, offset, length = struct.unpack_from(order + "2H4I", data, start + ENTRY * i)
        unknown |= kind not in KNOWN
        if kind not in (RAW, EMBEDDED, CAMERA, PIP) or kind in found or length == 0:
            continue
        if offset + length > len(data):
            raise _damaged(path, f"record {kind:#x} of the FLIR data lies outside the file")
        body = data[offset : offset + length]
        found[kind] = Record(kind, _order(body), body)
    if unknown and RAW not in found:
        raise _damaged(path, "the FLIR record has an unknown part instead of a raw image")
    return found


def _order(body: bytes) -> str:
    """The byte order of a record: its first word is 2 or 3."""
    return ">" if body[0:1] == b"\x00" and body[1:2] != b"\x00" else "<"


def embedded(record: Record) -> bytes:
    """The JPEG or PNG file in a record of a visible image."""
    return record.data[PIXELS_AT:]


def size(record: Record) -> tuple[int, int]:
    """Height and width in pixels according to an image record; 0 if the record is too short."""
    if len(record.data) < PIXELS_AT:
        return 0, 0
    width, height = struct.unpack_from(record.order + "2H", record.data, 2)
    return height, width


def constants(record: Record) -> Constants:
    """The constants of the sensor, the object and the air in a camera record, unchecked."""

    def real(at: int) -> float:
        return record.number("f", at)

    return Constants(
        r1=real(0x58),
        r2=real(0x30C),
        b=real(0x5C),
        f=real(0x60),
        o=record.number("i", 0x308),
        emissivity=real(0x20),
        distance=real(0x24),
        reflected=real(0x28),
        atmosphere=real(0x2C),
        window=real(0x30),
        window_transmission=real(0x34),
        humidity=real(0x3C),
        alpha1=real(0x70),
        alpha2=real(0x74),
        beta1=real(0x78),
        beta2=real(0x7C),
        x=real(0x80),
    )


def camera(record: Record) -> str:
    """The camera's model; empty if the record has none."""
    return record.text(0xD4, 32)


def taken(record: Record) -> str | None:
    """When the picture was taken, in ISO 8601 with the camera's time zone; None if unknown."""
    if len(record.data) < 0x38E:
        return None
    seconds, fraction, west = struct.unpack_from(record.order + "IIh", record.data, 0x384)
    if seconds == 0 or abs(west) > 14 * 60:
        return None
    zone = timezone(timedelta(minutes=-west))
    milliseconds = min(fraction & 0xFFFF, 999)
    when = datetime.fromtimestamp(seconds, zone) + timedelta(milliseconds=milliseconds)
    return when.isoformat(timespec="milliseconds")


def alignment(record: Record) -> Alignment | None:
    """The camera's tags for aligning the thermal image with the visible one.

    This kind of record does not show its byte order: the order that gives plausible tags is used.
    """
    if len(record.data) < 16:
        return None
    found = []
    for order in ("<", ">"):
        real2ir, x, y, x1, x2, y1, y2 = struct.unpack_from(order + "f6h", record.data, 0)
        found.append(Alignment(real2ir=real2ir, offset_x=x, offset_y=y, pip=(x1, x2, y1, y2)))
    return next((each for each in found if plausible_ratio(each)), found[0])


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"{path}: damaged or cut short ({what}); copy or export it again")
