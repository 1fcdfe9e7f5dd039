"""Fuses and scores the sets that were found, and repeats only what has changed."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fnet_jax.artifacts import provenance
from fnet_jax.artifacts.files import sha256
from fnet_jax.artifacts.progress import Item, Progress, Report, silent
from fnet_jax.artifacts.words import counted
from fnet_jax.images.jobs import TYPES, Rules, rules_of
from fnet_jax.images.range_rules import Rule
from fnet_jax.metrics import PROFILES
from fnet_jax.pairs.match import Pair
from fnet_jax.paper import costs, state
from fnet_jax.paper.protocols import PROTOCOLS, Located
from fnet_jax.paper.state import Pairs, Record
from fnet_jax.scoring.run import FusedScene, score

if TYPE_CHECKING:
    from fnet_jax.fusing.fuser import Fuser
    from fnet_jax.sparse_coding.unrolled import Unrolled

PROFILE = "paper"
SAVE_EVERY = 2.0  # seconds; after an interruption, at most this much is fused again
METHOD = "ours"


@dataclass
class Run:
    """The results of a benchmark so far, kept in the file ``state.json`` of its folder.

    Attributes:
        folder: folder of the benchmark.
        made_with: what the results depend on, by name.
        pairs: records by set and name of the pair.
        costs: result of :mod:`fnet_jax.paper.costs`, if measured.
        rules: which values of deep images are black and white, by set.
    """

    folder: Path
    made_with: dict[str, Any]
    pairs: Pairs = field(default_factory=dict)
    costs: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, Rules] = field(default_factory=dict)

    @classmethod
    def resumed(cls, folder: Path, made_with: dict[str, Any], *, note: Report = print) -> "Run":
        """The run in a folder, with its results that are still valid; or a new one.

        ``note`` is called with a line on what is computed again, and why.

        Raises:
            InputError: the folder contains a benchmark of other weights, or cannot be read.
        """
        return cls(folder, made_with, *state.read(folder, made_with, note=note))

    def save(self) -> None:
        """Writes ``state.json``; raises InputError if it cannot."""
        state.write(self.folder, self.made_with, self.pairs, self.costs)

    def fused(self, name: str, pair: str) -> Path:
        """The file of a fused image."""
        return self.folder / "fused" / name / f"{pair}.png"

    def fuse(
        self,
        fuser: "Fuser",
        name: str,
        pairs: Mapping[str, Pair],
        *,
        report: Report,
        note: Report = print,
        progress: Progress = silent,
    ) -> None:
        """Fuses the pairs of a set whose sources or fused image differ from the record.

        ``report`` is called for each pair that failed, ``note`` if fused images are replaced.

        Raises:
            InputError: the folder cannot be written to.
        """
        from fnet_jax.fusing.batch import fuse_pairs

        before, records = self.pairs.get(name, {}), {}
        rules = self.rules.get(name, TYPES)
        sums = {pair: _checksums(files, rules) for pair, files in pairs.items()}
        for pair in pairs:
            record = before.get(pair, {})
            same = all(record.get(what) == made for what, made in sums[pair].items())
            if same and _is(self.fused(name, pair), record):
                records[pair] = record
        self.pairs[name] = records
        missing = {self.fused(name, pair): pair for pair in pairs if pair not in records}
        if not missing:
            return
        if replaced := sum(path.exists() for path in missing):
            images = counted(replaced, "fused image")
            note(f"{name}: replacing {images} without a valid record")
        written = fuse_pairs(
            fuser,
            [pairs[pair] for pair in missing.values()],
            self.folder / "fused" / name,
            color=PROTOCOLS[name].color,
            suffix=".png",
            overwrite=True,
            rule=rules,
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
        report: Report,
        progress: Progress = silent,
    ) -> None:
        """Scores the fused pairs of a set that have no values yet; reports those that cannot be."""

        def named(items: Iterable[Item], /, *, total: int, desc: str) -> Iterable[Item]:
            return progress(items, total=total, desc=f"{desc} {name}")

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
            rule=self.rules.get(name, TYPES),
            report=report,
            progress=named,
        )
        for pair, values in zip(scores.images, scores.values[0].tolist(), strict=True):
            records[pair]["values"] = dict(zip(scores.metrics, values, strict=True))
        self.save()

    def measure(self, ckpt: Path) -> None:
        """Measures the costs of fusing unless they are known; raises InputError if it cannot."""
        if not self.costs:
            self.costs = costs.measure(ckpt).described()
            self.save()


def made_with(network: "Unrolled", params: Any) -> dict[str, Any]:
    """What the results depend on, by name, as JSON values."""
    import jax

    from fnet_jax.weights.integrity import checksums

    return {
        "weights": provenance.fingerprint_of(checksums(params)),
        "network": network.settings(),
        "profile": {name: dict(x) for name, x in PROFILES[PROFILE].options.items()},
        "versions": provenance.versions(*provenance.NETWORK, *provenance.SCORING),
        "device": jax.local_devices()[0].device_kind,
        "devices": ", ".join(map(str, jax.local_devices())),
    }


def run_sets(
    run: Run,
    fuser: "Fuser",
    located: Mapping[str, Located],
    *,
    workers: int | None = None,
    rule: Rule | None = None,
    report: Report,
    note: Report = print,
    warn: Report = print,
    progress: Progress = silent,
) -> None:
    """Fuses and scores all sets that were found, and reports their bad files.

    ``rule`` states which values of deep images are black and white, for each set. ``report`` is
    called for each file that failed, ``note`` if fused images are replaced, and ``warn`` about
    each side whose range was chosen.
    """
    for name, found in located.items():
        for problem in found.problems:
            report(problem)
        ones, twos = ([getattr(p, i) for p in found.pairs.values()] for i in ("i1", "i2"))
        run.rules[name] = rules_of(ones, twos, rule, report=warn)
        run.fuse(fuser, name, found.pairs, report=report, note=note, progress=progress)
        run.score(name, found.pairs, workers=workers, report=report, progress=progress)


def _checksums(pair: Pair, rules: Rules) -> Record:
    """The inputs of a fused image: its sources, and their ranges where they are not the types'.

    A source that cannot be read has None; fusing will report it.
    """
    sums: Record = {"ranges": None if rules == TYPES else [str(rule) for rule in rules]}
    for which, path in (("i1", pair.i1), ("i2", pair.i2)):
        try:
            sums[which] = sha256(path)
        except OSError:
            sums[which] = None
    return sums


def _is(path: Path, record: Record) -> bool:
    """Whether a fused image is as it was written."""
    try:
        return sha256(path) == record["fused"]
    except (OSError, KeyError):
        return False
