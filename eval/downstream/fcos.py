"""The permissively licensed detector: FCOS of torchvision, trained by :mod:`.programs.fcos`."""

from dataclasses import dataclass
from pathlib import Path

from eval.downstream import boxes, coco
from eval.downstream.torch_program import TorchProgram
from eval.downstream.training import Job
from eval.downstream.yolo_files import checked
from fnet_jax.artifacts.progress import Report

PROGRAM = Path(__file__).parent / "programs" / "fcos.py"
PACKAGES = ("torch", "torchvision")


@dataclass(frozen=True)
class Fcos:
    """Trains detectors; a :class:`eval.downstream.detect.Finder`.

    Attributes:
        threads: CPU threads of each program; None for all.
    """

    threads: int | None = None

    @property
    def program(self) -> TorchProgram:
        """The training program."""
        return TorchProgram(PROGRAM, "FCOS", {}, self.threads)

    def train(self, job: Job, say: Report) -> Path:
        """Trains a model or continues, and returns the file of its boxes in the test scenes.

        Raises:
            InputError: an image or boxes cannot be used, or the program fails.
        """
        self.program.train(job, lambda: {"boxes": _boxes(job), **_numbers(job)}, say)
        return job.folder / coco.PREDICTIONS

    def predict(self, job: Job, images: Path, out: Path) -> Path:
        """Applies a trained model to other images of the test scenes."""
        self.program.apply(job, _numbers(job), images, out)
        return out / coco.PREDICTIONS

    def losses(self, job: Job) -> list[float]:
        """The training loss of each epoch."""
        return self.program.losses(job)


def _numbers(job: Job) -> dict[str, dict[str, int]]:
    """The number of each test image in the truth."""
    return {"numbers": coco.numbers(job.split.test)}


def _boxes(job: Job) -> dict[str, list[list[float]]]:
    """Class and corners of each box, by training scene."""
    scenes = {scene.name: scene for scene in job.scenes.scenes}
    found = {}
    for name in job.split.train:
        size = checked(job.images / f"{name}.png", scenes[name].visible)
        seen = boxes.read(scenes[name].truth, job.scenes.classes, size)
        found[name] = [
            [int(number), *corners]
            for number, corners in zip(seen.classes, seen.corners.tolist(), strict=True)
        ]
    return found
