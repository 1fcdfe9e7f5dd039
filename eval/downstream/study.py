"""A study: one model for each method and seed, all with one budget; resumable after any kill."""

import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from eval.downstream.intervals import Scored
from eval.downstream.scenes import SceneSet
from eval.downstream.splits import Split
from eval.downstream.training import Budget, Job
from fnet_jax.artifacts.files import read_text, replace_text, writable
from fnet_jax.artifacts.progress import Report
from fnet_jax.errors import InputError

MADE_OF = "study.json"
REMEDY = "use another --out"


class Task(Protocol):
    """What is trained: a detector or a segmenter."""

    def train(self, job: Job, say: Report) -> Path:
        """Trains a model, or goes on, and gives its predictions for the test scenes."""

    def predict(self, job: Job, images: Path, out: Path) -> Path:
        """Applies a trained model to other images of the test scenes."""

    def scored(self, job: Job, predictions: Path) -> Scored:
        """Holds predictions against the truth."""

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
        split: which train and which test.
        budget: of each model.
        seeds: one model of each method for each of them.
        python: interpreter of the environment that holds the programs.
        data: fingerprint of the images and the truth.
        versions: of the programs.
    """

    out: Path
    scenes: SceneSet
    split: Split
    budget: Budget
    seeds: tuple[int, ...]
    python: Path
    data: str
    versions: Mapping[str, str]

    def job(self, images: Path, method: str, seed: int) -> Job:
        """The training of a method with a seed."""
        split = f"{self.split.name}-{self.split.sha256[:8]}"
        folder = self.out / "runs" / split / method / f"seed{seed}"
        return Job(images, self.scenes, self.split, self.budget, seed, folder, self.python)

    def begin(self) -> None:
        """Records what the study is made of.

        Raises:
            InputError: the folder has a study of other data, budgets, splits or programs.
        """
        made_of = {
            "set": self.scenes.title,
            "task": self.scenes.task,
            "data": self.data,
            "budget": asdict(self.budget),
            "versions": dict(self.versions),
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
                raise InputError(f"{path}: damaged ({error}); {REMEDY}") from error
        changed = [name for name, value in made_of.items() if before.get(name) != value]
        if changed:
            raise InputError(
                f"{self.out}: has a study with another {' and '.join(changed)}; {REMEDY}"
            )


def train_all(
    study: Study, task: Task, methods: Mapping[str, Path], *, at_once: int = 1, say: Report
) -> dict[str, list[tuple[Job, Path]]]:
    """Trains the models that are not trained yet, seed by seed.

    Args:
        study: what they share.
        task: what is trained.
        methods: folders of images, by name.
        at_once: number of programs that run at a time.
        say: is called with lines about how far each is.

    Returns:
        The jobs of each method with the predictions of their models, in order of the seeds.

    Raises:
        InputError: a program failed; the others of its time are finished first.
    """
    jobs = [
        (name, study.job(folder, name, seed))
        for seed in study.seeds
        for name, folder in methods.items()
    ]
    lock = threading.Lock()

    def train(item: tuple[str, Job]) -> Path:
        name, job = item

        def told(line: str) -> None:
            with lock:
                say(f"{name}, seed {job.seed}: {line}")

        return task.train(job, told)

    with ThreadPoolExecutor(at_once) as pool:
        work = [pool.submit(train, item) for item in jobs]
        try:
            found = [future.result() for future in work]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    trained: dict[str, list[tuple[Job, Path]]] = {name: [] for name in methods}
    for (name, job), predictions in zip(jobs, found, strict=True):
        trained[name].append((job, predictions))
    return trained


def score_all(
    task: Task, trained: Mapping[str, Sequence[tuple[Job, Path]]]
) -> dict[str, list[Scored]]:
    """The scores of all models."""
    return {
        name: [task.scored(job, predictions) for job, predictions in models]
        for name, models in trained.items()
    }


def apply_to_all(
    task: Task, models: Sequence[Job], methods: Mapping[str, Path]
) -> dict[str, list[tuple[Job, Path]]]:
    """Applies the models of one method to the images of all: what a deployed one would see."""
    return {
        name: [(job, task.predict(job, folder, job.folder / "on" / name)) for job in models]
        for name, folder in methods.items()
    }
