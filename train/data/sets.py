"""Builds and verifies the sets of image pairs that training reads."""

import contextlib
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from fnet_jax.artifacts.drafts import remove_left
from fnet_jax.artifacts.files import replace_folder, resolved
from fnet_jax.artifacts.progress import Progress, Report, silent
from fnet_jax.artifacts.words import counted
from fnet_jax.errors import InputError, reason
from fnet_jax.images.jobs import Rules, rules_of
from fnet_jax.images.range_rules import Rule
from fnet_jax.pairs import reading
from fnet_jax.pairs.match import Pair
from fnet_jax.pairs.patterns import Patterns
from fnet_jax.pairs.public_sets import SETS, Found, find
from train.data.builder import DATASETS, ImagePairs, PairsConfig, checked
from train.data.prepared import (
    BUILDER,
    PreparedSet,
    digest,
    fingerprint_of,
    folder_of,
    readable,
)

LONGEST_NAME = 100  # characters; for a user's own set
WORK = "work"  # subfolder in which TFDS builds a set
ABANDONED = 24 * 3600  # seconds; an older unfinished preparation has been abandoned

logger = logging.getLogger(__name__)


class BadFiles(InputError):
    """Some files of a set cannot be used."""


def prepare(
    dataset: str,
    source: Path | tuple[list[Pair], list[str]],
    *,
    data_dir: Path,
    name: str | None = None,
    overwrite: bool = False,
    skip_bad: bool = False,
    patterns: Patterns | None = None,
    rule: Rule | None = None,
    report: Report = print,
    warn: Report = logger.warning,
    progress: Progress = silent,
    elsewhere: str = "use another --data-dir",
) -> PreparedSet:
    """Builds a set from image files, whole or not at all, and verifies it.

    Images of I1 become RGB and those of I2 grey, both with 8 bits.

    Args:
        dataset: one of :data:`~train.data.builder.DATASETS`.
        source: the folder with its images; for ``own`` images it may be the pairs, which become the
            split ``train``, and a line for each file without a partner.
        data_dir: folder of prepared sets; created if it does not exist.
        name: name of an ``own`` set; None for the name of the folder.
        overwrite: replace an existing set.
        skip_bad: write the good pairs if others are bad.
        patterns: how the file names of I1 and I2 differ in an ``own`` set.
        rule: which values of deep images are black and white, of
            :mod:`fnet_jax.images.range_rules`; None for the default.
        report: gets a line for each file that cannot be used.
        warn: gets a line about each side whose range was chosen, and one about pairs in which I2
            shows color and I1 does not.
        progress: shows the progress.
        elsewhere: the remedy if ``data_dir`` cannot be written to, for the message.

    Raises:
        BadFiles: a file cannot be used and ``skip_bad`` is not set.
        InputError: no pair is good, the set exists, or it cannot be written. An existing set is
            then unchanged.
    """
    config = _config(dataset, source, name)
    if patterns and dataset != "own":
        raise InputError(f"--pattern is not needed for {dataset}, whose names are known; omit it")
    folder = folder_of(data_dir, config.name)
    with readable(str(data_dir)):
        exists = folder.exists()
    if exists and not overwrite:
        raise InputError(f"{folder} already exists; use --overwrite to replace it")
    if isinstance(source, Path):
        what = str(source)
        with readable(what):
            found = find(source, config.about, patterns=patterns)
    else:
        what, (listed, problems) = config.name, source
        found = Found({"train": {pair.name: pair for pair in listed}}, [*problems], len(problems))
    for split, pairs in found.pairs.items():
        found.pairs[split] = {_in_utf8(name): pair for name, pair in pairs.items()}
    given = [pair for pairs in found.pairs.values() for pair in pairs.values()]
    ones, twos = [pair.i1 for pair in given], [pair.i2 for pair in given]
    rules = rules_of(ones, twos, rule, report=warn, progress=progress)
    digests, smallest = _check(found, rules, report, warn, progress)
    if found.problems and not skip_bad:
        files = counted(len(found.problems), "file")
        raise BadFiles(
            f"{what}: {files} cannot be used, so no set was written; "
            f"fix them, or use --skip-bad to leave them out"
        )
    if not digests:
        raise InputError(f"{what} has no pair that can be used, so no set was written")
    metadata = {
        "name": config.name,
        "title": config.title,
        "home": config.home,
        "fingerprint": fingerprint_of(digests),
        "counts": {split: len(pairs) for split, pairs in found.pairs.items()},
        "smallest": smallest,
        "left_out": found.left_out,
        "ranges": [str(rule) for rule in rules],
    }
    try:
        _remove_left(data_dir)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replace_folder(folder, overwrite=overwrite) as new:
            with _quiet():
                builder = ImagePairs(
                    config=config,
                    data_dir=new / WORK,
                    pairs=found.pairs,
                    metadata=metadata,
                    rules=rules,
                    progress=progress,
                )
                builder.write()  # reads the files a second time; messages were shown the first
            for path in Path(builder.data_path).iterdir():
                path.rename(new / path.name)
            shutil.rmtree(new / WORK)
            PreparedSet(folder=new, **metadata).verify(progress=progress)
    except (OSError, RuntimeError) as error:  # RuntimeError from the writer of record files
        raise InputError(
            f"{data_dir} cannot be written to ({reason(error)}); check space and permissions "
            f"there, or {elsewhere}"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # it contains a set
            folder.parent.rmdir()
    return PreparedSet(folder=folder, **metadata)


def _in_utf8(name: str) -> str:
    """A part of a file's name as a UTF-8 locale has it, so that all locales agree."""
    return os.fsencode(name).decode("utf-8", "replace")


def _remove_left(data_dir: Path) -> None:
    """Removes leftovers of killed preparations of any set."""
    for of_set in (data_dir / BUILDER).glob("*"):
        remove_left(of_set)
        with contextlib.suppress(OSError):  # it contains a set, or one that is being prepared
            of_set.rmdir()
    for left in data_dir.glob(".preparing-*"):  # of an earlier version
        if time.time() - left.stat().st_mtime > ABANDONED:
            shutil.rmtree(left, ignore_errors=True)


def _config(dataset: str, source: object, name: str | None) -> PairsConfig:
    if dataset not in DATASETS:
        raise InputError(f"unknown set {dataset}; use one of {', '.join(DATASETS)}")
    if dataset != "own":
        if name is not None:
            raise InputError(f"--name {name!r} is only for your own images; omit it")
        return DATASETS[dataset]
    if name is None:
        if not isinstance(source, Path):
            raise InputError(
                "pairs from a list have no folder to take a name from; use --name NAME"
            )
        name = re.sub(r"[^a-z0-9]+", "_", resolved(source).name.lower()).strip("_")
        name = f"own_{name}" if name in DATASETS or not name[:1].isalpha() else name
        name = name[:LONGEST_NAME]
    elif name in DATASETS and name != "own":
        raise InputError(f"--name {name} is the name of a published set; use another one")
    elif not re.fullmatch(rf"[a-z][a-z0-9_]{{0,{LONGEST_NAME - 1}}}", name):
        shown = repr(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…")
        raise InputError(
            f"--name {shown} is invalid; use a letter followed by at most {LONGEST_NAME - 1} "
            f"lower-case letters, digits and _"
        )
    return DATASETS.get(name) or PairsConfig(name=name, description=SETS["own"].title)


def _check(
    found: Found, rules: Rules, report: Report, warn: Report, progress: Progress
) -> tuple[dict[tuple[str, str], str], list[int]]:
    """Removes bad pairs from those that were found.

    Returns a digest of each good one, and their smallest height and width.
    """
    for problem in found.problems:
        report(problem)
    digests, sizes, swapped = {}, [], list[Pair]()
    for split, pairs in list(found.pairs.items()):
        given = list(pairs.items())
        for name, pair in progress(given, total=len(given), desc=f"checking {split}"):
            arrays, problems = checked(pair, rules, swapped)
            for problem in problems:
                report(problem)
            if problems:
                del pairs[name]
                found.problems += problems
                found.left_out += 1
            else:
                digests[split, name] = digest(split, name, *arrays)
                sizes.append(arrays[0].shape[:2])
        if not pairs:
            del found.pairs[split]
    if swapped:
        warn(reading.swapped(swapped))
    return digests, [min(lengths) for lengths in zip(*sizes, strict=True)]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppresses TFDS's warnings about sets that it does not know by name."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(level)
