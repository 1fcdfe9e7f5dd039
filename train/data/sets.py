"""Builds the sets of image pairs that training reads, and verifies them.

A set is a TFDS data set in ``array_record`` files, which need no TensorFlow. An example holds
``I1``, uint8 (H, W, 3), ``I2``, uint8 (H, W, 1), and ``name``, a text.
"""

import contextlib
import io
import logging
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from fnet_jax import images
from fnet_jax.artifacts.progress import Tell
from fnet_jax.errors import InputError, first_line
from fnet_jax.pairs.match import Pair
from fnet_jax.pairs.public_sets import SETS, Found, ImageSet, find
from train.data.prepared import VERSION, PreparedSet, Progress, digest, fingerprint_of, folder_of

SHARD = 1000  # pairs in a file at most
PNG_LEVEL = 1  # of compression: level 6 takes three times as long and saves an eighth


@dataclass(eq=False)
class PairsConfig(tfds.core.BuilderConfig):
    """One of the sets that :class:`ImagePairs` builds.

    Attributes:
        about: what is known of the set.
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

    @property
    def pairs(self) -> int:
        """Number of pairs that the paper uses; 0 for images of a user's own."""
        return sum(self.about.paper.values())


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
        progress: Progress = lambda items, doing: items,
        **arguments: Any,
    ) -> None:
        """Sets up the builder.

        Args:
            pairs: what to build the set of, by split and name.
            metadata: what to keep beside it.
            progress: see :data:`Progress`.
            arguments: for TFDS; ``config`` and ``data_dir`` among them.
        """
        self._pairs, self._metadata, self._progress = pairs or {}, metadata or {}, progress
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
        """Writes the set pair by pair into its folder, which must not be there.

        TFDS's ``download_and_prepare`` first gathers each split in memory, and what is over 1 GB on
        disk by means of TensorFlow.
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
        for index, (name, pair) in enumerate(self._progress(pairs, f"writing {split}")):
            i1, i2 = _read_pair(pair)
            yield index, {"I1": _png(i1), "I2": _png(i2[..., 0]), "name": name}


def prepare(
    dataset: str,
    source: Path,
    *,
    data_dir: Path,
    name: str | None = None,
    overwrite: bool = False,
    skip_bad: bool = False,
    report: Tell = print,
    progress: Progress = lambda items, doing: items,
) -> PreparedSet:
    """Builds a set from image files, whole or not at all, and verifies it.

    Images of I1 become RGB and those of I2 grey, both of 8 bits.

    Args:
        dataset: one of :data:`DATASETS`.
        source: the folder with its images.
        data_dir: where prepared sets are kept; made if it is not there.
        name: what a set of one's ``own`` is called; None for the name of the folder.
        overwrite: replace a set that is there.
        skip_bad: write the sound pairs although others are not.
        report: is called for each file that cannot be used.
        progress: see :data:`Progress`.

    Raises:
        InputError: a file cannot be used and ``skip_bad`` is not given, no pair is sound, the set
            is there already, or it cannot be written. Then nothing has changed.
    """
    config = _config(dataset, source, name)
    folder = folder_of(data_dir, config.name)
    if folder.exists() and not overwrite:
        raise InputError(f"{folder}: is there already; give --overwrite to replace it")
    found = find(source, config.about)
    digests, smallest = _check(found, report, progress)
    if found.problems and not skip_bad:
        files = f"{len(found.problems)} file{'s' * (len(found.problems) != 1)}"
        raise InputError(
            f"{source}: {files} cannot be used, so no set was written; "
            f"mend them, or give --skip-bad to leave them out"
        )
    if not digests:
        raise InputError(f"{source}: has no pair that can be used, so no set was written")
    metadata = {
        "name": config.name,
        "title": config.title,
        "home": config.home,
        "fingerprint": fingerprint_of(digests),
        "counts": {split: len(pairs) for split, pairs in found.pairs.items()},
        "smallest": smallest,
        "left_out": found.left_out,
    }
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".preparing-", dir=data_dir) as work:
            with _quiet():
                builder = ImagePairs(
                    config=config,
                    data_dir=work,
                    pairs=found.pairs,
                    metadata=metadata,
                    progress=progress,
                )
            builder.write()
            PreparedSet(folder=Path(builder.data_path), **metadata).verify(progress=progress)
            _put(Path(builder.data_path), folder, Path(work))
    except (OSError, RuntimeError) as error:  # the latter from the writer of the record files
        raise InputError(
            f"{data_dir}: cannot be written to ({first_line(error)}); give another --data-dir"
        ) from error
    return PreparedSet(folder=folder, **metadata)


def _config(dataset: str, source: Path, name: str | None) -> PairsConfig:
    if dataset not in DATASETS:
        raise InputError(f"{dataset}: is no known set; give one of {', '.join(DATASETS)}")
    if dataset != "own":
        if name is not None:
            raise InputError(f"{name}: only a set of your own has a --name; leave it out")
        return DATASETS[dataset]
    if name is None:
        name = re.sub(r"[^a-z0-9]+", "_", source.resolve().name.lower()).strip("_")
        name = f"own_{name}" if name in DATASETS or not name[:1].isalpha() else name
    elif name in DATASETS and name != "own":
        raise InputError(f"{name}: is the name of a published set; give another --name")
    elif not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise InputError(f"{name}: is no name; give a --name of small letters, digits and _")
    return DATASETS.get(name) or PairsConfig(name=name, description=SETS["own"].title)


def _put(new: Path, folder: Path, work: Path) -> None:
    """Moves a set to its place; if that fails, what was there stays."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not folder.exists():
        new.rename(folder)
        return
    old = folder.rename(work / "old")
    try:
        new.rename(folder)
    except OSError:
        old.rename(folder)
        raise


def _check(
    found: Found, report: Tell, progress: Progress
) -> tuple[dict[tuple[str, str], str], list[int]]:
    """Takes bad pairs out of what was found.

    Returns a digest of each sound one, and the least height and width among those.
    """
    for problem in found.problems:
        report(problem)
    digests, sizes = {}, []
    for split, pairs in list(found.pairs.items()):
        for name, pair in progress(list(pairs.items()), f"checking {split}"):
            arrays, problems = _checked(pair)
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
    return digests, [min(lengths) for lengths in zip(*sizes, strict=True)]


def _checked(pair: Pair) -> tuple[list[np.ndarray], list[str]]:
    """I1 and I2 of a pair, and what is wrong with its files."""
    arrays, problems = [], []
    for path, grey in ((pair.i1, False), (pair.i2, True)):
        try:
            arrays.append(_read(path, grey=grey))
        except InputError as error:
            problems.append(str(error))
    if not problems and arrays[0].shape[:2] != arrays[1].shape[:2]:
        (h1, w1), (h2, w2) = (array.shape[:2] for array in arrays)
        problems.append(
            f"{pair.i1} is {w1}×{h1} but {pair.i2} is {w2}×{h2}; register them to one size"
        )
    return arrays, problems


def _read_pair(pair: Pair) -> list[np.ndarray]:
    arrays, problems = _checked(pair)
    if problems:
        raise InputError(problems[0])
    return arrays


def _read(path: Path, *, grey: bool) -> np.ndarray:
    """An image of 8 bits, (H, W, 1) if grey and (H, W, 3) otherwise."""
    image = images.read(path, grey=grey)
    if image.dtype == np.uint16:
        image = np.rint(image / 257).astype(np.uint8)
    return image if image.ndim == 3 else np.repeat(image[..., None], 1 if grey else 3, axis=2)


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
