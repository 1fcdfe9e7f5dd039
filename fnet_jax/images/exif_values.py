"""A few values of EXIF data, read without the warnings that damaged data makes of a decoder."""

import struct
from collections.abc import Mapping

ORIENTATION, MODEL, DATE, TAKEN = 0x0112, 0x0110, 0x0132, 0x9003
POINTER = 0x8769  # to the directory that holds TAKEN
BEGIN = len(b"Exif\x00\x00")
TEXT, SHORT, LONG = 2, 3, 4  # types of values


def exif_values(exif: bytes) -> Mapping[int, int | str]:
    """Texts and single integers of the first directory and of the EXIF one, by their tags.

    Args:
        exif: the segment from ``Exif`` on. What is damaged in it is left out.
    """
    tiff = exif[BEGIN:]
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return {}
    values = _directory(tiff, order, struct.unpack_from(order + "I", tiff, 4)[0])
    pointer = values.get(POINTER)
    return values | _directory(tiff, order, pointer) if isinstance(pointer, int) else values


def _directory(tiff: bytes, order: str, at: int) -> dict[int, int | str]:
    values: dict[int, int | str] = {}
    if at + 2 > len(tiff):
        return values
    (count,) = struct.unpack_from(order + "H", tiff, at)
    for entry in range(at + 2, min(at + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind, number, place = struct.unpack_from(order + "2H2I", tiff, entry)
        if kind == TEXT:
            start = entry + 8 if number <= 4 else place
            text = tiff[start : start + number].split(b"\x00")[0].decode("latin-1")
            values[tag] = "".join(letter for letter in text if letter.isprintable()).strip()
        elif kind in (SHORT, LONG) and number == 1:
            form = "H" if kind == SHORT else "I"
            values[tag] = struct.unpack_from(order + form, tiff, entry + 8)[0]
    return values
