"""The truth of a scene: boxes of YOLO text and VOC XML, and images of class numbers."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fnet_jax import images
from fnet_jax.artifacts.files import read_bytes
from fnet_jax.errors import InputError, first_line, reason
from fnet_jax.pairs.match import folded

ROUNDING = 0.5  # pixels by which a box may extend beyond its image
LOSSY = (".jpg", ".jpeg")


@dataclass(frozen=True)
class Boxes:
    """Boxes of one image.

    Attributes:
        classes: int64 (N,), class numbers.
        corners: float64 (N, 4), x1, y1, x2, y2 in pixels: 0 is the left or upper edge of the first
            pixel, and x1 < x2 ≤ width, y1 < y2 ≤ height.
    """

    classes: np.ndarray
    corners: np.ndarray


def read(path: Path, classes: Sequence[str], size: tuple[int, int]) -> Boxes:
    """The boxes of a file: VOC XML if it is named ``.xml``, else YOLO text.

    A line of YOLO text has a class number, the center, width and height, relative to those of the
    image; no line means no boxes. Coordinates of VOC XML are used without the offset of one pixel
    of the first VOC sets, because the tools that M3FD was made with have none. Boxes that extend
    beyond the image by up to half a pixel are cut off there.

    Raises:
        InputError: the file cannot be read, a line or an object is malformed, of an unknown class,
            empty or outside the image, or the XML states another size.
    """
    content = _content(path)
    parts = (_voc if path.suffix.lower() == ".xml" else _yolo)(path, content, classes, size)
    height, width = size
    numbers, corners = [], []
    for place, number, box in parts:
        beyond = max(-box[0], -box[1], box[2] - width, box[3] - height)
        if not all(map(math.isfinite, box)) or beyond > ROUNDING:
            shown = ", ".join(f"{x:.6g}" for x in box)
            raise InputError(
                f"{path}: {place} is a box ({shown}) outside the image of {width}×{height} pixels; "
                f"fix or remove it"
            )
        x1, y1, x2, y2 = np.clip(box, 0, (width, height, width, height))
        if not (x1 < x2 and y1 < y2):
            raise InputError(f"{path}: {place} is a box without area; fix or remove it")
        numbers.append(number)
        corners.append((x1, y1, x2, y2))
    return Boxes(np.array(numbers, np.int64), np.array(corners, np.float64).reshape(-1, 4))


def read_labels(
    path: Path, classes: Sequence[str], *, size: tuple[int, int] | None = None
) -> np.ndarray:
    """The class number of each pixel, uint8 (H, W); the file has one channel or three equal ones.

    Every number must be one of the classes; no number, such as 255, means to ignore a pixel.
    ``size`` is the required height and width; None for any.

    Raises:
        InputError: the file cannot be read, is a JPEG (which changes numbers), has colors, unknown
            class numbers, or another size.
    """
    if path.suffix.lower() in LOSSY:
        raise InputError(f"{path}: JPEG changes class numbers; export class images as PNG")
    found = images.read(path)
    if found.ndim == 3:
        if (found != found[..., :1]).any():
            raise InputError(f"{path} has colors, not class numbers; export it with one channel")
        found = found[..., 0]
    if not np.issubdtype(found.dtype, np.integer):
        raise InputError(f"{path} has floats, not class numbers; export it with 8 bits")
    if size is not None and found.shape != size:
        raise InputError(
            f"{path} is {found.shape[1]}×{found.shape[0]} but its images are {size[1]}×{size[0]}; "
            f"use labels of their size"
        )
    unknown = np.unique(found[found >= len(classes)])
    if unknown.size:
        shown = ", ".join(map(str, unknown[:5])) + (" …" if unknown.size > 5 else "")
        raise InputError(
            f"{path} has class {shown}, but the last is {len(classes) - 1} ({classes[-1]}); use "
            f"class numbers"
        )
    return found.astype(np.uint8)


def _yolo(
    path: Path, content: bytes, classes: Sequence[str], size: tuple[int, int]
) -> Iterator[tuple[str, int, tuple[float, ...]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; save it as such") from error
    height, width = size
    for row, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            if len(words) != 5:
                raise ValueError(words)
            number = int(words[0])
            x, y, w, h = map(float, words[1:])
        except ValueError as error:
            raise InputError(
                f"{path}: line {row} is not class, x, y, width and height; fix it"
            ) from error
        if not 0 <= number < len(classes):
            raise InputError(
                f"{path}: line {row} has class {number}, but the classes are 0 to "
                f"{len(classes) - 1} ({', '.join(classes)}); fix it"
            )
        yield (
            f"line {row}",
            number,
            ((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height),
        )


def _voc(
    path: Path, content: bytes, classes: Sequence[str], size: tuple[int, int]
) -> Iterator[tuple[str, int, tuple[float, ...]]]:
    try:
        root = ET.fromstring(content)
    except ET.ParseError as error:
        raise InputError(f"{path} is not XML ({first_line(error)}); export it again") from error
    stated = tuple(root.findtext(f"size/{name}", "0").strip() for name in ("height", "width"))
    if stated not in (("0", "0"), tuple(map(str, size))):
        raise InputError(
            f"{path} is for an image of {stated[1]}×{stated[0]}, but the image has "
            f"{size[1]}×{size[0]}; use boxes and images of one size"
        )
    numbers = {folded(name): number for number, name in enumerate(classes)}
    for index, item in enumerate(root.iter("object"), 1):
        name = item.findtext("name", "").strip()
        place = f"object {index}"
        if folded(name) not in numbers:
            raise InputError(
                f"{path}: {place} has class {name!r}, which is not one of {', '.join(classes)}; "
                f"fix it"
            )
        try:
            box = tuple(
                float(item.findtext(f"bndbox/{x}", "")) for x in ("xmin", "ymin", "xmax", "ymax")
            )
        except ValueError as error:
            raise InputError(
                f"{path}: {place} has no box with xmin, ymin, xmax and ymax; fix it"
            ) from error
        yield place, numbers[folded(name)], box


def _content(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({reason(error)}); check the file") from error
