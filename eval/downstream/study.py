"""A study: one model per method and seed, all with one budget; it can be resumed after any kill."""

import io
import json
import threading
import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from eval.downstream.intervals import Scored
from eval.downstream.methods import RECORD
from eval.downstream.scenes import SceneSet
from eval.downstream.splits import Split
from eval.downstream.training import Budget, Job
from fnet_jax.artifacts import provenance
from fnet_jax.artifacts.files import (
    read_bytes,
    read_text,
    replace_file,
    replace_text,
    writable,
)
from fnet_jax.artifacts.progress import Report
from fnet_jax.errors import InputError

MADE_OF = "study.json"
REMEDY = "use another --out"


class Task(Protocol):
    """What is trained: a detector or a segmenter."""

    def train(self, job: Job, say: Report) -> Path:
        """Trains a model or continues, and returns its predictions for the test scenes."""

    def predict(self, job: Job, images: Path, out: Path) -> Path:
        """Applies a trained model to other images of the test scenes."""

    def scored(self, job: Job, predictions: Path) -> Scored:
        """Compares predictions with the truth."""

    def restored(self, job: Job, arrays: Mapping[str, np.ndarray]) -> Scored:
        """The same from the arrays of a score; raises KeyError or ValueError."""

    def losses(self, job: Job) -> list[float]:
        """The training loss of each epoch."""

    def draw(self, path: Path, trained: Mapping[str, Sequence[tuple[Job, Path]]]) -> None:
        """Writes a picture of what the first model of each method found in some scenes."""


@dataclass(frozen=True)
class Study:
    """What all models of a study share.

    Attributes:
        out: folder of the study.
        scenes: with the truth.
        split: training and test scenes.
        budget: budget of each model.
        seeds: one model of each method for each seed.
        python: interpreter of the environment of the programs.
        data: fingerprint of the images and the truth.
        program: what is trained.
        versions: versions of the programs.
        start: the initial weights, in words.
    """

    out: Path
    scenes: SceneSet
    split: Split
    budget: Budget
    seeds: tuple[int, ...]
    python: Path
    data: str
    program: str
    versions: Mapping[str, str]
    start: str = "random weights"

    def job(self, images: Path, method: str, seed: int) -> Job:
        """The training of a method with a seed."""
        split = f"{self.split.name}-{self.split.sha256[:8]}"
        folder = self.out / "runs" / split / method / f"seed{seed}"
        return Job(images, self.scenes, self.split, self.budget, seed, folder, self.python)

    def begin(self) -> None:
        """Records what the study depends on.

        Raises:
            InputError: the folder has a study of other data, budgets, splits or programs.
        """
        made_of = {
            "set": self.scenes.title,
            "task": self.scenes.task,
            "data": self.data,
            "program": self.program,
            "budget": asdict(self.budget),
            "versions": dict(self.versions),
            "start": self.start,
        }
        path = self.out / MADE_OF
        with writable(self.out, remedy=REMEDY):
            self.out.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                replace_text(path, json.dumps(made_of, indent=1) + "\n")
                return
            try:
                before = json.loads(read_text(path))
            except ValueError as error:
                raise InputError(f"{path} is damaged ({error}); {REMEDY}") from error
        before.setdefault("program", self.program)  # the first studies did not record it
        changed = [name for name, value in made_of.items() if before.get(name) != value]
        if changed:
            raise InputError(
                f"{self.out} has a study with another {' and '.join(changed)}; {REMEDY}"
            )


def train_all(
    study: Study, task: Task, methods: Mapping[str, Path], *, at_once: int = 1, say: Report
) -> dict[str, list[tuple[Job, Path]]]:
    """Trains the models that are not trained yet, seed by seed, ``at_once`` at a time.

    ``methods`` are folders of images by name.

    Returns:
        The jobs of each method with the predictions of their models, in the order of the seeds. If
        the scores of a model exist (:func:`score_all`), its predictions need not.

    Raises:
        InputError: a program failed; the others that run at the time are finished first.
    """
    jobs = [
        (name, study.job(folder, name, seed))
        for seed in study.seeds
        for name, folder in methods.items()
    ]
    lock, failed = threading.Lock(), threading.Event()

    def train(item: tuple[str, Job]) -> Path:
        name, job = item

        def told(line: str) -> None:
            with lock:
                say(f"{name}, seed {job.seed}: {line}")

        if failed.is_set():
            raise CancelledError
        try:
            _bind(job, job.images, None)
            if _scores(job, None).exists() and not (job.folder / "done.json").exists():
                return job.folder
            return task.train(job, told)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(at_once) as pool:
        work = [pool.submit(train, item) for item in jobs]
        wait(work)
    for future in work:
        if (error := future.exception()) and not isinstance(error, CancelledError):
            raise error
    found = [future.result() for future in work]
    trained: dict[str, list[tuple[Job, Path]]] = {name: [] for name in methods}
    for (name, job), predictions in zip(jobs, found, strict=True):
        trained[name].append((job, predictions))
    return trained


def score_all(
    task: Task,
    trained: Mapping[str, Sequence[tuple[Job, Path]]],
    *,
    fixed: bool = False,
    truth: tuple[str, SceneSet] | None = None,
) -> dict[str, list[Scored]]:
    """The scores of all models, each stored in a small file beside the model.

    These files are enough to continue a study on another machine: models with scores are not
    trained or applied again.

    Args:
        task: what was trained.
        trained: jobs and predictions, by method.
        fixed: whether these are the models of one method on the images of each.
        truth: the name of another truth, and the scenes with it; None for that of the study.

    Raises:
        InputError: a file of scores is damaged or of other scenes, or another truth needs a model
            of which only the scores are available.
    """
    against = ""
    if truth:
        label, scenes = truth
        against = f"{label} {fingerprint_of_truth(scenes)[:8]}"
        trained = {
            name: [(replace(job, scenes=scenes), found) for job, found in models]
            for name, models in trained.items()
        }
    return {
        name: [_scored(task, job, found, name if fixed else None, against) for job, found in models]
        for name, models in trained.items()
    }


def fingerprint_of_truth(truth: SceneSet) -> str:
    """SHA-256 over the names and files of another truth."""
    return provenance.fingerprint((scene.name, scene.truth) for scene in truth.scenes)


def _bind(job: Job, seen: Path, on: str | None) -> None:
    """Records the images that a model is trained on or applied to.

    Raises:
        InputError: they differ from the recorded ones.
    """
    made_of = read_text(seen / RECORD)
    path = job.folder / ("images.json" if on is None else f"images on {on}.json")
    with writable(path, remedy=REMEDY):
        job.folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            replace_text(path, made_of)
            return
    if read_text(path) != made_of:
        raise InputError(f"{job.folder} is of other images than {seen}; remove that folder")


def _scores(job: Job, on: str | None, against: str = "") -> Path:
    name = "scores" if on is None else f"scores on {on}"
    return job.folder / (f"{name} against {against}.npz" if against else f"{name}.npz")


def _scored(task: Task, job: Job, predictions: Path, on: str | None, against: str) -> Scored:
    path = _scores(job, on, against)
    if path.exists():
        try:
            with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as kept:
                return task.restored(job, dict(kept))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{path} is damaged or of another study ({error}); remove it"
            ) from error
    if predictions == job.folder:
        raise InputError(
            f"{path} does not exist, and only other scores of this model do; copy the file here, "
            f"or remove the folder to train the model again"
        )
    found, file = task.scored(job, predictions), io.BytesIO()
    arrays: dict[str, Any] = dict(found.arrays())
    np.savez_compressed(file, **arrays)
    with writable(path, remedy=REMEDY), replace_file(path) as out:
        out.write(file.getvalue())
    return found


def apply_to_all(
    task: Task, models: Sequence[Job], methods: Mapping[str, Path]
) -> dict[str, list[tuple[Job, Path]]]:
    """Applies the models of one method to the images of all, which is what a deployed one sees."""
    return {
        name: [(job, _applied(task, job, folder, name)) for job in models]
        for name, folder in methods.items()
    }


def _applied(task: Task, job: Job, images: Path, name: str) -> Path:
    out = job.folder / "on" / name
    _bind(job, images, name)
    if _scores(job, name).exists() and not out.exists():
        return job.folder
    return task.predict(job, images, out)
