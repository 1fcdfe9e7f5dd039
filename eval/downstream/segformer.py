"""The segmenter: SegFormer, trained by :mod:`.programs.segformer` in another environment."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.downstream import iou, pictures, process
from eval.downstream.training import Budget, Job
from fnet_jax import images
from fnet_jax.artifacts.files import read_text, replace_text, writable
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
    """Trains segmenters, as :class:`eval.downstream.study.Task`.

    Attributes:
        labels: folder with NAME.png, class images.
        backbone: weights to start from, a folder or a name that transformers knows; None for
            random ones.
        threads: of a CPU, for each program; None for all.
    """

    labels: Path
    backbone: str | None = None
    threads: int | None = None

    def train(self, job: Job, say: Report) -> Path:
        """Trains a model, or goes on, and gives its class images of the test scenes.

        Raises:
            InputError: the program fails.
        """
        with writable(job.folder, remedy="use another --out"):
            job.folder.mkdir(parents=True, exist_ok=True)
        with process.alone(job.folder, say=say) as keep:
            if not (job.folder / "done.json").exists():
                more = {"labels": str(self.labels.absolute()), "train": list(job.split.train)}
                for line in self._lines(job, "job.json", more, keep):
                    _progress(line, say)
        return job.folder / "predictions"

    def predict(self, job: Job, images: Path, out: Path) -> Path:
        """Applies the trained model of a job to other images of the test scenes."""
        if not (out / "done.json").exists():
            apply = {"images": str(images.absolute()), "out": str(out.absolute())}
            for _ in self._lines(job, "apply.json", {"apply": apply}):
                pass
            replace_text(out / "done.json", "{}\n")
        return out

    def scored(self, job: Job, predictions: Path) -> "Segmented":
        """The class images of a model against the truth.

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
        """The same from what :meth:`Segmented.arrays` gave; raises KeyError or ValueError."""
        count = len(job.scenes.classes)
        if arrays["confusions"].shape != (len(job.split.test), count, count):
            raise ValueError("it is of other scenes or classes")
        return Segmented(arrays["confusions"])

    def losses(self, job: Job) -> list[float]:
        """The training loss of each epoch."""
        lines = read_text(job.folder / "epochs.jsonl").splitlines()
        return [float(json.loads(line)["loss"]) for line in lines]

    def draw(self, path: Path, trained: Mapping[str, Sequence[tuple[Job, Path]]]) -> None:
        """Writes a picture of what the first model of each method found in some scenes."""
        pictures.segmented(path, self.labels, trained)

    def _lines(
        self, job: Job, name: str, more: dict[str, Any], keep: Sequence[int] = ()
    ) -> Iterator[str]:
        """Runs the program, and gives the lines that it prints."""
        settings = {
            "images": str(job.images.absolute()),
            "test": list(job.split.test),
            "classes": len(job.scenes.classes),
            "epochs": job.budget.epochs,
            "batch": job.budget.batch,
            "rate": job.budget.rate,
            "seed": job.seed,
            "folder": str(job.folder.absolute()),
            "weights": self.backbone,
            "threads": self.threads,
            **more,
        }
        replace_text(job.folder / name, json.dumps(settings, indent=1) + "\n")
        offline = {} if self.backbone else {"HF_HUB_OFFLINE": "1"}
        return process.lines(
            [job.python.absolute(), PROGRAM, name],
            job.folder,
            what="SegFormer",
            environment=offline,
            keep=keep,
        )


def _progress(line: str, say: Report) -> None:
    if line.startswith('{"epoch"'):
        found = json.loads(line)
        say(
            f"epoch {found['epoch']} of {found['of']}, loss {found['loss']:.4f}, "
            f"{found['seconds']:.0f} s"
        )


@dataclass(frozen=True)
class Segmented:
    """Class images of one model, as :class:`eval.downstream.intervals.Scored`.

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
