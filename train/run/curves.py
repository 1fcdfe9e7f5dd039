"""The curves and pictures of a run, as lines of JSON and for TensorBoard."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fnet_jax import images
from fnet_jax.artifacts.files import read_bytes, replace_text, writable
from fnet_jax.artifacts.progress import Report
from fnet_jax.errors import InputError, reason
from train.run.steps import Metrics
from train.workdir import ELSEWHERE

CURVES = "metrics.jsonl"
PICTURES = "pictures"
VALIDATION = "validation_loss"

Point = dict[str, Any]
"""A line of the curves: ``step`` and scalars by name."""


def validation_course(folder: Path) -> dict[int, float]:
    """The known validation losses of the stage in ``folder``, by step; damaged lines are skipped.

    Raises:
        InputError: the curves exist but cannot be read.
    """
    points = (point for point in _points(_content(folder / CURVES)) if point is not None)
    return {p["step"]: p[VALIDATION] for p in points if VALIDATION in p}


class Curves:
    """Curves and pictures of a run; the pictures are also written as PNG files."""

    def __init__(self, folder: Path, *, start: int, report: Report) -> None:
        """Opens the files of a stage in ``folder``; drops points after ``start`` steps.

        A killed run leaves such points; damaged lines are dropped too, and reported. All methods
        raise InputError if a file cannot be read or written.
        """
        from tensorboardX import SummaryWriter

        self._folder, self._curves = folder, folder / CURVES
        content = _content(self._curves)
        points = list(_points(content))
        if damaged := points.count(None):
            lines = "1 damaged line was" if damaged == 1 else f"{damaged} damaged lines were"
            report(f"{self._curves}: {lines} dropped")
        kept = [_line(point) for point in points if point and start and point["step"] <= start]
        with writable(folder / PICTURES, remedy=ELSEWHERE):
            (folder / PICTURES).mkdir(exist_ok=True)
        with writable(folder, remedy=ELSEWHERE):
            if content != "".join(kept).encode():
                replace_text(self._curves, "".join(kept))
            self._writer = SummaryWriter(str(folder), purge_step=start + 1 if start else 0)

    def point(self, step: int, values: Metrics) -> None:
        """Adds a point to each curve after ``step`` steps.

        ``values`` are scalars, or short vectors whose elements get their own curves, by name.
        """
        scalars: dict[str, float] = {}
        for name, value in values.items():
            parts = np.asarray(value, np.float64)
            if parts.ndim:
                scalars |= {f"{name}/{k}": float(part) for k, part in enumerate(parts)}
            else:
                scalars[name] = float(parts)
        for name, scalar in scalars.items():
            self._writer.add_scalar(name, scalar, step)
        line = _line({"step": step} | scalars)
        with writable(self._curves, remedy=ELSEWHERE), self._curves.open("ab") as file:
            file.write(line.encode())

    def picture(self, step: int, grid: np.ndarray) -> None:
        """Saves a picture, uint8 (H, W)."""
        images.write(self._folder / PICTURES / f"{step:08d}.png", grid, overwrite=True)
        self._writer.add_image("I1_I2_If_u1_u2_c", grid, step, dataformats="HW")

    def close(self) -> None:
        """Closes the files."""
        self._writer.close()


def _line(point: Point) -> str:
    return json.dumps(point) + "\n"


def _content(path: Path) -> bytes:
    """The content of a file of curves; empty if there is no file."""
    try:
        return read_bytes(path)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}); make it readable, or {ELSEWHERE}"
        ) from error


def _points(content: bytes) -> Iterator[Point | None]:
    """The points of a file of curves; None for each line that is damaged."""
    for line in filter(None, content.split(b"\n")):
        try:
            point = json.loads(line.decode())
        except (ValueError, RecursionError):
            point = None
        yield point if _is_point(point) else None


def _is_point(found: Any) -> bool:
    """Whether a JSON value is a step with finite numbers."""
    return (
        isinstance(found, dict)
        and type(found.get("step")) is int
        and all(type(value) in (int, float) and math.isfinite(value) for value in found.values())
    )
