"""The training data: a prepared set, a folder of image pairs, or synthetic scenes."""

import hashlib
import logging
import operator
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

from fnet_jax.artifacts.files import resolved
from fnet_jax.artifacts.progress import Progress, Report, silent
from fnet_jax.errors import DamagedError, InputError
from fnet_jax.pairs import public_sets
from fnet_jax.synthetic import random_scene
from train.data.luma import LumaPairs
from train.workdir import ELSEWHERE, check_workdir

if TYPE_CHECKING:
    from train.data.prepared import PreparedSet

SCENES, SCENE_SIDE = 1000, 256  # of the synthetic set
SHOWN = 20  # training pairs that replace validation pairs if none are kept out
HOW_TO_GET_MSRS = (
    "the paper trains on MSRS: clone https://github.com/Linfeng-Tang/MSRS and run "
    "python -m train.prepare msrs --source MSRS/"
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingData:
    """The training data of a run.

    Attributes:
        name: name of the set.
        title: a one-line description.
        fingerprint: SHA-256 of its names and pixels.
        train: pairs to train on; each a dict of ``I1`` and ``I2``, uint8 (H, W), and ``name``.
        validation: pairs kept out of training, or training pairs if none are.
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


class SyntheticPairs(Sequence[dict[str, Any]]):
    """Synthetic pairs, drawn on demand (see :mod:`fnet_jax.synthetic`)."""

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
        """SHA-256 over the number, the size and the pixels of the first scenes."""
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
    report: Report = print,
    progress: Progress = silent,
) -> TrainingData:
    """Finds the training data.

    Args:
        which: ``"auto"``, ``"synthetic"``, a prepared set's name or folder, or a folder of image
            pairs, which is prepared inside the workdir and stays there.
        split: split of the set; None for all.
        data_dir: folder of prepared sets; None for the default.
        crop: side of the crops in pixels; no image may be smaller.
        validation: number of pairs to keep out of training, at most a tenth of all.
        workdir: folder of the run.
        readers: number of processes that cache decoded images.
        report: gets a line for each image file that cannot be used.
        progress: shows the progress of preparing a folder.

    Raises:
        InputError: there is no such set, it is damaged or cannot be read, or its images are too
            small.
    """
    if which == "auto":
        which = "msrs" if _has_msrs(data_dir) else "synthetic"
    if which == "synthetic":
        if split is not None:
            raise InputError(f"--split {split}: synthetic scenes have no splits; omit --split")
        scenes = SyntheticPairs(SCENES, max(SCENE_SIDE, crop))
        title = f"{SCENES:,} synthetic scenes, drawn, not photographed; {HOW_TO_GET_MSRS}"
        return _divided("synthetic", title, scenes.fingerprint(), scenes, validation, readers)
    prepared = open_or_prepare(which, data_dir, workdir, report=report, progress=progress)
    if min(prepared.smallest) < crop:
        raise InputError(
            f"{prepared.folder} has images with a side of {min(prepared.smallest)} pixels, smaller "
            f"than the crops of {crop}; use --crop {min(prepared.smallest)} or less"
        )
    pairs = prepared.pairs(split)
    parts = f"split {split} of " if split else ""
    title = f"{len(pairs):,} pairs of {parts}{prepared.title} ({prepared.folder})"
    return _divided(prepared.name, title, prepared.fingerprint, pairs, validation, readers)


def _has_msrs(data_dir: Path | None) -> bool:
    from train.data.prepared import default_data_dir, is_prepared  # TFDS takes a second

    if data_dir is None:
        try:
            data_dir = default_data_dir()
        except InputError:  # a user without a home directory has no prepared sets
            return False
    return is_prepared("msrs", data_dir=data_dir)


def prepared_once(
    which: str,
    data_dir: Path | None,
    workdir: Path,
    *,
    report: Report = print,
    progress: Progress = silent,
) -> str:
    """The data that several runs with their own workdirs should use.

    A folder of image pairs is prepared once, inside ``workdir``, which is that of all the runs;
    the other arguments are those of :func:`find`.

    Returns:
        The path of a prepared set, or the given name.

    Raises:
        InputError: a folder cannot be used.
    """
    from train.data.prepared import readable

    with readable(f"--data {which}"):
        is_folder = Path(which).is_dir()
    if not is_folder:
        return which
    return str(open_or_prepare(which, data_dir, workdir, report=report, progress=progress).folder)


def open_or_prepare(
    which: str,
    data_dir: Path | None,
    workdir: Path,
    *,
    report: Report = print,
    progress: Progress = silent,
) -> "PreparedSet":
    """Opens a prepared set, or prepares a folder of images inside ``workdir``, unless it has been.

    The arguments are those of :func:`find`.

    Raises:
        InputError: there is no such set, it is damaged, or a folder cannot be used.
    """
    from train.data.prepared import (  # TFDS takes a second
        default_data_dir,
        folder_of,
        is_prepared,
        open_set,
        readable,
    )

    with readable(f"--data {which}"):
        folder = Path(which).expanduser()
        is_source = folder.is_dir() and not is_prepared(which)
    if not is_source:
        return open_set(which, data_dir=data_dir or default_data_dir())
    from train.data import sets

    check_workdir(workdir, "data")
    inside = workdir / "data" / hashlib.sha256(os.fsencode(resolved(folder))).hexdigest()[:12]
    with readable(f"--data {which}"):
        dataset = public_sets.guess(folder)
    name = None if dataset != "own" else "pairs"
    if folder_of(inside, name or dataset).exists():
        try:
            return open_set(name or dataset, data_dir=inside)
        except DamagedError as error:
            raise InputError(
                f"{inside}, prepared from {folder}, is damaged ({error}); remove it to have it "
                f"prepared again"
            ) from error
    logger.info("preparing %s inside %s", folder, inside)
    try:
        return sets.prepare(
            dataset,
            folder,
            data_dir=inside,
            name=name,
            report=report,
            progress=progress,
            elsewhere=ELSEWHERE,
        )
    except sets.BadFiles as error:
        raise InputError(
            f"{error}; python -m train.prepare {dataset} --source {folder} has more options"
        ) from error


def _divided(
    name: str, title: str, fingerprint: str, pairs: Sequence[Any], validation: int, readers: int
) -> TrainingData:
    """Keeps pairs out of training at equal distances, whatever the seed."""
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
