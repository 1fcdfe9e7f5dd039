"""Fusion metrics of image files of one or several methods, on all cores; bad files are reported."""

import itertools
import logging
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from fnet_jax import images
from fnet_jax.artifacts.progress import Progress, Report, silent
from fnet_jax.errors import InputError
from fnet_jax.images.jobs import TYPES, Rules, rules_of
from fnet_jax.images.levels import to_8_bits
from fnet_jax.images.range_rules import TYPE, Rule
from fnet_jax.metrics.catalogue import check_metrics, evaluate, find_profile
from fnet_jax.pairs.match import Pair, by_stem, check_sizes, folded, match, partners
from fnet_jax.pairs.patterns import Patterns
from fnet_jax.runtime.cores import cores
from fnet_jax.runtime.memory import keep_freed
from fnet_jax.runtime.pool import Pool

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FusedScene:
    """One pair of sources and its fused images.

    Attributes:
        name: the stem of I1's file name.
        i1: file of I1.
        i2: file of I2.
        fused: file of the fused image, by method.
    """

    name: str
    i1: Path
    i2: Path
    fused: Mapping[str, Path]


@dataclass(frozen=True)
class Outcome:
    """The result of a scene: values by method, and a line for each file that failed."""

    name: str
    values: Mapping[str, Sequence[float]]
    problems: Sequence[str]


@dataclass(frozen=True)
class Scores:
    """Metrics of methods on images.

    Attributes:
        profile: name of the profile, which defines the variants of the metrics.
        metrics: names of the metrics, in the order of tables.
        methods: names of the methods, in the order of the scene that most have fused.
        images: names of the pairs, sorted.
        values: float64 array (methods, images, metrics); NaN where a metric is undefined or a
            method has no such image.
        rules: values of deep sources, I1 and I2, that were taken as black and white.
    """

    profile: str
    metrics: tuple[str, ...]
    methods: tuple[str, ...]
    images: tuple[str, ...]
    values: np.ndarray
    rules: Rules = TYPES

    @property
    def complete(self) -> int:
        """Number of images that all methods have values for."""
        return int((~np.isnan(self.values).all(axis=2)).all(axis=0).sum())


def find_scenes(
    i1: Path, i2: Path, methods: Mapping[str, Path], *, patterns: Patterns | None = None
) -> tuple[list[FusedScene], list[str]]:
    """The scenes of two folders of sources and a folder of fused images for each method.

    Files whose names differ only in the suffix belong together.

    Args:
        i1: folder of I1, a file, or a glob.
        i2: folder of I2, a file, or a glob.
        methods: folder of fused images, or a file, by name of the method.
        patterns: as for :func:`fnet_jax.pairs.match.match`.

    Returns:
        The scenes that at least one method has fused, sorted by name, and a line for each file
        without a partner.

    Raises:
        InputError: a folder cannot be read, has no image, or has none that matches the sources.
    """
    sources, problems = match(i1, i2, patterns=patterns)
    if not sources:
        raise InputError(f"{i1} and {i2} have no images with equal names; rename the files")
    if not i1.is_file():
        both = i1.is_dir() and i2.is_dir() and patterns is None
        return scenes_of(
            sources, problems, methods, strays=[*by_stem(i1), *by_stem(i2)] if both else None
        )
    for path in methods.values():
        if not path.exists():
            raise InputError(f"{path} does not exist; check the name")
        if path.is_dir():
            raise InputError(f"{path} is not a file, but {i1} is; use a file for both")
    return [FusedScene(sources[0].name, i1, i2, dict(methods))], problems


def scenes_of(
    pairs: Sequence[Pair],
    problems: Sequence[str],
    methods: Mapping[str, Path],
    *,
    strays: Sequence[str] | None = None,
) -> tuple[list[FusedScene], list[str]]:
    """The scenes of pairs and a folder of fused images for each method.

    Args:
        pairs: the sources. A fused image has the name of the pair, or that of I1's file.
        problems: lines about sources that are not pairs.
        methods: folder of fused images, by name of the method.
        strays: names of all source files, without suffix; fused images with other names are
            reported. None if the pairs are only some of those that were fused.

    Returns:
        As :func:`find_scenes`, with the given problems first.

    Raises:
        InputError: there is no pair, or a folder cannot be read, has no image, or none that
            matches.
    """
    lines = list(problems)
    fused: dict[Path, dict[str, Path]] = {pair.i1: {} for pair in pairs}
    for method, path in methods.items():
        if not path.exists():
            raise InputError(f"{path} does not exist; check the name")
        if not path.is_dir():
            raise InputError(f"{path} is not a folder, but there are several sources; use a folder")
        theirs = by_stem(path)
        known = set(map(folded, theirs))
        ours: dict[str, list[Path]] = defaultdict(list)
        for pair in pairs:
            names = [unicodedata.normalize("NFC", name) for name in (pair.name, pair.i1.stem)]
            ours[next((n for n in names if folded(n) in known), names[0])].append(pair.i1)
        wanted = set(map(folded, ours))
        if strays is not None:  # a source without a partner has been reported already
            alone = set(map(folded, strays)) - wanted
            theirs = {key: x for key, x in theirs.items() if folded(key) not in alone}
        else:
            theirs = {key: x for key, x in theirs.items() if folded(key) in wanted}
        places = (next(iter(fused)).parent, path)
        found, more = partners(ours, theirs, partial(_expected, *places))
        lines += more
        for pair in found.values():
            fused[pair.i1][method] = pair.i2
        if not found:
            raise InputError(
                f"{path} has no fused image with the name of a source, such as "
                f"{next(iter(ours))}.png; rename the files"
            )
    return [FusedScene(p.name, p.i1, p.i2, fused[p.i1]) for p in pairs if fused[p.i1]], lines


def _expected(i1: Path, fused: Path, side: int, stem: str) -> Path:
    return (i1, fused)[side] / f"{stem}.*"


def score(
    scenes: Sequence[FusedScene],
    *,
    profile: str = "paper",
    metrics: Sequence[str] | None = None,
    workers: int | None = None,
    rule: Rule | Rules | None = None,
    report: Report = print,
    warn: Report = logger.warning,
    looking: Progress = silent,
    progress: Progress = silent,
) -> Scores:
    """Computes the metrics of fused image files.

    Scenes are distributed over processes, so a script that calls this needs the guard
    ``if __name__ == "__main__":``, as Python's multiprocessing requires, or ``workers=1``.

    Args:
        scenes: the scenes.
        profile: name of the variants, in :data:`fnet_jax.metrics.PROFILES`.
        metrics: names of the metrics; None for all of the profile.
        workers: number of processes; None for one per core, 1 for none beside this one.
        rule: which values of deep sources are black and white, of
            :mod:`fnet_jax.images.range_rules`; None for the default.
        warn: called with a line about each side whose range was chosen.
        looking: shows the progress of reading files for their range.
        report: called with a line for each image that cannot be scored, whose values are NaN.
        progress: shows the progress.

    Raises:
        InputError: a profile or metric is unknown, two scenes have the same name, every scene
            failed, or a process died.
    """
    names = check_metrics(find_profile(profile), metrics)
    if not scenes:
        raise InputError("there is nothing to score; use folders with images of the same names")
    fullest_first = sorted(scenes, key=lambda scene: -len(scene.fused))
    methods = tuple(dict.fromkeys(method for scene in fullest_first for method in scene.fused))
    stems = tuple(sorted(scene.name for scene in scenes))
    for one, two in itertools.pairwise(stems):
        if one == two:
            raise InputError(f"two scenes have the name {one!r}; rename one of them")
    values = np.full((len(methods), len(stems), len(names)), np.nan)
    scored = 0
    ones, twos = [scene.i1 for scene in scenes], [scene.i2 for scene in scenes]
    rules = rules_of(ones, twos, rule, report=warn, progress=looking)
    with _outcomes(scenes, profile, names, rules, workers or cores()) as outcomes:
        for outcome in progress(outcomes, total=len(scenes), desc="scoring"):
            for line in outcome.problems:
                report(line)
            scored += len(outcome.values)
            for method, of_method in outcome.values.items():
                values[methods.index(method), stems.index(outcome.name)] = of_method
    if not scored:
        raise InputError("no image could be scored; see the errors above")
    return Scores(profile, names, methods, stems, values, rules)


def read(path: Path, *, part: str | None = "picture", rule: Rule = TYPE) -> np.ndarray:
    """An image file as metrics need it: uint8 (H, W) or (H, W, 3); 16 bits are rounded to 8.

    ``part`` and ``rule`` are those of :func:`fnet_jax.images.read`.

    Raises:
        InputError: the file cannot be read.
    """
    return to_8_bits(images.read(path, part=part, rule=rule))


@contextmanager
def _outcomes(
    scenes: Sequence[FusedScene],
    profile: str,
    metrics: Sequence[str],
    rules: Rules,
    workers: int,
) -> Iterator[Iterator[Outcome]]:
    """The outcomes as they are computed, in processes where these are worth their start."""
    workers = min(workers, len(scenes))
    if workers == 1:
        yield (_score_scene(scene, profile, metrics, rules) for scene in scenes)
        return
    pool = Pool(workers, prepare=keep_freed)
    try:
        work = [pool.submit(_score_scene, s, profile, metrics, rules) for s in scenes]
        done = as_completed(work)
        yield (future.result() for future in done)
    except BrokenProcessPool as error:
        raise InputError(
            "a process that computed metrics was killed, perhaps because memory ran out; "
            "use fewer processes with --workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _score_scene(scene: FusedScene, profile: str, metrics: Sequence[str], rules: Rules) -> Outcome:
    values: dict[str, list[float]] = {}
    try:
        I1, I2 = read(scene.i1, rule=rules[0]), read(scene.i2, part=None, rule=rules[1])
        check_sizes(scene.i1, I1.shape, scene.i2, I2.shape)
    except InputError as error:
        return Outcome(scene.name, values, [str(error)])
    problems = []
    for method, path in scene.fused.items():
        try:
            If = read(path)
            if If.shape[:2] != I1.shape[:2]:
                raise InputError(
                    f"{path} is {_size(If)} but {scene.i1} is {_size(I1)}; "
                    f"use fused images of the sources' size"
                )
            found = evaluate(I1, I2, If, profile=profile, metrics=metrics)
            values[method] = [found[name] for name in metrics]
        except MemoryError:
            problems.append(f"{path}: not enough memory for {_size(I1)} pixels; use --workers 1")
        except InputError as error:
            problems.append(str(error))
    return Outcome(scene.name, values, problems)


def _size(image: np.ndarray) -> str:
    return f"{image.shape[1]}×{image.shape[0]}"
