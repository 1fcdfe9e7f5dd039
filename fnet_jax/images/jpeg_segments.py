"""The JPEG segments in which thermal cameras store their data."""

import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fnet_jax.errors import InputError
from fnet_jax.images import jpeg

START = b"\xff\xd8\xff"
APP1, APP3 = 0xE1, 0xE3
FLIR = b"FLIR\x00"
FLIR_HEADER = 8  # "FLIR\0", 1, number of the segment, number of the last segment


def segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The segments before the first scan: second byte of the marker, and content.

    Stops silently where the structure of the JPEG file ends (ITU-T T.81, B.1.1).
    """
    file = io.BytesIO(content)
    with suppress(ValueError):
        for marker, length in jpeg.segments(file):
            payload = file.read(length)
            if marker == jpeg.SCAN or len(payload) != length:
                return
            yield marker, payload


def frame_size(content: bytes) -> tuple[int, int] | None:
    """Width and height in the JPEG's frame header; None if it has none."""
    for marker, payload in segments(content):
        if marker in jpeg.FRAMES and len(payload) >= 5:
            return int.from_bytes(payload[3:5], "big"), int.from_bytes(payload[1:3], "big")
    return None


def exif(content: bytes) -> bytes:
    """The EXIF segment, from ``Exif`` on; empty if there is none."""
    for marker, payload in segments(content):
        if marker == APP1 and payload.startswith(b"Exif\x00\x00"):
            return payload
    return b""


def flir_record(path: Path, content: bytes) -> bytes | None:
    """FLIR's record, joined from its numbered APP1 segments; None if there is none.

    Raises:
        InputError: a segment is missing, or two with the same number differ.
    """
    parts: dict[int, bytes] = {}
    last = 0
    for marker, payload in segments(content):
        if marker == APP1 and payload.startswith(FLIR) and len(payload) >= FLIR_HEADER:
            number, last = payload[6], max(last, payload[6], payload[7])
            part = payload[FLIR_HEADER:]
            if parts.setdefault(number, part) != part:
                raise InputError(
                    f"{path}: two FLIR segments {number} differ; copy or export it again"
                )
    if not parts:
        return None
    missing = [number for number in range(last + 1) if number not in parts]
    if missing:
        raise InputError(
            f"{path}: {len(missing)} of {last + 1} segments of the FLIR record are missing; "
            f"copy it from the camera again"
        )
    return b"".join(parts[number] for number in range(last + 1))


def first_app3(content: bytes) -> bytes:
    """The first APP3 segments, joined: the raw image of DJI's cameras.

    They are consecutive and of equal length, except for the last, which is shorter.
    """
    parts: list[bytes] = []
    for marker, payload in segments(content):
        if marker == APP3:
            parts.append(payload)
            if len(payload) < len(parts[0]):
                break
        elif parts:
            break
    return b"".join(parts)
