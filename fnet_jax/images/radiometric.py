"""Files of thermal cameras: temperatures or counts, with the visible picture beside them.

Supported are FLIR's record inside a JPEG, bare (``.fff``) or at the start of a sequence (``.seq``),
and the JPEG of DJI's own thermal cameras. FLIR's counts are converted to °C by
:mod:`fnet_jax.images.planck`; those of DJI only DJI's own Thermal SDK can convert.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fnet_jax.errors import InputError
from fnet_jax.images import embedded, fff, jpeg_segments, planck
from fnet_jax.images import exif as exifs
from fnet_jax.images.alignment import Alignment, placeholder, possible
from fnet_jax.images.frame import CELSIUS, Frame

WHITE = 65535.0


@dataclass(frozen=True, eq=False)
class Radiometric:
    """The contents of a thermal camera's file.

    Attributes:
        thermal: the thermal image as stored, (H, W): °C in float32, or uint16 counts as levels if
            the file gives no temperatures.
        raw: uint16 array (H, W), the sensor's counts.
        alignment: how the thermal image lies on the visible one; None if the file does not state
            it, or has placeholders.
        camera: the camera's model; empty if unknown.
        taken: when the picture was taken, ISO 8601; None if unknown.
        orientation: of Exif, 1…8; applies to both images.
    """

    thermal: Frame
    raw: np.ndarray
    alignment: Alignment | None = None
    camera: str = ""
    taken: str | None = None
    orientation: int = 1
    _path: Path = field(default=Path(), repr=False)
    _visible: bytes | None = field(default=None, repr=False)

    def visible(self) -> Frame | None:
        """The visible image as stored, uint8 array (H, W, 3), RGB; None if the file has none.

        Raises:
            InputError: it is damaged or too large.
        """
        if self._visible is None:
            return None
        pixels, notes = embedded.visible_picture(self._path, self._visible)
        return Frame(pixels=pixels, black=0, white=255, notes=notes)


def is_radiometric(head: bytes) -> bool:
    """Whether a file may hold such data, by its first four bytes: FFF, AFF, or any JPEG."""
    return head.startswith((*fff.MAGIC, jpeg_segments.START))


def read(path: Path, content: bytes) -> Radiometric | None:
    """Reads a thermal camera's file from its bytes; of a sequence, the first frame is enough.

    Returns None for a JPEG without radiometric data.

    Raises:
        InputError: the data is damaged, incomplete, too large, or its raw image needs a decoder
            that is not installed.
    """
    path = Path(path)
    if content.startswith(fff.MAGIC):
        found = _flir(path, content)
        if found is None:
            raise InputError(f"{path}: the FLIR record contains no raw image; export it again")
        return found
    if not content.startswith(jpeg_segments.START):
        raise InputError(
            f"{path}: neither a FLIR record nor a JPEG; use a .jpg, .fff or .seq of the camera"
        )
    record = jpeg_segments.flir_record(path, content)
    return _dji(path, content) if record is None else _flir(path, record, jpeg=content)


def _flir(path: Path, record: bytes, *, jpeg: bytes = b"") -> Radiometric | None:
    """The contents of FLIR's record; None if it has no raw image."""
    parts = fff.records(path, record)
    if fff.RAW not in parts:
        return None
    raw = embedded.raw_counts(path, parts[fff.RAW])
    camera = parts.get(fff.CAMERA)
    if camera is None:
        celsius, notes = None, ["no camera record; raw counts are used instead of temperatures"]
    else:
        celsius, notes = planck.temperatures(raw, fff.constants(camera))
    exif = exifs.parsed(jpeg_segments.exif(jpeg))
    alignment, doubts = _alignment(parts, (raw.shape[0], raw.shape[1]))
    return Radiometric(
        thermal=_frame(raw if celsius is None else celsius, notes + doubts),
        raw=raw,
        alignment=alignment,
        camera=(fff.camera(camera) if camera is not None else "") or exifs.text(exif, exifs.MODEL),
        taken=fff.taken(camera) if camera is not None else None,
        orientation=exifs.orientation(exif),
        _path=path,
        _visible=fff.embedded(parts[fff.EMBEDDED]) if fff.EMBEDDED in parts else None,
    )


def _alignment(
    parts: Mapping[int, fff.Record], thermal_size: tuple[int, int]
) -> tuple[Alignment | None, list[str]]:
    """The alignment tags, or None if there are no valid ones; and notes."""
    if fff.PIP not in parts or fff.EMBEDDED not in parts:
        return None, []
    alignment = fff.alignment(parts[fff.PIP])
    if alignment is None:
        return None, []
    if placeholder(alignment):
        what = "are placeholders"
    elif possible(alignment, fff.size(parts[fff.EMBEDDED]), thermal_size):
        return alignment, []
    else:
        what = "are invalid"
    return None, [f"the alignment tags {what}; the images are aligned at their centers"]


def _dji(path: Path, jpeg: bytes) -> Radiometric | None:
    """The contents of a JPEG of DJI's own cameras; None for other files."""
    stored = jpeg_segments.first_app3(jpeg)
    size = jpeg_segments.frame_size(jpeg)
    if not stored or size is None or b"DJI" not in jpeg_segments.exif(jpeg):
        return None
    width, height = _sensor(len(stored), size)
    if width * height == 0:
        return None  # DJI's visible cameras store other data there
    raw = np.frombuffer(stored, "<u2", width * height).reshape(height, width).astype(np.uint16)
    exif = exifs.parsed(jpeg_segments.exif(jpeg))
    return Radiometric(
        thermal=_frame(raw, ["raw counts are used: temperatures require DJI's Thermal SDK"]),
        raw=raw,
        camera=exifs.text(exif, exifs.MODEL),
        taken=_iso(exifs.text(exif, exifs.TAKEN, exifs.DATE)),
        orientation=exifs.orientation(exif),
        _path=path,
    )


def _sensor(length: int, size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of 16-bit pixels that fill ``length`` bytes at the picture's aspect ratio.

    The picture may be enlarged from the sensor's size, and its EXIF size is the picture's. Returns
    (0, 0) if no size fits.
    """
    width, height = size
    common = math.gcd(width, height)
    if common == 0:
        return 0, 0
    width, height = width // common, height // common
    scale = math.isqrt(length // (2 * width * height))
    fits = 2 * width * height * scale * scale == length
    return (width * scale, height * scale) if fits else (0, 0)


def _frame(pixels: np.ndarray, notes: list[str]) -> Frame:
    """A frame of counts as levels, or of floats as °C."""
    if pixels.dtype == np.uint16:
        return Frame(pixels=pixels, black=0.0, white=WHITE, notes=tuple(notes))
    black, white = float(pixels.min()), float(pixels.max())
    return Frame(pixels, black, white, unit=CELSIUS, notes=tuple(notes))


def _iso(exif_time: str) -> str | None:
    """An EXIF time, such as ``2022:07:23 15:13:38``, in ISO 8601; None if it is invalid."""
    found = re.match(
        r"(\d{4})[:-](\d\d)[:-](\d\d) (\d\d:\d\d:\d\d)",
        exif_time,
    )
    return "{}-{}-{}T{}".format(*found.groups()) if found else None
