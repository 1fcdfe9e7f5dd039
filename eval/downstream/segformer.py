"""The segmenter: SegFormer, trained by :mod:`.programs.segformer` in another environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.downstream import iou, pictures
from eval.downstream.torch_program import TorchProgram
from eval.downstream.training import Budget, Job
from fnet_jax import images
from fnet_jax.artifacts.progress import Report
from fnet_jax.errors import InputError

PROGRAM = Path(__file__).parent / "programs" / "segformer.py"
PACKAGES = ("torch", "transformers")
BUDGETS = {
    "paper": Budget("paper", epochs=100, batch=4, rate=6e-5),
    "quick": Budget("quick", epochs=8, batch=4, rate=6e-4, side=320),
}


@dataclass(frozen=True)
class SegFormer:
    """Trains segmenters; a :class:`eval.downstream.study.Task`.

    Attributes:
        labels: folder with NAME.png, class images.
        backbone: initial weights, a folder or a name that transformers knows; None for random ones.
        threads: CPU threads of each program; None for all.
        bfloat16: whether training multiplies in bfloat16; inference is in float32.
    """

    labels: Path
    backbone: str | None = None
    threads: int | None = None
    bfloat16: bool = False

    @property
    def program(self) -> TorchProgram:
        """The training program."""
        offline = {} if self.backbone else {"HF_HUB_OFFLINE": "1"}
        return TorchProgram(PROGRAM, "SegFormer", offline, self.threads)

    def train(self, job: Job, say: Report) -> Path:
        """Trains a model or continues, and returns the folder of its class images.

        Raises:
            InputError: the program fails.
        """
        settings = {
            "weights": self.backbone,
            "labels": str(self.labels.absolute()),
            "bfloat16": self.bfloat16,
            "balanced": job.budget.protocol == "quick",
        }
        self.program.train(job, lambda: settings, say)
        return job.folder / "predictions"

    def predict(self, job: Job, images: Path, out: Path) -> Path:
        """Applies the trained model of a job to other images of the test scenes."""
        self.program.apply(job, {"weights": self.backbone}, images, out)
        return out / "predictions"

    def scored(self, job: Job, predictions: Path) -> "Segmented":
        """The class images of a model, scored against the truth.

        Raises:
            InputError: one is missing or damaged.
        """
        count = len(job.scenes.classes)
        found = []
        for name in job.split.test:
            truth, seen = (images.read(x / f"{name}.png") for x in (self.labels, predictions))
            try:
                found.append(iou.confusion(truth, seen, count))
            except ValueError as error:
                raise InputError(f"{predictions / name}.png: {error}; remove the folder") from error
        return Segmented(np.stack(found))

    def restored(self, job: Job, arrays: Mapping[str, np.ndarray]) -> "Segmented":
        """The same from the arrays of :meth:`Segmented.arrays`; raises KeyError or ValueError."""
        count = len(job.scenes.classes)
        if arrays["confusions"].shape != (len(job.split.test), count, count):
            raise ValueError("it is of other scenes or classes")
        return Segmented(arrays["confusions"])

    def losses(self, job: Job) -> list[float]:
        """The training loss of each epoch."""
        return self.program.losses(job)

    def draw(self, path: Path, trained: Mapping[str, Sequence[tuple[Job, Path]]]) -> None:
        """Writes a picture of what the first model of each method found in some scenes."""
        pictures.segmented(path, self.labels, trained)


@dataclass(frozen=True)
class Segmented:
    """Class images of one model; an :class:`eval.downstream.intervals.Scored`.

    Attributes:
        confusions: int64 (images, classes, classes).
    """

    confusions: np.ndarray

    @property
    def images(self) -> int:
        """Number of test images."""
        return len(self.confusions)

    def values(self, counts: np.ndarray | None = None) -> np.ndarray:
        """Intersection over union of each class, over all pixels of the images."""
        if counts is None:
            return iou.iou(self.confusions.sum(axis=0))
        return iou.iou(np.tensordot(counts, self.confusions, axes=1))

    def arrays(self) -> dict[str, np.ndarray]:
        """The matrices, by name."""
        return {"confusions": self.confusions}
