"""Prepared sets of image pairs, with random access from any thread or process."""

import bisect
import contextlib
import errno
import hashlib
import io
import itertools
import json
import operator
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from fnet_jax.artifacts.progress import Progress, silent
from fnet_jax.errors import DamagedError, InputError, first_line, reason
from fnet_jax.pairs.public_sets import SETS, guess

BUILDER, VERSION = "image_pairs", "1.0.0"  # of the TFDS data set; folders below data_dir
AGAIN = "prepare the set again with --overwrite"
INFO = "dataset_info.json"  # TFDS writes it last


@dataclass(frozen=True)
class PreparedSet:
    """A set of image pairs on disk.

    Attributes:
        name: name for lookups.
        folder: folder of its files.
        title: its published name.
        home: address of its public home; empty for a user's own images.
        fingerprint: SHA-256 over splits, names, shapes and pixels, as 64 hexadecimal digits.
        counts: number of pairs, by split.
        smallest: smallest height and smallest width of its images, in pixels.
        left_out: number of pairs of the source that are not in it because their files are bad.
        ranges: which values of deep images of I1 and of I2 became black and white.
    """

    name: str
    folder: Path
    title: str
    home: str
    fingerprint: str
    counts: dict[str, int]
    smallest: list[int]
    left_out: int = 0
    ranges: Sequence[str] = ("type", "type")

    def pairs(self, split: str | None = None) -> "PreparedPairs":
        """The pairs of a split, or of all splits one after the other, sorted by name.

        Raises:
            DamagedError: its files are damaged.
            InputError: there is no such split, or its files cannot be read.
        """
        if split is not None and split not in self.counts:
            raise InputError(f"{self.folder} has no split {split}; use {' or '.join(self.counts)}")
        return PreparedPairs(self.folder, tuple(self.counts) if split is None else (split,))

    def verify(self, *, progress: Progress = silent) -> None:
        """Reads every pair.

        Raises:
            DamagedError: the pairs do not match the fingerprint.
            InputError: the set cannot be read.
        """
        digests = {}
        for split in self.counts:
            pairs = self.pairs(split)
            for index in progress(
                range(len(pairs)), total=len(pairs), desc=f"reading back {split}"
            ):
                pair = pairs[index]
                digests[split, pair["name"]] = digest(split, **pair)
        if fingerprint_of(digests) != self.fingerprint:
            raise DamagedError(f"{self.folder} does not match its fingerprint; {AGAIN}")


class PreparedPairs(Sequence[dict[str, Any]]):
    """Random access to the pairs of a prepared set; may be pickled and shared by threads."""

    def __init__(self, folder: Path, splits: tuple[str, ...]) -> None:
        """Opens splits of the set in ``folder``.

        Raises:
            DamagedError: the set is damaged.
            InputError: it cannot be read.
        """
        self._folder, self._splits = folder, splits
        # Pillow decodes: TFDS would use OpenCV if installed, and log a message if not.
        raw = {"I1": tfds.decode.SkipDecoding(), "I2": tfds.decode.SkipDecoding()}
        with failure_explained(folder):
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
            DamagedError: the set is damaged there.
            InputError: it cannot be read.
            IndexError: there is no such pair.
        """
        number = range(len(self))[operator.index(index)]
        part = bisect.bisect_right(self._ends, number)
        first = self._ends[part - 1] if part else 0
        with failure_explained(self._folder):
            example = self._sources[part][number - first]
            return {
                "I1": _decoded(example["I1"], 3),
                "I2": _decoded(example["I2"], 1),
                "name": example["name"].decode(),
            }


def default_data_dir() -> Path:
    """The default folder of prepared sets, which is that of TFDS.

    Raises:
        InputError: the user has no home directory.
    """
    try:
        return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
    except RuntimeError as error:
        raise InputError(
            "the home directory is unknown; set TFDS_DATA_DIR, or use --data-dir"
        ) from error


def is_prepared(which: str, *, data_dir: Path | None = None) -> bool:
    """Whether ``which`` is the name of a set in ``data_dir`` (if given), or the folder of a set.

    Raises:
        InputError: a folder cannot be entered.
    """
    with readable(f"--data {which}"):
        return _found(which, data_dir) is not None


def _found(which: str, data_dir: Path | None) -> Path | None:
    path = Path(which).expanduser()
    places = [path, path / VERSION]
    if data_dir is not None:
        places.insert(0, folder_of(data_dir, which))
    return next((place for place in places if (place / INFO).is_file()), None)


@contextlib.contextmanager
def readable(what: str) -> Iterator[None]:
    """Turns a failure to access files into an InputError that names ``what`` was looked for."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # RuntimeError for ~ of an unknown user
        place = getattr(error, "filename", None)
        where = f" ({place})" if place and str(place) not in what else ""
        raise InputError(
            f"{what}: {reason(error)}{where}; check the name and permissions"
        ) from error


def open_set(which: str, *, data_dir: Path) -> PreparedSet:
    """Opens a prepared set by its name in ``data_dir``, or by the path of its folder.

    Raises:
        DamagedError: a quick check finds it damaged.
        InputError: there is no such set, or it cannot be read.
    """
    with readable(which):
        folder = _found(which, data_dir)
    if folder is None:
        path = Path(which).expanduser()
        dataset = which.lower() if which.lower() in SETS else f"own --name {path.name}"
        source = Path("FOLDER")
        if path.is_dir():
            dataset, source = guess(path), path
        raise InputError(
            f"{which} is not prepared in {data_dir}; "
            f"use python -m train.prepare {dataset} --source {source}"
        )
    with failure_explained(folder):
        known = dict(tfds.builder_from_directory(folder).info.metadata)
        prepared = PreparedSet(folder=folder, **known)
    for split, count in prepared.counts.items():
        pairs = prepared.pairs(split)
        if len(pairs) != count:
            raise DamagedError(f"{folder} has {len(pairs)} of {count} pairs of {split}; {AGAIN}")
        _ = pairs[0], pairs[-1]  # fails if a file was cut short
    return prepared


def folder_of(data_dir: Path, name: str) -> Path:
    """The folder of a set of that name."""
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
def failure_explained(folder: Path) -> Iterator[None]:
    """Turns any error of the readers of a set into an InputError that names the cause.

    They raise many kinds of exceptions for damaged data, and the same ones for failures of the
    machine. Data count as damaged only if no other cause is known and all files can be read.
    """
    try:
        yield
    except Exception as error:
        if (cause := _cause(error) or _unreadable(folder)) is not None:
            raise InputError(
                f"{folder} cannot be read ({reason(cause)}); solve that first, the data may be "
                f"intact"
            ) from error
        raise DamagedError(
            f"{folder} is damaged or not a set of image pairs ({first_line(error)}); {AGAIN}"
        ) from error


def _cause(error: BaseException | None) -> BaseException | None:
    """The failure of the machine, or the missing module, behind an error; None if there is none."""
    while error is not None:
        at_fault = isinstance(error, ImportError | MemoryError | RecursionError) or (
            isinstance(error, OSError) and error.errno not in (None, errno.ENOENT)
        )
        if at_fault:
            return error
        error = error.__cause__ or error.__context__
    return None


def _unreadable(folder: Path) -> OSError | None:
    """Why a file of a set cannot be read; None if all can."""
    try:
        for path in folder.iterdir():
            with path.open("rb") as file:
                while file.read(2**24):
                    pass
    except OSError as error:
        return error
    return None
