"""Prepared sets of image pairs, as training reads them: at random, from any thread or process."""

import bisect
import contextlib
import hashlib
import io
import itertools
import json
import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from fnet_jax.errors import InputError, first_line
from fnet_jax.pairs.public_sets import SETS, guess

BUILDER, VERSION = "image_pairs", "1.0.0"  # of the TFDS data set, and folders below data_dir
ANEW = "prepare the set anew with --overwrite"
INFO = "dataset_info.json"  # which TFDS writes last

Progress = Callable[[Sequence[Any], str], Iterable[Any]]
"""Wraps what is about to be worked on, to show how far the work is; is told what is done."""


@dataclass(frozen=True)
class PreparedSet:
    """A set of image pairs on disk.

    Attributes:
        name: what it is looked up by.
        folder: where its files are.
        title: its name in print.
        home: address of its public home; empty for images of a user's own.
        fingerprint: SHA-256 over splits, names, shapes and pixels, as 64 hexadecimal digits.
        counts: number of pairs, by split.
        smallest: least height and least width of its images, in pixels.
        left_out: number of scenes of the source that are not in it, their files being bad.
    """

    name: str
    folder: Path
    title: str
    home: str
    fingerprint: str
    counts: dict[str, int]
    smallest: list[int]
    left_out: int = 0

    def pairs(self, split: str | None = None) -> "PreparedPairs":
        """The pairs of a split, or of all splits, one after the other, in order of their names.

        Raises:
            InputError: there is no such split, or its files are damaged.
        """
        if split is not None and split not in self.counts:
            raise InputError(
                f"{self.folder}: has no split {split}; give {' or '.join(self.counts)}"
            )
        return PreparedPairs(self.folder, tuple(self.counts) if split is None else (split,))

    def verify(self, *, progress: Progress = lambda items, doing: items) -> None:
        """Reads every pair.

        Raises:
            InputError: the set cannot be read or is not what its fingerprint says.
        """
        digests = {}
        for split in self.counts:
            pairs = self.pairs(split)
            for index in progress(range(len(pairs)), f"reading back {split}"):
                pair = pairs[index]
                digests[split, pair["name"]] = digest(split, **pair)
        if fingerprint_of(digests) != self.fingerprint:
            raise InputError(f"{self.folder}: is not what was written; {ANEW}")


class PreparedPairs(Sequence[dict[str, Any]]):
    """Random access to the pairs of a prepared set; may be pickled and shared by threads."""

    def __init__(self, folder: Path, splits: tuple[str, ...]) -> None:
        """Opens splits of the set in ``folder``.

        Raises:
            InputError: the set is damaged.
        """
        self._folder, self._splits = folder, splits
        # Pillow decodes: TFDS would take OpenCV where it is installed, and log where it is not.
        raw = {"I1": tfds.decode.SkipDecoding(), "I2": tfds.decode.SkipDecoding()}
        with damage_named(folder):
            builder = tfds.builder_from_directory(folder)
            self._sources = [builder.as_data_source(split, decoders=raw) for split in splits]
        self._ends = list(itertools.accumulate(map(len, self._sources)))

    def __reduce__(self) -> tuple[Any, ...]:
        return PreparedPairs, (self._folder, self._splits)

    def __repr__(self) -> str:
        return f"PreparedPairs({str(self._folder)!r}, {self._splits})"

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:  # type: ignore[override]
        """Pair ``index``: ``I1``, uint8 (H, W, 3), ``I2``, uint8 (H, W, 1), and its ``name``.

        Raises:
            InputError: the set is damaged there.
            IndexError: there is no such pair.
        """
        number = range(len(self))[operator.index(index)]
        part = bisect.bisect_right(self._ends, number)
        first = self._ends[part - 1] if part else 0
        with damage_named(self._folder):
            example = self._sources[part][number - first]
            return {
                "I1": _decoded(example["I1"], 3),
                "I2": _decoded(example["I2"], 1),
                "name": example["name"].decode(),
            }


def default_data_dir() -> Path:
    """Where prepared sets are kept if nothing else is said: where TFDS keeps its own."""
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def open_set(which: str, *, data_dir: Path) -> PreparedSet:
    """Opens a prepared set.

    Args:
        which: its name, or the path of its folder.
        data_dir: where sets are looked up by name.

    Raises:
        InputError: there is no such set, or it is damaged as far as a quick look tells.
    """
    path = Path(which).expanduser()
    places = (folder_of(data_dir, which), path, path / VERSION)
    folder = next((place for place in places if (place / INFO).is_file()), None)
    if folder is None:
        dataset = which.lower() if which.lower() in SETS else f"own --name {path.name}"
        source = Path("FOLDER")
        if path.is_dir():
            dataset, source = guess(path), path
        raise InputError(
            f"{which}: is not prepared in {data_dir}; "
            f"prepare it: python -m train.prepare {dataset} --source {source}"
        )
    with damage_named(folder):
        known = dict(tfds.builder_from_directory(folder).info.metadata)
        prepared = PreparedSet(folder=folder, **known)
    for split, count in prepared.counts.items():
        pairs = prepared.pairs(split)
        if len(pairs) != count:
            raise InputError(f"{folder}: has {len(pairs)} of {count} pairs of {split}; {ANEW}")
        _ = pairs[0], pairs[-1]  # what was cut short cannot be read even there
    return prepared


def folder_of(data_dir: Path, name: str) -> Path:
    """Where a set of that name lies."""
    return data_dir / BUILDER / name / VERSION


def _decoded(png: bytes, channels: int) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        array = np.array(image)
        return array.reshape(*array.shape[:2], channels)


def digest(split: str, name: str, I1: np.ndarray, I2: np.ndarray) -> str:
    """SHA-256 of one pair: its split, name, shapes and pixels."""
    head = json.dumps([split, name, I1.shape, I2.shape])
    return hashlib.sha256(b"".join([head.encode(), I1.tobytes(), I2.tobytes()])).hexdigest()


def fingerprint_of(digests: Mapping[tuple[str, str], str]) -> str:
    """SHA-256 over the pairs' digests in order of split and name."""
    return hashlib.sha256("".join(digests[key] for key in sorted(digests)).encode()).hexdigest()


@contextlib.contextmanager
def damage_named(folder: Path) -> Iterator[None]:
    """Turns whatever the readers of a damaged set raise into an InputError."""
    try:
        yield
    except Exception as error:  # many kinds, by what is damaged
        raise InputError(
            f"{folder}: is damaged or no set of image pairs ({first_line(error)}); {ANEW}"
        ) from error
