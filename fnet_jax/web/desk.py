"""A pair that is open in the page: its images, its features, and the results of edits."""

import dataclasses
import logging
import math
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fnet_jax import images
from fnet_jax.errors import InputError
from fnet_jax.explain import colors, shares
from fnet_jax.fusing import inputs
from fnet_jax.fusing.batch import fuse_pairs
from fnet_jax.fusing.edits import CODES, Edit, decode
from fnet_jax.fusing.fuser import Fuser
from fnet_jax.fusing.loading import Loader
from fnet_jax.fusing.registering import Registering, blended
from fnet_jax.images.range_rules import text_of
from fnet_jax.pairs import reading
from fnet_jax.pairs.match import Pair, named
from fnet_jax.registration import Registration, apply, covered, estimate, sources
from fnet_jax.registration.displacement import NOTABLE
from fnet_jax.registration.files import Transforms
from fnet_jax.registration.transforms import centered
from fnet_jax.web import commands, pictures
from fnet_jax.web.commands import Settings

LIVE_BYTES = 1.2e9  # of the features of a pair; larger pairs are fused, but without sliders


class Desk:
    """One pair; its methods are called by one thread at a time."""

    def __init__(
        self, pair: Pair, called: Mapping[Path, str], settings: Settings, fuser: Fuser, most: int
    ) -> None:
        """Reads the files and finds the features.

        Args:
            pair: the files.
            called: the names of the files, for people.
            settings: how to fuse them.
            fuser: with the network of ``settings.size``.
            most: pixels of an image.

        Raises:
            InputError: the files cannot be fused; it names them as people know them.
        """
        self.pair, self._called, self._most = pair, called, most
        self.version = 0
        self.change(settings, fuser)

    def change(self, settings: Settings, fuser: Fuser) -> None:
        """Reads and finds again what other settings need; raises InputError and changes nothing."""
        notes: list[str] = []
        with self._in_their_words(notes):
            registration, registering = self._registered(settings, notes)
            loader = Loader(settings.color, self._most, registering=registering)
            loader = loader.of_job([self.pair], rule=settings.range, report=notes.append)
            loaded = loader.load(self.pair)
            begin = time.perf_counter()
            separated = inputs.separate(loaded.i1, loaded.i2, color=settings.color)
            codes = _codes(fuser, separated, 1.0)
            seconds = time.perf_counter() - begin
        if loaded.swapped:
            notes.append(reading.swapped([self.pair]))
        if loaded.displaced > NOTABLE:
            notes.append(reading.displaced({self.pair: loaded.displaced}))
        self.settings, self.notes, self._fuser = settings, [self._named(n) for n in notes], fuser
        self._registration, self._registering, self._loader = registration, registering, loader
        self._loaded, self._inputs, self._seconds = loaded, separated, seconds
        self._in_color = separated.image(separated.I1).ndim == 3
        self._found = {1.0: codes}
        self.version += 1

    def _registered(
        self, settings: Settings, notes: list[str]
    ) -> tuple[Registration | None, Registering | None]:
        """The transform, and how to use it; the latter is None where it is refused or not asked."""
        wanted = settings.register == "auto"
        if not wanted:
            try:
                Loader(max_pixels=self._most).size(self.pair)
            except InputError:
                source = sources.load(self.pair, max_pixels=self._most)
                if source.i1.shape[:2] == source.i2.shape[:2]:
                    raise
                notes.append("the sizes differ, so the images are registered")
                wanted = True
        if not wanted:
            return None, None
        source = sources.load(self.pair, max_pixels=self._most)
        with named(self.pair):
            found = estimate(source.i1, source.i2, start=source.by_tags)
        if not found.accepted:
            if source.i1.shape[:2] != source.i2.shape[:2]:
                raise InputError(
                    f"{self.pair.i1} and {self.pair.i2} differ in size and cannot be registered: "
                    f"{found.reason}"
                )
            return found, None
        return found, Registering(Transforms(found, path=Path("--register auto")))

    def state(self) -> dict[str, Any]:
        """Everything that the page shows beside pictures, as JSON values."""
        codes = self._found[1.0]
        height, width = self._inputs.size
        state: dict[str, Any] = {
            "version": self.version,
            "name": self.name,
            "width": width,
            "height": height,
            "settings": {
                **dataclasses.asdict(self.settings),
                "range": self.settings.range and text_of(self.settings.range),
            },
            "notes": self.notes,
            "color": self._in_color,
            "thermal": self._loaded.celsius is not None,
            "displaced": self._loaded.displaced,
            "registration": self._registration and self._judged(self._registration),
            "features": self._fuser.network.features,
            "live": codes is not None,
            "why": ""
            if codes is not None
            else f"{width}×{height} is too large to keep all features; use a smaller network",
            "seconds": {"features": self._seconds},
        }
        if codes is not None:
            parts = [codes[f"If_{code}"][..., 0] for code in CODES]
            of_pixels = shares.mean(shares.shares(*parts))
            state["shares"] = {
                code: None if np.isnan(x) else float(x)
                for code, x in zip(CODES, of_pixels, strict=True)
            }
            for shown, name in (("thresholds", "theta"), ("momentum", "rho")):
                state[shown] = {code: codes[f"lzsc_{code}"][name].tolist() for code in CODES}
            state["strongest"] = {
                code: np.argsort(-np.abs(codes[code]).mean(axis=(0, 1)), kind="stable").tolist()
                for code in CODES
            }
        return state

    def _judged(self, found: Registration) -> dict[str, Any]:
        return {
            "accepted": found.accepted,
            "applied": self._registering is not None,
            "reason": found.reason,
            "expected_error": found.expected_error if np.isfinite(found.expected_error) else None,
            "evidence": found.evidence,
            "model": found.model,
        }

    @property
    def name(self) -> str:
        """The name of the pair, for people: that of I1."""
        return self._called[self.pair.i1].rpartition("/")[2]

    @property
    def feature_bytes(self) -> int:
        """How much memory the features take."""
        codes = [codes for codes in self._found.values() if codes is not None]
        return len(codes) * _bytes(self._fuser, self._inputs)

    def fused(self, edit: Edit) -> np.ndarray:
        """The fused image in the type of I1; raises InputError."""
        if self._found[1.0] is None:
            if edit != Edit():
                raise InputError("this image is too large for edits; use a smaller network")
            fused = self._fuser.fuse(self._loaded.i1, self._loaded.i2, color=self.settings.color)
        else:
            edit.check(self._fuser.network.features)
            codes = self._codes(edit.theta_scale)
            fused = self._inputs.image(decode(codes, self._fuser.params, edit)[..., 0])
        if self._loaded.weight is not None:
            fused = blended(fused, self._loaded.i1, self._loaded.weight)
        return fused

    def _codes(self, theta_scale: float) -> Any:
        """The features at a scale of the thresholds; the first and the last ones are kept."""
        if theta_scale not in self._found:
            codes = _codes(self._fuser, self._inputs, theta_scale)
            self._found = {1.0: self._found[1.0], theta_scale: codes}
        return self._found[theta_scale]

    def picture(self, name: str) -> np.ndarray:
        """A picture by its name in the page; raises KeyError if there is none."""
        codes = self._found[1.0]
        if name in ("i1", "i2"):
            return np.asarray(getattr(self._loaded, name))
        if name == "celsius" and self._loaded.celsius is not None:
            return pictures.palette(self._loaded.celsius)
        if name in ("before", "after") and self._registration is not None:
            return self._laid(before=name == "before")
        if codes is None:
            raise KeyError(name)
        if name == "shares":
            parts = [codes[f"If_{code}"][..., 0] for code in CODES]
            return colors.mixed(shares.shares(*parts))
        if name in {f"If_{code}" for code in CODES}:
            return pictures.signed(codes[name][..., 0])
        raise KeyError(name)

    def _laid(self, *, before: bool) -> np.ndarray:
        """A checkerboard of I1 and I2, as they were or registered."""
        source = sources.load(self.pair, max_pixels=self._most)
        one, two = source.i1, source.i2
        start = source.by_tags
        if start is None:
            start = centered(one.shape[:2], two.shape[:2])
        assert self._registration is not None
        matrix = start if before else self._registration.matrix
        laid = apply(_levels(two), matrix, one.shape[:2])
        laid[~covered(matrix, one.shape[:2], two.shape[:2])] = 0
        return pictures.checkerboard(_levels(one), laid)

    def map(self, code: str, number: int, *, full: bool) -> np.ndarray:
        """A feature map as a unit grey image; raises KeyError if there is none."""
        codes = self._found[1.0]
        if codes is None or code not in CODES or not 0 <= number < self._fuser.network.features:
            raise KeyError(code)
        found = np.asarray(codes[code][..., number])
        return pictures.signed(found if full else pictures.small(found))

    def celsius(self) -> bytes:
        """The temperatures as little-endian float32; raises KeyError if there are none."""
        if self._loaded.celsius is None:
            raise KeyError("celsius")
        return self._loaded.celsius.astype("<f4").tobytes()

    def download(self, edit: Edit, suffix: str | None, folder: Path) -> tuple[str, bytes]:
        """The name and content of the file that ``fnet fuse`` writes, or of an edited one.

        Raises:
            InputError: it cannot be written in that format.
        """
        suffix = suffix or self.pair.i1.suffix
        name = f"{self.name.rpartition('.')[0] or self.name}{suffix}"
        with self._in_their_words([]), tempfile.TemporaryDirectory(dir=folder) as out:
            target = Path(out, f"fused{suffix}")
            if edit != Edit():
                images.write(target, self.fused(edit), metadata=self._loaded.metadata)
            else:
                problems: list[str] = []
                written = list(
                    fuse_pairs(
                        self._fuser,
                        [dataclasses.replace(self.pair, called=target.stem)],
                        target.parent,
                        color=self.settings.color,
                        suffix=suffix,
                        max_pixels=self._most,
                        rule=self._loader.rules,
                        registering=self._registering,
                        report=problems.append,
                        warn=lambda line: None,
                    )
                )
                if not written:
                    raise InputError(problems[0])
            return name, target.read_bytes()

    def command(self, edit: Edit, suffix: str | None) -> str:
        """The command line that does the same; raises InputError if there is no such edit."""
        edit.check(self._fuser.network.features)
        return commands.line(
            [self._called[path] for path in dict.fromkeys((self.pair.i1, self.pair.i2))],
            self.settings,
            edit,
            suffix=suffix or self.pair.i1.suffix,
            registered=self._registering is not None,
            pixels=math.prod(self._inputs.size),
        )

    def _named(self, text: str) -> str:
        """A text in which files have the names that people know."""
        for path, name in self._called.items():
            text = text.replace(str(path), name)
        return text

    @contextmanager
    def _in_their_words(self, notes: list[str]) -> Iterator[None]:
        """Collects what is logged about the files, and renames them in errors."""
        thread, handler = threading.get_ident(), logging.Handler(logging.WARNING)
        handler.emit = lambda record: (  # type: ignore[method-assign]
            notes.append(record.getMessage()) if record.thread == thread else None
        )
        logger = logging.getLogger("fnet_jax")
        logger.addHandler(handler)
        try:
            yield
        except (InputError, MemoryError) as error:
            raise InputError(self._named(str(error))) from error
        finally:
            logger.removeHandler(handler)


def _levels(image: np.ndarray) -> np.ndarray:
    """Any image as unit floats, from its least to its greatest value."""
    if image.dtype == np.uint8:
        return np.asarray(image, np.float32) / 255
    low, high = float(image.min()), float(image.max())
    return ((image - low) / max(high - low, 1e-9)).astype(np.float32)


def _codes(fuser: Fuser, separated: inputs.Inputs, theta_scale: float) -> Any:
    """u1, u2, c and what is drawn of them; None where they are too large to be kept."""
    if _bytes(fuser, separated) > LIVE_BYTES:
        return None
    return fuser.codes(separated, theta_scale=theta_scale)


def _bytes(fuser: Fuser, separated: inputs.Inputs) -> int:
    """The memory that the features of a pair need."""
    height, width = separated.size
    return height * width * 4 * 3 * (fuser.network.features + 2)
