"""Folders of pairs that are fused in the background, one job after the other."""

import dataclasses
import threading
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fnet_jax.artifacts.files import replace_file
from fnet_jax.errors import InputError
from fnet_jax.fusing.batch import fuse_pairs
from fnet_jax.fusing.fuser import Fuser
from fnet_jax.fusing.registering import automatic
from fnet_jax.pairs.match import Pair
from fnet_jax.web.commands import Settings

RUNNING, DONE, CANCELLED, FAILED = "running", "done", "cancelled", "failed"


class Cancelled(Exception):
    """The job was cancelled."""


@dataclass
class Job:
    """Pairs to fuse, and how far it is.

    Attributes:
        pairs: the pairs, by keys that are names of files.
        names: what people call their results, by the same keys.
        called: the names of the source files, for people.
        folder: for the fused images.
        unmatched: names of files without a partner.
    """

    pairs: Mapping[str, Pair]
    names: Mapping[str, str]
    called: Mapping[Path, str]
    folder: Path
    unmatched: list[str]
    state: str = RUNNING
    lines: list[str] = field(default_factory=list)
    written: dict[str, Path] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Stops before the next pair."""
        self._stop.set()

    def run(self, settings: Settings, fuser: Fuser, suffix: str | None, most: int) -> None:
        """Fuses all pairs; nothing is raised."""
        try:
            self._fuse(settings, fuser, suffix, most)
            self.state = DONE if self.written else FAILED
        except Cancelled:
            self.state = CANCELLED
        except (InputError, OSError, MemoryError) as error:
            self._report(str(error))
        finally:
            if self.state == RUNNING:
                self.state = FAILED

    def _fuse(self, settings: Settings, fuser: Fuser, suffix: str | None, most: int) -> None:
        pairs = [dataclasses.replace(pair, called=key) for key, pair in self.pairs.items()]
        registering = None
        if settings.register == "auto":
            registering = automatic(
                pairs, max_pixels=most, report=self._report, progress=self._until_cancelled
            )
        written = fuse_pairs(
            fuser,
            pairs,
            self.folder,
            color=settings.color,
            suffix=suffix,
            max_pixels=most,
            rule=settings.range,
            registering=registering,
            report=self._report,
            warn=self._report,
            progress=lambda pairs: self._until_cancelled(pairs, total=len(pairs), desc=""),
        )
        for path in written:
            self.written[path.stem] = path

    def _until_cancelled(self, items: Iterable[Any], /, *, total: int, desc: str) -> Iterator[Any]:
        for item in items:
            if self._stop.is_set():
                raise Cancelled
            yield item

    def _report(self, line: str) -> None:
        about = [
            key for key, pair in self.pairs.items() if str(pair.i1) in line or str(pair.i2) in line
        ]
        for path, name in self.called.items():
            line = line.replace(str(path), name)
        self.problems |= dict.fromkeys(about, line)
        self.lines.append(line)

    def described(self) -> dict[str, Any]:
        """How far it is, as JSON values."""

        def state(key: str) -> dict[str, str]:
            if key in self.written:
                return {"state": "done"}
            if key in self.problems and self.state != RUNNING:
                return {"state": "failed", "error": self.problems[key]}
            return {"state": "waiting"}

        return {
            "state": self.state,
            "done": len(self.written),
            "total": len(self.pairs),
            "lines": list(self.lines),
            "unmatched": self.unmatched,
            "names": [{"name": name, **state(key)} for key, name in self.names.items()],
        }

    def zipped(self) -> Path:
        """A zip file of the fused images, each under its own name; to be called at the end."""
        used: set[str] = set()
        with (
            replace_file(self.folder / "fused.zip") as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,  # images are compressed
        ):
            for key, path in self.written.items():
                name = f"{self.names[key]}{path.suffix}"
                archive.write(path, name if name not in used else f"{key}_{name}")
                used.add(name)
        return self.folder / "fused.zip"
