"""``python -m eval.detect``: what fused images are worth to a detector."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from eval.downstream.command import Kind
from eval.downstream.command import main as run
from eval.downstream.config import DetectConfig
from fnet_jax.artifacts.progress import Report

if TYPE_CHECKING:
    import numpy as np

    from eval.downstream.intervals import Scored
    from eval.downstream.scenes import SceneSet
    from eval.downstream.splits import Split
    from eval.downstream.study import Study, Task
    from eval.downstream.training import Job

SETS = """\
M3FD (Vis/, Ir/ and Annotation/) or MSRS (train/
and test/ with vi/, ir/ and boxes/)"""
PROGRAMS = """\
YOLOv5 (ultralytics, AGPL-3.0: called, never
imported) or FCOS (torchvision, BSD)"""


class Finder(Protocol):
    """A detector whose program trains in another environment."""

    def train(self, job: "Job", say: Report) -> Path:
        """Trains a model or continues, and returns the file of its boxes in the test scenes."""

    def predict(self, job: "Job", images: Path, out: Path) -> Path:
        """Applies a trained model to other images of the test scenes."""

    def losses(self, job: "Job") -> list[float]:
        """The training loss of each epoch."""


@dataclass(frozen=True)
class Detection:
    """Trains and measures detectors; a :class:`eval.downstream.study.Task`."""

    finder: Finder

    def train(self, job: "Job", say: Report) -> Path:
        """Trains a model or continues, and returns the file of its boxes in the test scenes."""
        return self.finder.train(job, say)

    def predict(self, job: "Job", images: Path, out: Path) -> Path:
        """Applies a trained model to other images of the test scenes."""
        return self.finder.predict(job, images, out)

    def scored(self, job: "Job", predictions: Path) -> "Scored":
        """The boxes of a model, scored against the truth."""
        from eval.downstream import average_precision, coco

        truth = coco.truth(job.scenes, job.split.test)
        return average_precision.evaluate(truth, coco.read_predictions(predictions, truth))

    def restored(self, job: "Job", arrays: "Mapping[str, np.ndarray]") -> "Scored":
        """The same from its arrays; raises KeyError or ValueError."""
        from eval.downstream import average_precision

        found = average_precision.restored(job.scenes.classes, arrays)
        if found.images != len(job.split.test):
            raise ValueError("it is of other scenes")
        return found

    def losses(self, job: "Job") -> list[float]:
        """The training loss of each epoch."""
        return self.finder.losses(job)

    def draw(self, path: Path, trained: "Mapping[str, Sequence[tuple[Job, Path]]]") -> None:
        """Writes a picture of what the first model of each method found in some scenes."""
        from eval.downstream import coco, pictures

        job = next(iter(trained.values()))[0][0]
        truth = coco.truth(job.scenes, job.split.test)
        found = {
            method: coco.read_predictions(models[0][1], truth) for method, models in trained.items()
        }
        seen = {method: models[0][0].images for method, models in trained.items()}
        pictures.detected(path, truth, found, seen)


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m eval.detect") -> int:
    """Runs the command; returns its exit status."""
    kind = Kind(
        DetectConfig,
        task="detect",
        prog=prog,
        what="a detector",
        sets=SETS,
        programs=PROGRAMS,
        trained=lambda config: config.detector,
        budgets=_budgets,
        versions=_versions,
        made=_made,
        truths=_truths,
    )
    return run(argv, kind)


@dataclass(frozen=True)
class Offered:
    """A detector to choose.

    Attributes:
        packages: packages that its program needs.
        made: makes it, for a number of threads.
    """

    packages: Sequence[str]
    made: Callable[[int], Finder]


def _offered(config: DetectConfig) -> Offered:
    from eval.downstream import fcos, yolo

    return {
        "yolov5": Offered(yolo.PACKAGES, lambda threads: yolo.Yolo()),
        "fcos": Offered(fcos.PACKAGES, fcos.Fcos),
    }[config.detector]


def _budgets(config: DetectConfig) -> Mapping[str, Any]:
    from eval.downstream.yolo import BUDGETS  # those of all detectors

    return BUDGETS


def _versions(config: DetectConfig) -> dict[str, str]:
    from eval.downstream import average_precision, process

    packages = _offered(config).packages
    return {**process.versions(config.python, packages), **average_precision.versions()}


def _made(config: DetectConfig, study: "Study") -> "Task":
    from fnet_jax.runtime.cores import cores

    return Detection(_offered(config).made(max(1, cores() // config.at_once)))


def _truths(config: DetectConfig, scenes: "SceneSet", split: "Split") -> "Mapping[str, SceneSet]":
    from eval.downstream import other_boxes

    return {
        name: other_boxes.of_folder(folder, scenes, set(split.test))
        for name, folder in config.boxes
    }
