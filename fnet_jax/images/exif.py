"""Exif and XMP: how the camera was held, and the tags that a fused image keeps."""

import re
from typing import Any

from PIL import ExifTags, Image

MODEL, ORIENTATION, DATE, TAKEN = 0x0110, 0x0112, 0x0132, 0x9003
XMP = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')  # an attribute or an element
LARGEST_XMP = 1 << 16  # bytes that are searched


def parsed(exif: bytes | None) -> Image.Exif:
    """The tags of an Exif block, with or without its header; empty if it is damaged."""
    found = Image.Exif()
    if exif:
        try:
            found.load(exif if exif.startswith(b"Exif\0\0") else b"Exif\0\0" + exif)
            found.get(ORIENTATION)
        except Exception:  # Pillow raises many kinds of errors for damaged blocks
            return Image.Exif()
    return found


def text(exif: Image.Exif, *tags: int) -> str:
    """The first text among the given tags, camera directory included; empty if there is none."""
    try:
        found = (exif.get(tag) or exif.get_ifd(ExifTags.IFD.Exif).get(tag) for tag in tags)
        value = next((value for value in found if isinstance(value, str)), "")
    except Exception:  # as above
        return ""
    return "".join(letter for letter in value if letter.isprintable()).strip()


def orientation(exif: Image.Exif, xmp: bytes | None = None) -> int:
    """The orientation 1…8 of Exif, else of XMP, else 1."""
    value = exif.get(ORIENTATION)
    if value is None and xmp and (found := XMP.search(xmp)):
        value = int(found[1])
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def kept(exif: Image.Exif, resolution: Any = None) -> dict[str, Any]:
    """What a fused image keeps: Exif without orientation and thumbnail, and the resolution."""
    metadata: dict[str, Any] = {}
    if ORIENTATION in exif:
        del exif[ORIENTATION]
    try:
        if len(exif):
            metadata["exif"] = exif.tobytes()
    except Exception:  # a tag whose value does not match its type
        metadata.pop("exif", None)
    if resolution is not None:
        try:
            x, y = (float(value) for value in resolution)
        except (TypeError, ValueError, ZeroDivisionError, OverflowError):
            return metadata
        if 0 < x < 1e6 and 0 < y < 1e6:
            metadata["resolution"] = (x, y)
    return metadata
