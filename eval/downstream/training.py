"""What a model is trained on, and with which budget."""

from dataclasses import dataclass
from pathlib import Path

from eval.downstream.scenes import SceneSet
from eval.downstream.splits import Split
from fnet_jax.artifacts.words import counted


@dataclass(frozen=True)
class Budget:
    """What every model of a study gets.

    Attributes:
        protocol: ``"paper"`` or ``"quick"``.
        epochs: number of passes over the training scenes.
        batch: images per step.
        rate: initial learning rate.
        side: of images, in pixels, to which a program scales the longer side; None as they are.
    """

    protocol: str
    epochs: int
    batch: int
    rate: float
    side: int | None = None

    @property
    def text(self) -> str:
        """All of it in words."""
        size = "images as they are" if self.side is None else f"images of {self.side} pixels"
        epochs = counted(self.epochs, "epoch")
        return f"{self.protocol}: {epochs}, batches of {self.batch}, rate {self.rate:g}, {size}"


@dataclass(frozen=True)
class Job:
    """One training of one model.

    Attributes:
        images: folder with NAME.png, RGB of 8 bits, of every scene: what the model sees.
        scenes: with the truth.
        split: which train and which test.
        budget: of the study.
        seed: of the start and of the order of the images.
        folder: of this training; a training that was stopped there goes on.
        python: interpreter of the environment that holds the programs.
    """

    images: Path
    scenes: SceneSet
    split: Split
    budget: Budget
    seed: int
    folder: Path
    python: Path
