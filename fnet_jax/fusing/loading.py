"""Loading the two images of a pair, from two files or from one file of a thermal camera."""

import dataclasses
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fnet_jax.artifacts.progress import Progress, Report, silent
from fnet_jax.errors import InputError
from fnet_jax.fusing.registering import Registering
from fnet_jax.fusing.shapes import Size
from fnet_jax.images import files
from fnet_jax.images.alignment import on_one_grid
from fnet_jax.images.color import is_color
from fnet_jax.images.frame import CELSIUS, MAX_PIXELS, Frame, logger
from fnet_jax.images.jobs import TYPES, Rules, rules_of
from fnet_jax.images.radiometric import Radiometric
from fnet_jax.images.range_rules import Rule
from fnet_jax.pairs.match import Pair, check_sizes, named
from fnet_jax.registration import apply, covered, sources
from fnet_jax.registration.displacement import displacement
from fnet_jax.registration.estimation import Registration


@dataclass(frozen=True)
class Loaded:
    """Both images of a pair, of one size.

    Attributes:
        i1: array (H, W) or (H, W, 3): uint8, uint16, or floats in [0, 1].
        i2: array (H, W), likewise.
        metadata: what the fused image keeps from I1's file.
        celsius: temperatures of I2, float32 (H, W), if its file gives them.
        swapped: whether I2 shows color although I1 does not.
        weight: for registered images, float32 (H, W): 1 where they overlap, 0 elsewhere.
        displaced: apparent displacement of I2 in pixels; 0 for registered images.
    """

    i1: np.ndarray
    i2: np.ndarray
    metadata: Mapping[str, Any] = field(default_factory=dict)
    celsius: np.ndarray | None = None
    swapped: bool = False
    weight: np.ndarray | None = None
    displaced: float = 0.0


@dataclass(frozen=True)
class Loader:
    """How the images of a job are read.

    Attributes:
        color: mode of :func:`fnet_jax.images.color.separate`.
        max_pixels: largest number of pixels to accept; None for any.
        rules: which values of deep images of I1 and of I2 are black and white.
        registering: how images are registered first; None if they are registered already.
    """

    color: str = "auto"
    max_pixels: int | None = MAX_PIXELS
    rules: Rules = TYPES
    registering: Registering | None = None

    def of_job(
        self,
        pairs: Iterable[Pair],
        *,
        rule: Rule | Rules | None = None,
        report: Report,
        progress: Progress = silent,
    ) -> "Loader":
        """A loader for a job, with the same ranges for all of its images.

        ``rule`` is as for :func:`fnet_jax.images.jobs.rules_of`; ``report`` gets a line about each
        side whose range was chosen.
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
            visible, thermal, camera = self._of_one_file(pair.i1)
            one, two = visible.shape[:2], thermal.shape[:2]
            if self.registering and files.TURNS[camera.orientation][0]:
                one, two = one[::-1], two[::-1]
        else:
            one = files.size(pair.i1, max_pixels=self.max_pixels)
            two = files.size(pair.i2, part=None, max_pixels=self.max_pixels)
        if self.registering:
            return self.registering.size(one, two)
        check_sizes(pair.i1, one, pair.i2, two)
        height, width = one
        return height, width

    def load(self, pair: Pair, *, quiet: bool = False) -> Loaded:
        """Reads a pair; logs decisions made while reading, unless ``quiet``.

        Raises:
            InputError: a file cannot be read, lacks an image, or cannot be registered.
        """
        loaded, camera = self._loaded(pair, quiet=quiet)
        if self.registering is None:
            found = None if quiet or camera else displacement(loaded.i1, loaded.i2)
            pixels = found.pixels if found and found.known else 0.0
            return dataclasses.replace(loaded, displaced=pixels)
        tags = sources.by_tags(loaded.i1.shape[:2], loaded.i2.shape[:2], camera)
        transform = self.registering.of(pair, loaded.i1, loaded.i2, tags)
        with named(pair):
            return self._laid(loaded, transform, camera)

    def _laid(self, loaded: Loaded, transform: Registration, camera: Radiometric | None) -> Loaded:
        """Both images, and temperatures, on one grid; those from one file are turned upright."""
        assert self.registering is not None
        laid, on_i1 = self.registering.lay(transform, loaded.i1, loaded.i2), self.on_i1
        celsius, metadata = loaded.celsius, loaded.metadata
        if celsius is not None and on_i1:
            size = laid.i1.shape[:2]
            there = covered(transform.matrix, size, celsius.shape)
            celsius = np.where(there, apply(celsius, transform.matrix, size), np.float32(np.nan))
        if not on_i1:  # I1's metadata describes other pixels
            metadata = {key: value for key, value in metadata.items() if key == "exif"}
        turned = partial(files.upright, orientation=camera.orientation if camera else 1)
        return dataclasses.replace(
            loaded,
            i1=turned(laid.i1),
            i2=turned(laid.i2),
            weight=turned(laid.weight),
            celsius=None if celsius is None else turned(celsius),
            metadata=metadata,
        )

    @property
    def on_i1(self) -> bool:
        """Whether fused images are on the pixel grid of I1 rather than that of I2."""
        return self.registering is None or self.registering.grid == "i1"

    def _loaded(self, pair: Pair, *, quiet: bool) -> tuple[Loaded, Radiometric | None]:
        """The images of a pair, and the contents of a thermal camera's file, if it is one.

        Images that are to be registered need not be aligned.
        """
        if pair.i1 == pair.i2:
            visible, thermal, camera = self._of_one_file(pair.i1)
            _log(pair.i1, camera.thermal, quiet=quiet)
            frame = camera.thermal.replace(pixels=thermal)
            i2 = files.as_array(pair.i2, frame, grey=True, rule=self.rules[1])
            metadata: Mapping[str, Any] = {}
            with suppress(InputError):  # a bare record has no picture
                picture = files.open(pair.i1, part="picture", max_pixels=self.max_pixels)
                metadata = picture.metadata
            return Loaded(visible, i2, metadata=metadata, celsius=_celsius(frame)), camera
        grey = self.color == "grey"
        one = files.open(pair.i1, part="picture", grey=grey, max_pixels=self.max_pixels)
        two = files.open(pair.i2, grey=True, max_pixels=self.max_pixels)
        for path, frame in ((pair.i1, one), (pair.i2, two)):
            _log(path, frame, quiet=quiet)
        loaded = Loaded(
            files.as_array(pair.i1, one, grey=grey, rule=self.rules[0]),
            files.as_array(pair.i2, two, grey=True, rule=self.rules[1]),
            metadata=one.metadata,
            celsius=_celsius(two),
            swapped=not is_color(one.pixels) and self._swapped(pair, two),
        )
        return loaded, None

    def _swapped(self, pair: Pair, two: Frame) -> bool:
        """Whether I2 shows color and I1 does not, even if both were read as grey."""
        if two.pixels.ndim == 2 and two.channels == 3:  # only the luma of a JPEG file was read
            two = files.open(pair.i2, max_pixels=self.max_pixels)
        if not is_color(two.pixels):
            return False
        if self.color != "grey":
            return True
        return not is_color(files.open(pair.i1, part="picture", max_pixels=self.max_pixels).pixels)

    def _of_one_file(self, path: Path) -> tuple[np.ndarray, np.ndarray, Radiometric]:
        """The visible and the thermal image of one file, aligned by its tags.

        Images that are to be registered are returned as stored.
        """
        visible, camera = sources.both_images(path, max_pixels=self.max_pixels)
        if self.registering:
            return visible, camera.thermal.pixels, camera
        laid = on_one_grid(visible, camera.thermal.pixels, camera.alignment)
        one, two = (files.upright(pixels, camera.orientation) for pixels in laid)
        return one, two, camera


def _celsius(frame: Frame) -> np.ndarray | None:
    return frame.pixels if frame.unit == CELSIUS else None


def _log(path: Path, frame: Frame, *, quiet: bool) -> None:
    for note in () if quiet else frame.notes:
        logger.warning("%s: %s", path, note)
