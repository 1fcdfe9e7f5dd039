"""The two images of a pair as arrays: of two files, or of one file of a thermal camera."""

import dataclasses
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fnet_jax.artifacts.progress import Progress, Report, silent
from fnet_jax.errors import InputError
from fnet_jax.fusing.shapes import Size
from fnet_jax.images import files
from fnet_jax.images.alignment import on_one_grid
from fnet_jax.images.color import is_color
from fnet_jax.images.frame import CELSIUS, MAX_PIXELS, Frame, logger
from fnet_jax.images.jobs import TYPES, Rules, rules_of
from fnet_jax.images.radiometric import Radiometric
from fnet_jax.images.range_rules import Rule
from fnet_jax.pairs.match import Pair, check_sizes


@dataclass(frozen=True)
class Loaded:
    """Both images of a pair, of one size.

    Attributes:
        i1: array (H, W) or (H, W, 3): uint8, uint16, or floats in [0, 1].
        i2: array (H, W), likewise.
        metadata: what the fused image keeps of I1's file.
        celsius: temperatures of I2, float32 (H, W), where its file gives them.
        swapped: whether I2 shows color although I1 does not.
    """

    i1: np.ndarray
    i2: np.ndarray
    metadata: Mapping[str, Any] = field(default_factory=dict)
    celsius: np.ndarray | None = None
    swapped: bool = False


@dataclass(frozen=True)
class Loader:
    """How the images of a job are read.

    Attributes:
        color: mode of :func:`fnet_jax.images.color.separate`.
        max_pixels: largest number of pixels to accept; None for any.
        rules: which values of deep images of I1 and of I2 are black and white.
    """

    color: str = "auto"
    max_pixels: int | None = MAX_PIXELS
    rules: Rules = TYPES

    def of_job(
        self,
        pairs: Iterable[Pair],
        *,
        rule: Rule | Rules | None = None,
        report: Report,
        progress: Progress = silent,
    ) -> "Loader":
        """The loader of a job, whose ranges hold for all of its images.

        Args:
            pairs: of the job.
            rule: as for :func:`fnet_jax.images.jobs.rules_of`.
            report: gets a line about each side whose range was chosen.
            progress: shows how many files have been looked at.
        """
        pairs = list(pairs)
        ones = [pair.i1 for pair in pairs if pair.i1 != pair.i2]
        twos = [pair.i2 for pair in pairs]
        rules = rules_of(
            ones, twos, rule, report=report, progress=progress, max_pixels=self.max_pixels
        )
        return dataclasses.replace(self, rules=rules)

    def size(self, pair: Pair) -> Size:
        """Height and width of both images; raises InputError if they cannot be fused."""
        if pair.i1 == pair.i2:
            visible, _, _ = self._of_one_file(pair.i1)
            height, width = visible.shape[:2]
            return height, width
        one = files.size(pair.i1, max_pixels=self.max_pixels)
        two = files.size(pair.i2, part=None, max_pixels=self.max_pixels)
        check_sizes(pair.i1, one, pair.i2, two)
        return one

    def load(self, pair: Pair, *, quiet: bool = False) -> Loaded:
        """Reads a pair; what was decided in reading goes to the log, unless it is to be quiet.

        Raises:
            InputError: a file cannot be read, or has no such image.
        """
        if pair.i1 == pair.i2:
            visible, thermal, camera = self._of_one_file(pair.i1)
            _log(pair.i1, camera.thermal, quiet=quiet)
            frame = camera.thermal.replace(pixels=thermal)
            i2 = files.as_array(pair.i2, frame, grey=True, rule=self.rules[1])
            metadata: Mapping[str, Any] = {}
            with suppress(InputError):  # a bare record shows no picture
                picture = files.open(pair.i1, part="picture", max_pixels=self.max_pixels)
                metadata = picture.metadata
            return Loaded(visible, i2, metadata=metadata, celsius=_celsius(frame))
        grey = self.color == "grey"
        one = files.open(pair.i1, part="picture", grey=grey, max_pixels=self.max_pixels)
        two = files.open(pair.i2, grey=True, max_pixels=self.max_pixels)
        for path, frame in ((pair.i1, one), (pair.i2, two)):
            _log(path, frame, quiet=quiet)
        return Loaded(
            files.as_array(pair.i1, one, grey=grey, rule=self.rules[0]),
            files.as_array(pair.i2, two, grey=True, rule=self.rules[1]),
            metadata=one.metadata,
            celsius=_celsius(two),
            swapped=not is_color(one.pixels) and self._swapped(pair, two),
        )

    def _swapped(self, pair: Pair, two: Frame) -> bool:
        """Whether I2 shows color and I1, where the reading as grey has hidden it, does not."""
        if two.pixels.ndim == 2 and two.channels == 3:  # a JPEG file gave its luma
            two = files.open(pair.i2, max_pixels=self.max_pixels)
        if not is_color(two.pixels):
            return False
        if self.color != "grey":
            return True
        return not is_color(files.open(pair.i1, part="picture", max_pixels=self.max_pixels).pixels)

    def _of_one_file(self, path: Path) -> tuple[np.ndarray, np.ndarray, Radiometric]:
        """The visible and the thermal image of one file, laid over each other."""
        camera = files.thermal_camera(path, max_pixels=self.max_pixels)
        visible = None if camera is None else camera.visible()
        if camera is None or visible is None:
            lacks = "image of a thermal camera" if camera is None else "visible image"
            raise InputError(f"{path}: holds no {lacks}; use two images, with --i1 and --i2")
        laid = on_one_grid(visible.pixels, camera.thermal.pixels, camera.alignment)
        one, two = (files.upright(pixels, camera.orientation) for pixels in laid)
        return one, two, camera


def _celsius(frame: Frame) -> np.ndarray | None:
    return frame.pixels if frame.unit == CELSIUS else None


def _log(path: Path, frame: Frame, *, quiet: bool) -> None:
    for note in () if quiet else frame.notes:
        logger.warning("%s: %s", path, note)
