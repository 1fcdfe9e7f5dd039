"""Fusing and scoring the sets that were found, anew only where something has changed."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fnet_jax.artifacts import provenance
from fnet_jax.artifacts.files import replace_text, sha256, writable
from fnet_jax.artifacts.progress import Tell
from fnet_jax.errors import InputError, first_line
from fnet_jax.metrics import PROFILES
from fnet_jax.pairs.match import Pair
from fnet_jax.paper import costs
from fnet_jax.paper.protocols import PROTOCOLS, Located
from fnet_jax.scoring.run import FusedScene, score

if TYPE_CHECKING:
    from fnet_jax.fusing.fuser import Fuser
    from fnet_jax.sparse_coding.unrolled import Unrolled

PROFILE = "paper"
STATE = "state.json"
ELSEWHERE = "give another --out"
SAVE_EVERY = 10.0  # seconds
METHOD = "ours"

Record = dict[str, Any]
"""Of a pair: checksums ``i1``, ``i2``, ``fused``, and its ``values``, by metric."""

Progress = Callable[..., Any]
"""Wraps an iterable to show how far it is, as tqdm with ``total`` and ``desc``."""

Items = TypeVar("Items")


def silent(items: Items, **about: Any) -> Items:
    """Shows no progress."""
    return items


@dataclass
class Run:
    """What a benchmark has computed so far, kept in the file ``state.json`` of its folder.

    Attributes:
        folder: of the benchmark.
        made_with: what the results depend on, by name.
        pairs: records by set and name of the pair.
        costs: what :mod:`fnet_jax.paper.costs` measured, if it has.
    """

    folder: Path
    made_with: dict[str, Any]
    pairs: dict[str, dict[str, Record]] = field(default_factory=dict)
    costs: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def resumed(cls, folder: Path, made_with: dict[str, Any]) -> "Run":
        """The run in a folder, to go on with; a new one where versions or devices have changed.

        Raises:
            InputError: the folder holds a benchmark of other weights, or its record is damaged.
        """
        path = folder / STATE
        try:
            if not path.exists():
                return cls(folder, made_with)
            state = json.loads(path.read_text())
            before, pairs, costs = (state[key] for key in ("made_with", "pairs", "costs"))
            weights = before["weights"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: cannot be used ({first_line(error)}); remove it, or {ELSEWHERE}"
            ) from error
        if weights != made_with["weights"]:
            raise InputError(f"{folder}: holds the benchmark of other weights; {ELSEWHERE}")
        same = before == made_with
        return cls(folder, made_with, pairs if same else {}, costs if same else {})

    def save(self) -> None:
        """Writes ``state.json``; raises InputError if it cannot."""
        state = {"made_with": self.made_with, "costs": self.costs, "pairs": self.pairs}
        with writable(self.folder / STATE, remedy=ELSEWHERE):
            self.folder.mkdir(parents=True, exist_ok=True)
            replace_text(self.folder / STATE, json.dumps(state, indent=1) + "\n")

    def fused(self, name: str, pair: str) -> Path:
        """The file of a fused image."""
        return self.folder / "fused" / name / f"{pair}.png"

    def fuse(
        self,
        fuser: "Fuser",
        name: str,
        pairs: Mapping[str, Pair],
        *,
        report: Tell,
        progress: Progress = silent,
    ) -> None:
        """Fuses the pairs of a set of which a source or the fused image is not that on record.

        Args:
            fuser: the network.
            name: of the set.
            pairs: by name.
            report: is called for each pair that failed.
            progress: shows how far the work is.

        Raises:
            InputError: the folder cannot be written to.
        """
        from fnet_jax.fusing.batch import fuse_pairs

        before, records = self.pairs.get(name, {}), {}
        sums = {pair: _checksums(files) for pair, files in pairs.items()}
        for pair in pairs:
            record = before.get(pair, {})
            if sums[pair].items() <= record.items() and _is(self.fused(name, pair), record):
                records[pair] = record
        self.pairs[name] = records
        missing = {self.fused(name, pair): pair for pair in pairs if pair not in records}
        if not missing:
            return
        written = fuse_pairs(
            fuser,
            [pairs[pair] for pair in missing.values()],
            self.folder / "fused" / name,
            color=PROTOCOLS[name].color,
            suffix=".png",
            overwrite=True,
            report=report,
            progress=lambda left: progress(left, total=len(left), desc=f"fusing {name}"),
        )
        saved = time.monotonic()
        try:
            for path in written:
                records[missing[path]] = sums[missing[path]] | {"fused": sha256(path)}
                if time.monotonic() - saved > SAVE_EVERY:
                    self.save()
                    saved = time.monotonic()
        finally:
            self.save()

    def score(
        self,
        name: str,
        pairs: Mapping[str, Pair],
        *,
        workers: int | None = None,
        report: Tell,
        progress: Progress = silent,
    ) -> None:
        """Scores the fused pairs of a set that have no values yet.

        Args:
            name: of the set.
            pairs: by name.
            workers: number of processes; None for one per core.
            report: is called for each image that cannot be scored.
            progress: shows how far the work is.
        """
        records = self.pairs[name]
        scenes = [
            FusedScene(pair, pairs[pair].i1, pairs[pair].i2, {METHOD: self.fused(name, pair)})
            for pair, record in records.items()
            if "values" not in record
        ]
        if not scenes:
            return
        scores = score(
            scenes,
            profile=PROFILE,
            workers=workers,
            report=report,
            progress=lambda done, total: progress(done, total=total, desc=f"scoring {name}"),
        )
        for pair, values in zip(scores.images, scores.values[0].tolist(), strict=True):
            records[pair]["values"] = dict(zip(scores.metrics, values, strict=True))
        self.save()

    def measure(self, ckpt: Path) -> None:
        """Measures what fusing costs, if that is not known; raises InputError if it cannot."""
        if not self.costs:
            self.costs = costs.measure(ckpt).described()
            self.save()


def made_with(network: "Unrolled", params: Any) -> dict[str, Any]:
    """What the results of weights depend on, by name, as JSON values."""
    import jax

    from fnet_jax.weights import checkpoints

    return {
        "weights": provenance.fingerprint_of(checkpoints.checksums(params)),
        "network": network.settings(),
        "profile": {name: dict(x) for name, x in PROFILES[PROFILE].options.items()},
        "versions": provenance.versions(*provenance.NETWORK, *provenance.SCORING),
        "devices": ", ".join(map(str, jax.local_devices())),
    }


def run_sets(
    run: Run,
    fuser: "Fuser",
    located: Mapping[str, Located],
    *,
    workers: int | None = None,
    report: Tell,
    progress: Progress = silent,
) -> None:
    """Fuses and scores all sets that were found, and reports their bad files."""
    for name, found in located.items():
        for problem in found.problems:
            report(problem)
        run.fuse(fuser, name, found.pairs, report=report, progress=progress)
        run.score(name, found.pairs, workers=workers, report=report, progress=progress)


def _checksums(pair: Pair) -> Record:
    """Checksums of the sources; None of what cannot be read, which fusing will report."""
    sums: Record = {}
    for which, path in (("i1", pair.i1), ("i2", pair.i2)):
        try:
            sums[which] = sha256(path)
        except OSError:
            sums[which] = None
    return sums


def _is(path: Path, record: Record) -> bool:
    """Whether a fused image is there as it was written."""
    try:
        return sha256(path) == record["fused"]
    except (OSError, KeyError):
        return False
