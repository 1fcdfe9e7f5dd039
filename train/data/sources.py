"""What a run learns from: a prepared set, a folder of image pairs, or synthetic scenes."""

import hashlib
import logging
import operator
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from fnet_jax.errors import InputError, first_line
from fnet_jax.images.color import LIMITED, LIMITED_OFFSET
from fnet_jax.pairs import public_sets
from fnet_jax.synthetic import random_scene

if TYPE_CHECKING:
    from train.data.prepared import PreparedSet

CACHE_BYTES = 2**31  # of decoded images, over all processes that read
SCENES, SCENE_SIDE = 1000, 256  # of the synthetic set
SHOWN = 20  # training pairs that stand in for validation pairs where none are kept out
HOW_TO_GET_MSRS = (
    "the paper trains on MSRS: clone https://github.com/Linfeng-Tang/MSRS and run "
    "python -m train.prepare msrs --source MSRS/"
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from.

    Attributes:
        name: of the set.
        title: a line that says plainly what it is.
        fingerprint: SHA-256 of its names and pixels.
        train: pairs to train on; each a dict of ``I1`` and ``I2``, uint8 (H, W), and ``name``.
        validation: pairs kept out of training; those of training where none are.
    """

    name: str
    title: str
    fingerprint: str
    train: Sequence[dict[str, Any]]
    validation: Sequence[dict[str, Any]]

    def described(self) -> dict[str, Any]:
        """Name, numbers of pairs and fingerprint, as JSON values."""
        return {
            "name": self.name,
            "title": self.title,
            "fingerprint": self.fingerprint,
            "train_pairs": len(self.train),
            "validation_pairs": len(self.validation),
        }


def limited_luma(rgb: np.ndarray) -> np.ndarray:
    """The training luma: limited-range BT.601, 16 + 65.481 R + 128.553 G + 24.966 B for R … in 0…1.

    Args:
        rgb: uint8 (H, W, 3).

    Returns:
        uint8 (H, W), values in 16…235.
    """
    return np.rint(rgb @ (LIMITED[0] / 255) + LIMITED_OFFSET[0]).astype(np.uint8)


class LumaPairs(Sequence[dict[str, Any]]):
    """Some pairs of a set as one-channel images, kept in memory as far as there is room."""

    def __init__(self, pairs: Sequence[Any], indices: Sequence[int], *, readers: int = 1) -> None:
        """Chooses pairs.

        Args:
            pairs: random access to ``I1``, uint8 (H, W, 3), ``I2``, uint8 (H, W, 1), and ``name``.
            indices: which.
            readers: number of processes that keep images.
        """
        self._pairs, self._indices = pairs, list(indices)
        self._budget = self._room = CACHE_BYTES // readers
        self._kept: dict[int, dict[str, Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": {}, "_room": self._budget}

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:  # type: ignore[override]
        i = range(len(self))[operator.index(index)]
        if i in self._kept:
            return self._kept[i]
        pair = self._pairs[self._indices[i]]
        found = {
            "I1": limited_luma(pair["I1"]),
            "I2": pair["I2"][..., 0],
            "name": pair["name"],
        }
        size = found["I1"].nbytes + found["I2"].nbytes
        if size <= self._room:
            self._room -= size
            self._kept[i] = found
        return found


class SyntheticPairs(Sequence[dict[str, Any]]):
    """Synthetic pairs, drawn when they are asked for (see :mod:`fnet_jax.synthetic`)."""

    def __init__(self, count: int, side: int) -> None:
        """``count`` scenes of ``side``×``side`` pixels."""
        self._count, self._side = count, side

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:  # type: ignore[override]
        i = range(self._count)[operator.index(index)]
        I1, I2 = random_scene(self._side, self._side, seed=i)
        return {"I1": I1, "I2": I2[..., None], "name": f"scene {i}"}

    def fingerprint(self) -> str:
        """SHA-256 over number, size and the pixels of the first scenes."""
        digest = hashlib.sha256(f"{self._count} {self._side}".encode())
        for i in range(3):
            scene = self[i]
            digest.update(scene["I1"].tobytes() + scene["I2"].tobytes())
        return digest.hexdigest()


def find(
    which: str,
    *,
    split: str | None,
    data_dir: Path | None,
    crop: int,
    validation: int,
    workdir: Path,
    readers: int = 1,
) -> TrainingData:
    """Finds what to train on.

    Args:
        which: ``"auto"``, ``"synthetic"``, a prepared set's name or folder, or a folder of image
            pairs, which is prepared inside the workdir and stays there.
        split: of the set; None for all.
        data_dir: where prepared sets are kept; None for the default.
        crop: side of the crops in pixels, which no image may be smaller than.
        validation: number of pairs to keep out of training; at most a tenth of all is.
        workdir: of the run.
        readers: number of processes that keep decoded images in memory.

    Raises:
        InputError: there is no such set, it is damaged, or its images are too small.
    """
    from train.data.prepared import INFO, default_data_dir, folder_of  # TFDS takes a second

    data_dir = data_dir or default_data_dir()
    if which == "auto":
        there = (folder_of(data_dir, "msrs") / INFO).exists()
        which = "msrs" if there else "synthetic"
    if which != "synthetic":
        prepared = open_or_prepare(which, data_dir, workdir)
    if which == "synthetic":
        if split is not None:
            raise InputError(f"--split {split}: synthetic scenes have no splits; leave it out")
        scenes = SyntheticPairs(SCENES, max(SCENE_SIDE, crop))
        title = f"{SCENES:,} synthetic scenes, drawn, not photographed; {HOW_TO_GET_MSRS}"
        return _divided("synthetic", title, scenes.fingerprint(), scenes, validation, readers)
    if min(prepared.smallest) < crop:
        raise InputError(
            f"{prepared.folder}: has images of {min(prepared.smallest)} pixels a side, smaller "
            f"than the crops of {crop}; give --crop {min(prepared.smallest)} or less"
        )
    pairs = prepared.pairs(split)
    parts = f"split {split} of " if split else ""
    title = f"{len(pairs):,} pairs of {parts}{prepared.title} ({prepared.folder})"
    return _divided(prepared.name, title, prepared.fingerprint, pairs, validation, readers)


def open_or_prepare(which: str, data_dir: Path, workdir: Path) -> "PreparedSet":
    """Opens a prepared set, or prepares a folder of images inside the workdir.

    Args:
        which: a prepared set's name or folder, or a folder of image pairs.
        data_dir: where prepared sets are kept.
        workdir: in which a folder of image pairs is prepared, or was.

    Raises:
        InputError: there is no such set, or it is damaged.
    """
    from train.data.prepared import INFO, VERSION, folder_of, open_set

    folder = Path(which).expanduser()
    is_prepared = any((place / INFO).is_file() for place in (folder, folder / VERSION))
    if not folder.is_dir() or is_prepared:
        return open_set(which, data_dir=data_dir)
    from tqdm import tqdm

    from train.data import sets

    inside = workdir / "data" / hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    dataset = public_sets.guess(folder)
    name = None if dataset != "own" else "pairs"
    if folder_of(inside, name or dataset).exists():
        try:
            return open_set(name or dataset, data_dir=inside)
        except InputError as error:
            raise InputError(
                f"{inside}: what was prepared of {folder} cannot be used ({error}); remove it, and "
                f"it is prepared anew"
            ) from error
    logger.info("preparing %s inside %s", folder, inside)
    try:
        return sets.prepare(
            dataset,
            folder,
            data_dir=inside,
            name=name,
            report=lambda line: tqdm.write(f"error: {line}", file=sys.stderr),
            progress=lambda items, doing: tqdm(items, desc=doing, leave=False, disable=None),
        )
    except InputError as error:
        raise InputError(
            f"{folder}: cannot be prepared ({first_line(error)}); python -m train.prepare "
            f"{dataset} --source {folder} has more options"
        ) from error


def _divided(
    name: str, title: str, fingerprint: str, pairs: Sequence[Any], validation: int, readers: int
) -> TrainingData:
    """Keeps pairs out of training at even distances, whatever the seed."""
    held = min(validation, len(pairs) // 10)
    kept_out = {(2 * i + 1) * len(pairs) // (2 * held) for i in range(held)}
    train = [i for i in range(len(pairs)) if i not in kept_out]
    return TrainingData(
        name=name,
        title=title,
        fingerprint=fingerprint,
        train=LumaPairs(pairs, train, readers=readers),
        validation=LumaPairs(pairs, sorted(kept_out) or train[: validation or SHOWN]),
    )
