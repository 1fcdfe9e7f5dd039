"""``python -m eval.detect``: what fused images are worth to a detector."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.downstream.command import Kind
from eval.downstream.command import main as run
from eval.downstream.config import StudyConfig
from fnet_jax.artifacts.progress import Item, Report

if TYPE_CHECKING:
    import numpy as np

    from eval.downstream.intervals import Scored
    from eval.downstream.study import Study, Task
    from eval.downstream.training import Job

SETS = """\
M3FD (Vis/, Ir/ and Annotation/) or MSRS (train/ and test/ with
vi/, ir/ and boxes/)"""


@dataclass(frozen=True)
class Detector:
    """Trains detectors, as :class:`eval.downstream.study.Task`."""

    def train(self, job: "Job", say: Report) -> Path:
        """Trains a model, or goes on, and gives the boxes that it finds in the test scenes."""
        from eval.downstream import yolo

        def progress(items: Iterable[Item], /, *, total: int, desc: str) -> Iterator[Item]:
            for item in items:
                say(f"epoch {item} of {total}")
                yield item

        yolo.train(job, say=say, progress=progress)
        return job.folder / yolo.PREDICTIONS

    def predict(self, job: "Job", images: Path, out: Path) -> Path:
        """Applies a trained model to other images of the test scenes."""
        from eval.downstream import yolo

        if (out / yolo.PREDICTIONS).exists():
            return out / yolo.PREDICTIONS
        return yolo.predict(job, images, out)

    def scored(self, job: "Job", predictions: Path) -> "Scored":
        """The boxes of a model against the truth."""
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
        """The sum of the losses of each epoch."""
        from eval.downstream import yolo_files

        columns = yolo_files.losses(job.folder)
        parts = [values for name, values in columns.items() if name.startswith("train/")]
        return [sum(values) for values in zip(*parts, strict=True)]

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
        task="detect",
        prog=prog,
        what="a detector",
        sets=SETS,
        program="YOLOv5 (ultralytics, AGPL-3.0: called, never imported)",
        budgets=_budgets,
        versions=_versions,
        made=_made,
    )
    return run(argv, kind)


def _budgets() -> Mapping[str, Any]:
    from eval.downstream.yolo import BUDGETS

    return BUDGETS


def _versions(python: Path) -> dict[str, str]:
    from eval.downstream import average_precision, yolo

    return {**yolo.versions(python), **average_precision.versions()}


def _made(config: StudyConfig, study: "Study") -> "Task":
    return Detector()
