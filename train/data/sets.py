"""Builds the sets of image pairs that training reads, and verifies them.

A set is a TFDS data set in ``array_record`` files, which need no TensorFlow. An example holds
``I1``, uint8 (H, W, 3), ``I2``, uint8 (H, W, 1), and ``name``, a text.
"""

import contextlib
import io
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from fnet_jax import images
from fnet_jax.artifacts.drafts import remove_left
from fnet_jax.artifacts.files import replace_folder, resolved
from fnet_jax.artifacts.progress import Progress, Report, silent
from fnet_jax.artifacts.words import counted
from fnet_jax.errors import InputError, reason
from fnet_jax.images.color import is_color
from fnet_jax.images.jobs import TYPES, Rules, rules_of
from fnet_jax.images.levels import to_8_bits
from fnet_jax.images.range_rules import Rule
from fnet_jax.pairs import reading
from fnet_jax.pairs.match import Pair, check_sizes
from fnet_jax.pairs.patterns import Patterns
from fnet_jax.pairs.public_sets import SETS, Found, ImageSet, find
from train.data.prepared import (
    BUILDER,
    VERSION,
    PreparedSet,
    digest,
    fingerprint_of,
    folder_of,
    readable,
)

SHARD = 1000  # pairs in a file at most
LONGEST_NAME = 100  # characters, of a set of one's own
WORK = "work"  # where TFDS builds a set, in the new folder
ABANDONED = 24 * 3600  # seconds after which nobody is still preparing
PNG_LEVEL = 1  # of compression: level 6 takes three times as long and saves an eighth

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class PairsConfig(tfds.core.BuilderConfig):
    """One of the sets that :class:`ImagePairs` builds.

    Attributes:
        about: the layouts, home and size of the set.
    """

    about: ImageSet = SETS["own"]

    @property
    def title(self) -> str:
        """The set's name in print."""
        return self.about.title

    @property
    def home(self) -> str:
        """Address of the set's public home; empty for images of a user's own."""
        return self.about.home


DATASETS: dict[str, PairsConfig] = {
    name: PairsConfig(name=name, description=about.title, about=about)
    for name, about in SETS.items()
}


class _LocalInfo(tfds.core.DatasetInfo):
    """TFDS's description of a set, which looks for nothing on the network."""

    def initialize_from_bucket(self) -> None:
        pass


class ImagePairs(tfds.core.GeneratorBasedBuilder):
    """Builds the sets of :data:`DATASETS` from pairs of image files."""

    VERSION = tfds.core.Version(VERSION)
    BUILDER_CONFIGS: ClassVar[list[PairsConfig]] = list(DATASETS.values())

    def __init__(
        self,
        *,
        pairs: Mapping[str, Mapping[str, Pair]] | None = None,
        metadata: Mapping[str, Any] | None = None,
        rules: Rules = TYPES,
        progress: Progress = silent,
        **arguments: Any,
    ) -> None:
        """Sets up the builder.

        Args:
            pairs: the image files, by split and name.
            metadata: JSON values to keep beside the pairs.
            rules: which values of deep images are black and white.
            progress: shows how far the work is.
            arguments: for TFDS; ``config`` and ``data_dir`` among them.
        """
        self._pairs, self._metadata, self._progress = pairs or {}, metadata or {}, progress
        self._rules = rules
        super().__init__(file_format="array_record", **arguments)

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "I1": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
            "I2": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),
            "name": tfds.features.Text(),
        }
        return _LocalInfo(
            builder=self,
            description=self.builder_config.description,
            homepage=self.builder_config.home or None,
            features=tfds.features.FeaturesDict(features),
            metadata=tfds.core.MetadataDict(self._metadata),
            disable_shuffling=True,  # training shuffles; in order of names a set is easier to read
        )

    def write(self) -> None:
        """Writes the set pair by pair into its folder, which must not exist.

        TFDS's ``download_and_prepare`` first gathers each split in memory, and splits over 1 GB on
        disk, which needs TensorFlow.
        """
        self.data_path.mkdir(parents=True)
        writer = tfds.core.SequentialWriter(
            self.info, max_examples_per_shard=SHARD, file_format="array_record"
        )
        splits = self._split_generators(None)
        writer.initialize_splits(list(splits))
        for split, examples in splits.items():
            for _, example in examples:
                writer.add_examples({split: [example]})
        writer.close_all()

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, Any]]]:
        return {split: self._generate_examples(split) for split in self._pairs}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, Any]]:
        pairs = list(self._pairs[split].items())
        progress = self._progress(pairs, total=len(pairs), desc=f"writing {split}")
        for index, (name, pair) in enumerate(progress):
            i1, i2 = _read_pair(pair, self._rules)
            yield index, {"I1": _png(i1), "I2": _png(i2[..., 0]), "name": name}


class BadFiles(InputError):
    """Some of the files of a set cannot be used."""


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

    Images of I1 become RGB and those of I2 grey, both of 8 bits.

    Args:
        dataset: one of :data:`DATASETS`.
        source: the folder with its images; or for a set of one's ``own`` the pairs, which become
            its split ``train``, and a line for each file without a partner.
        data_dir: where prepared sets are kept; made if it does not exist.
        name: of a set of one's ``own``; None for the name of the folder.
        overwrite: replace a set that exists.
        skip_bad: write the sound pairs although others are not.
        patterns: how the file names of I1 and I2 differ, for a set of one's ``own``.
        rule: which values of deep images are black and white, of
            :mod:`fnet_jax.images.range_rules`; None for the default.
        report: gets a line for each file that cannot be used.
        warn: gets a line about each side whose range was chosen, and one about the pairs whose I2
            shows color and whose I1 does not.
        progress: shows how far the work is.
        elsewhere: the remedy if ``data_dir`` cannot be written to, for the message.

    Raises:
        BadFiles: a file cannot be used and ``skip_bad`` is not set.
        InputError: no pair is sound, the set exists, or it cannot be written. A set that existed
            before is unchanged then.
    """
    config = _config(dataset, source, name)
    if patterns and dataset != "own":
        raise InputError(f"--pattern: the names of {dataset} are known; leave it out")
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
        raise InputError(f"{what}: has no pair that can be used, so no set was written")
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
                builder.write()  # reads again what has been read, and said, before
            for path in Path(builder.data_path).iterdir():
                path.rename(new / path.name)
            shutil.rmtree(new / WORK)
            PreparedSet(folder=new, **metadata).verify(progress=progress)
    except (OSError, RuntimeError) as error:  # the latter from the writer of the record files
        raise InputError(
            f"{data_dir}: cannot be written to ({reason(error)}); check space and permissions "
            f"there, or {elsewhere}"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # it holds a set
            folder.parent.rmdir()
    return PreparedSet(folder=folder, **metadata)


def _in_utf8(name: str) -> str:
    """A part of a file's name as it is where the locale is UTF-8, so that every locale agrees."""
    return os.fsencode(name).decode("utf-8", "replace")


def _remove_left(data_dir: Path) -> None:
    """Removes what killed preparations of any set have left."""
    for of_set in (data_dir / BUILDER).glob("*"):
        remove_left(of_set)
        with contextlib.suppress(OSError):  # it holds a set, or one that is being prepared
            of_set.rmdir()
    for left in data_dir.glob(".preparing-*"):  # of an earlier version
        if time.time() - left.stat().st_mtime > ABANDONED:
            shutil.rmtree(left, ignore_errors=True)


def _config(dataset: str, source: object, name: str | None) -> PairsConfig:
    if dataset not in DATASETS:
        raise InputError(f"{dataset}: not a known set; use one of {', '.join(DATASETS)}")
    if dataset != "own":
        if name is not None:
            raise InputError(f"--name {name!r}: only a set of your own has a name; leave it out")
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
        raise InputError(f"--name {name}: the name of a published set; use another one")
    elif not re.fullmatch(rf"[a-z][a-z0-9_]{{0,{LONGEST_NAME - 1}}}", name):
        shown = repr(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…")
        raise InputError(
            f"--name {shown}: not a name of at most {LONGEST_NAME} small letters, digits and _ "
            f"that starts with a letter; use another one"
        )
    return DATASETS.get(name) or PairsConfig(name=name, description=SETS["own"].title)


def _check(
    found: Found, rules: Rules, report: Report, warn: Report, progress: Progress
) -> tuple[dict[tuple[str, str], str], list[int]]:
    """Takes bad pairs out of those that were found.

    Returns a digest of each sound one, and the least height and width among those.
    """
    for problem in found.problems:
        report(problem)
    digests, sizes, swapped = {}, [], list[Pair]()
    for split, pairs in list(found.pairs.items()):
        given = list(pairs.items())
        for name, pair in progress(given, total=len(given), desc=f"checking {split}"):
            arrays, problems = _checked(pair, rules, swapped)
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


def _checked(pair: Pair, rules: Rules, swapped: list[Pair]) -> tuple[list[np.ndarray], list[str]]:
    """I1 and I2 of a pair, and the problems with its files; adds it to those that look swapped."""
    arrays: list[np.ndarray] = []
    problems: list[str] = []
    for path, grey in ((pair.i1, False), (pair.i2, True)):
        try:
            if grey and arrays and not is_color(arrays[0]):
                image, colored = reading.grey_and_color(path, rule=rules[1])
                swapped += [pair] * colored
            else:
                part = None if grey else "picture"
                image = images.read(path, part=part, grey=grey, rule=rules[grey])
            arrays.append(_eight_bits(image, channels=1 if grey else 3))
            if len(arrays) == 2:
                check_sizes(pair.i1, arrays[0].shape, pair.i2, arrays[1].shape)
        except InputError as error:
            problems.append(str(error))
    return arrays, problems


def _read_pair(pair: Pair, rules: Rules) -> list[np.ndarray]:
    arrays, problems = _checked(pair, rules, [])
    if problems:
        raise InputError(problems[0])
    return arrays


def _eight_bits(image: np.ndarray, *, channels: int) -> np.ndarray:
    """An image of 8 bits, (H, W, channels)."""
    image = to_8_bits(image)
    return image if image.ndim == 3 else np.repeat(image[..., None], channels, axis=2)


def _png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=PNG_LEVEL)
    return file.getvalue()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps TFDS from warning of sets that it does not know by name."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(level)
