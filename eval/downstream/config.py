"""The flags of ``eval.detect`` and ``eval.segment``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import UseAppendAction

from eval.downstream import OWN
from fnet_jax.cli.flags import (
    FOLDER,
    PATH,
    SHIPPED,
    SIZE,
    WORD,
    check_weights,
    choice,
    reads,
    unset,
    whole,
)
from fnet_jax.errors import InputError

RANDOM = "random weights"
PYTHON = Path(".venv-downstream/bin/python")
PROTOCOLS = ("paper", "quick")
SPLITS = ("official", "drives")
DETECTORS = ("yolov5", "fcos")
MOST_AT_ONCE = 64

DESCRIPTION = """\
Measure how useful fused images are to {what}: train one model on each
kind of image, with the same budget, initial weights and normalization, test it,
and print a table in the form of the paper's Table II with 95 % intervals.

--data is a folder of {sets}.
--method is Visible, Infrared, Mean (the plain average), FNet (fused by the
command with --ckpt or the shipped weights; FNet-SIZE with those of another
size), or NAME=FOLDER for other fused images. The default is to compare Visible,
Infrared, Mean and FNet.

The command writes the images, the trained models, report.md, report.json and
pictures to --out; --fixed has separate reports. The same command continues
after an interruption; trained models are kept.

The training program runs in a separate environment, which make downstream sets
up in .venv-downstream: {programs}.
"""

EXAMPLES = """\
examples:
  {prog} --data MSRS/ --out study/
  {prog} --data MSRS/ --out study/ --seeds 3 --split official drives
  {prog} --data MSRS/ --out study/ --method Visible --method FNet \\
      --method U2Fusion=u2fusion/ --protocol paper
  {prog} --data MSRS/ --out study/ --fixed Visible
  {prog} --data MSRS/ --leaks

exit status: 0 if everything was trained and scored, 1 if anything failed, 2 if
an option is wrong, 130 after Ctrl-C
"""


def _method(text: str) -> tuple[str, Path | None]:
    from eval.downstream.methods import parsed

    return parsed(text)


def _of_split(text: str) -> str:
    if text not in SPLITS and not text.lower().endswith(".json"):
        raise ValueError(f"{text!r} is neither official, drives nor a .json file")
    return text


def _of_boxes(text: str) -> tuple[str, Path]:
    from eval.downstream.other_boxes import parsed

    return parsed(text)


METHOD = reads(_method, "NAME|NAME=FOLDER")
OTHER_BOXES = reads(_of_boxes, "NAME=FOLDER")
SPLIT = reads(_of_split, "official|drives|FILE")


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """Configuration of both commands; each field is a flag."""

    # Folder of the set: images of both kinds and their ground truth.
    data: Annotated[Path, FOLDER]
    # Folder for the study.
    out: Annotated[Path | None, FOLDER, unset()] = None
    # A kind of image on which models are trained and tested.
    method: UseAppendAction[tuple[Annotated[tuple[str, Path | None], METHOD], ...]] = ()
    # Checkpoint of FNet, or the workdir of a training run.
    ckpt: Annotated[Path | None, FOLDER, SHIPPED] = None
    size: Annotated[str | None, *SIZE] = None
    # Training budget of each model: paper, or quick, which suits two CPU cores.
    protocol: Annotated[str, choice(PROTOCOLS, "PROTOCOL")] = "quick"
    # Number of epochs.
    epochs: Annotated[int | None, whole(1), unset("the protocol's")] = None
    # Images per step.
    batch: Annotated[int | None, whole(1), unset("the protocol's")] = None
    # Models per method, each from its own seed.
    seeds: Annotated[int, whole(1)] = 2
    # Training and test scenes: the set's own split, one that keeps drives together, or a file that
    # another study has written. Each split gives a table.
    split: tuple[Annotated[str, SPLIT], ...] = ("official",)
    # Train on one method only, and test its models on the images of all methods.
    fixed: Annotated[str | None, WORD, unset()] = None
    # Interpreter of the environment with the training programs.
    python: Annotated[Path, PATH] = PYTHON
    # Number of training programs that run at a time and share the cores or the GPU.
    at_once: Annotated[int, whole(1, MOST_AT_ONCE)] = 1
    # Leave out scenes whose files cannot be used.
    skip_bad: bool = False
    # Report how many test scenes have neighbors in the training part, and exit.
    leaks: bool = False

    def __post_init__(self) -> None:
        """Raises InputError if flags are missing or contradict each other."""
        check_weights(self.ckpt, self.size)
        if self.out is None and not self.leaks:
            raise InputError("use --out FOLDER (or --leaks)")
        names = [name for name, _ in self.method] or [*OWN]
        if len({name.casefold() for name in names}) < len(names):
            raise InputError("--method: a name is used twice; use different names")
        if self.fixed and self.fixed not in names:
            raise InputError(f"--fixed {self.fixed} is not one of the methods {', '.join(names)}")
        if len(set(self.split)) < len(self.split):
            raise InputError("--split: one is used twice; use each once")

    @property
    def start(self) -> str:
        """The initial weights of the models, in words."""
        return RANDOM


@dataclass(frozen=True, kw_only=True)
class DetectConfig(StudyConfig):
    """Configuration of ``eval.detect``."""

    # Detector to train: YOLOv5 of ultralytics (AGPL-3.0), or FCOS of torchvision (BSD).
    detector: Annotated[str, choice(DETECTORS, "NAME")] = "yolov5"
    # Other boxes of the test scenes, such as ones drawn on other images: a folder with NAME.txt or
    # NAME.xml for each scene. The same models are also scored against them.
    boxes: UseAppendAction[tuple[Annotated[tuple[str, Path], OTHER_BOXES], ...]] = ()

    def __post_init__(self) -> None:
        """Raises InputError if flags are missing or contradict each other."""
        super().__post_init__()
        if len({name.casefold() for name, _ in self.boxes}) < len(self.boxes):
            raise InputError("--boxes: a name is used twice; use different names")


@dataclass(frozen=True, kw_only=True)
class SegmentConfig(StudyConfig):
    """Configuration of ``eval.segment``."""

    # Initial weights: a folder, or a name that transformers knows.
    backbone: Annotated[str | None, WORD, unset(RANDOM)] = None
    # Multiply in bfloat16 in training: twice as fast on a CPU with avx512_bf16, ten times as slow
    # on one with only AVX2.
    bfloat16: bool = False

    @property
    def start(self) -> str:
        """The initial weights of the models, in words."""
        return self.backbone or RANDOM
