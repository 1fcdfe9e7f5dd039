"""The budget and the data of a training."""

from dataclasses import dataclass
from pathlib import Path

from eval.downstream.scenes import SceneSet
from eval.downstream.splits import Split
from fnet_jax.artifacts.words import counted


@dataclass(frozen=True)
class Budget:
    """The budget of every model of a study.

    Attributes:
        protocol: ``"paper"`` or ``"quick"``.
        epochs: number of passes over the training scenes.
        batch: images per step.
        rate: initial learning rate.
        side: pixels to which a program scales the longer side of images; None for no scaling.
    """

    protocol: str
    epochs: int
    batch: int
    rate: float
    side: int | None = None

    @property
    def text(self) -> str:
        """The budget in words."""
        size = "images as they are" if self.side is None else f"images of {self.side} pixels"
        epochs = counted(self.epochs, "epoch")
        return f"{self.protocol}: {epochs}, batches of {self.batch}, rate {self.rate:g}, {size}"


@dataclass(frozen=True)
class Job:
    """One training of one model.

    Attributes:
        images: folder with NAME.png, RGB with 8 bits, of every scene: the input of the model.
        scenes: with the truth.
        split: training and test scenes.
        budget: budget of the study.
        seed: seed of the initial weights and of the order of the images.
        folder: folder of this training, which continues an interrupted one there.
        python: interpreter of the environment of the programs.
    """

    images: Path
    scenes: SceneSet
    split: Split
    budget: Budget
    seed: int
    folder: Path
    python: Path
