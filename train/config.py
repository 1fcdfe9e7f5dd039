"""The configuration of a training run: a frozen dataclass whose fields are the flags."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from fnet_jax.cli.flags import (
    FOLDER,
    MOST_PROCESSES,
    WORD,
    above_zero,
    address,
    choice,
    flag_of,
    reads,
    real,
    unset,
    whole,
    word_or_path,
)
from fnet_jax.errors import InputError
from fnet_jax.runtime.engines import PRECISION, PRECISIONS
from fnet_jax.sparse_coding.limits import LARGEST_KERNEL, MOST_FEATURES, MOST_ITERATIONS
from train.ablations import ABLATIONS

DATA_DIR = unset("$TFDS_DATA_DIR or ~/tensorflow_datasets")
SET_OR_FOLDER = reads(word_or_path, "SET|FOLDER")
FEATURES = whole(1, MOST_FEATURES, "K")
ITERATIONS = whole(0, MOST_ITERATIONS, "N")
KERNEL_SIZE = whole(1, LARGEST_KERNEL, "PIXELS", odd=True)
SIZES = ("features", "iterations", "kernel_size")  # flags that are settings of the network
WEIGHT = real("a number from 0", lambda x: x >= 0, "WEIGHT")
SHARE = real("a number from 0 to 1", lambda x: 0 <= x <= 1, "SHARE")
PAIRS, STEPS = whole(1, 2**16, "PAIRS"), whole(1, metavar="STEPS")
CROP = whole(1, 4096, "PIXELS")
MOST_PIXELS = 2**31  # per step
EXPERIMENTS = ", ".join(f"{name} ({about.title})" for name, about in ABLATIONS.items())


@dataclass(frozen=True)
class TrainConfig:
    """Configuration of a training stage; each field is a flag. Defaults are from Sec. IV-A."""

    # Folder of the run. Each stage makes its own folder in it.
    workdir: Annotated[Path, FOLDER]
    # Training data: the name of a prepared set (see python -m train.prepare --help) or its folder;
    # a folder of image pairs, which is prepared inside the workdir; synthetic, for drawn scenes; or
    # auto, for MSRS if it is prepared and synthetic otherwise.
    data: Annotated[str, SET_OR_FOLDER] = "auto"
    # Split of the set to train on.
    split: Annotated[str | None, WORD, unset("all splits, as in the paper")] = None
    # Folder of the prepared sets.
    data_dir: Annotated[Path | None, FOLDER, DATA_DIR] = None
    # Pairs to keep out of training, for the validation loss and the pictures; at most a tenth of
    # the set is used. The paper mentions none. With 0, training pairs serve instead.
    validation: Annotated[int, whole(0, metavar="PAIRS")] = 20
    # Total number of training steps.
    steps: Annotated[int, whole(1)] = 20_000
    # Pairs per step, over all devices.
    batch: Annotated[int, PAIRS] = 16
    # Side of the random crops, in pixels.
    crop: Annotated[int, CROP] = 128
    # Share of the training images whose contrast is raised at random, independently of the other
    # image, until part of the image is black and part is white.
    contrast: Annotated[float, SHARE] = 0.0
    # Share of the training pairs in which one image is mixed into the other at random, so that both
    # are bright in the same places, which is rare in street scenes.
    alike: Annotated[float, SHARE] = 0.0
    # Learning rate of Adam.
    lr: Annotated[float, above_zero("RATE")] = 1e-4
    # Number of first steps in which the learning rate rises to --lr.
    warmup: Annotated[int, whole(0, metavar="STEPS")] = 0
    # Decrease the learning rate to 0 at the last step, along a cosine.
    cosine: bool = False
    # Largest norm of the gradient; a larger gradient is scaled down to it. The curves show the norm
    # before scaling.
    clip: Annotated[float | None, above_zero("NORM"), unset("no limit")] = None
    # Decay of the moving average of the weights, which is used for evaluation. The first steps use
    # a smaller decay, to forget the initial weights.
    ema: Annotated[float, real("a number from 0 to below 1", lambda x: 0 <= x < 1, "DECAY")] = 0.999
    # Precision of multiplications. highest: float32; tf32: a 10-bit mantissa on an NVIDIA GPU,
    # float32 elsewhere; bf16: a 7-bit mantissa.
    precision: Annotated[str, choice(PRECISIONS, "PRECISION")] = PRECISION
    # Seed of the initial weights and of the order of pairs, crops and flips.
    seed: Annotated[int, whole(0, 2**32 - 1)] = 0
    # Initial weights. tied: filters that do not amplify; xavier: as in the paper; or a checkpoint
    # of FNet.
    init: Annotated[
        str | None,
        reads(word_or_path, "METHOD|CKPT"),
        unset("tied in stage I; in stage II, the weights of stage I in the same workdir"),
    ] = None
    # Stage II: a trained network to imitate in addition to the loss: a size of the shipped weights
    # or a checkpoint of FNet. The validation loss remains that of eq. 26.
    teacher: Annotated[str | None, reads(word_or_path, "SIZE|CKPT"), unset()] = None
    # Weight of the mean distance to the teacher's fused image.
    teacher_weight: Annotated[float, WEIGHT] = 20.0
    # Weight of the mean distance to each of the teacher's three reconstructions: of u1, u2 and c.
    teacher_parts: Annotated[float, WEIGHT] = 0.0
    # Number K of feature maps. A checkpoint has its own.
    features: Annotated[int | None, FEATURES, unset("64")] = None
    # Number N of iterations of a block.
    iterations: Annotated[int | None, ITERATIONS, unset("4")] = None
    # Side of the filters in pixels, odd.
    kernel_size: Annotated[int | None, KERNEL_SIZE, unset("9")] = None
    ablation: Annotated[
        str | None,
        choice(ABLATIONS, "AE1…AE15"),
        tyro.conf.arg(
            help=f"Run an experiment of the paper's Table III: {EXPERIMENTS}.",
            help_behavior_hint="",
        ),
    ] = None
    # Steps between checkpoints.
    save_every: Annotated[int, STEPS] = 1000
    # Largest number of minutes between checkpoints.
    save_minutes: Annotated[float, above_zero("MINUTES")] = 10.0
    # Number of newest checkpoints to keep, in addition to the best one.
    keep: Annotated[int, whole(1)] = 3
    # Steps between points of the curves. With several processes, also the steps between checks for
    # a request to stop.
    log_every: Annotated[int, STEPS] = 10
    # Steps between pictures of validation pairs; a checkpoint is saved with each.
    pictures_every: Annotated[int, STEPS] = 1000
    # Continue the run in the workdir, if there is one. Only flags that do not affect the result may
    # change; --steps may change without --cosine.
    resume: bool = False
    # Print the configuration, the data, and parameters, memory and FLOPs per step, and exit.
    dry_run: bool = False
    # Processes that read images for the training process; with 0, it reads them itself.
    workers: Annotated[int, whole(0, MOST_PROCESSES)] = 0
    # Address of process 0, for training in several processes.
    coordinator: Annotated[str | None, reads(address, "HOST:PORT"), unset()] = None
    # Number of processes.
    num_processes: Annotated[int | None, whole(1), unset()] = None
    # Number of this process, from 0.
    process_id: Annotated[int | None, whole(0), unset()] = None
    # Read --coordinator, --num-processes and --process-id from the environment (Slurm, Open MPI,
    # Kubernetes, TPU pods).
    cluster: bool = False

    def recorded(self) -> dict[str, Any]:
        """The fields by name, as JSON values."""
        values = dataclasses.asdict(self)
        return {n: str(v) if isinstance(v, Path) else v for n, v in values.items()}


# Flags that may change when a run is continued, because they do not affect the result.
MAY_CHANGE = frozenset(
    (
        *("workdir", "data", "data_dir", "resume", "dry_run", "workers"),
        "teacher",  # its weights are compared, not its path
        *("save_every", "save_minutes", "keep", "log_every", "pictures_every"),
        *("coordinator", "num_processes", "process_id", "cluster"),
    )
)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """How the :meth:`~TrainConfig.recorded` fields of a run differ from those of its continuation.

    Returns a text ``--name: was 1, is 2`` for each field that affects the result. ``steps`` may
    differ if the learning rate does not depend on it.
    """
    free = MAY_CHANGE if before.get("cosine") or now["cosine"] else MAY_CHANGE | {"steps"}
    # An earlier version without a flag did what is now the default of the flag.
    before = {field.name: field.default for field in dataclasses.fields(TrainConfig)} | {**before}
    return [
        f"{flag_of(name)}: was {shown(before[name])}, is {shown(now[name])}"
        for name in now
        if name not in free and before[name] != now[name]
    ]


def shown(value: Any) -> str:
    """The value of a field for messages, cut after 80 characters."""
    text = "not set" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def check(config: TrainConfig) -> None:
    """Raises InputError, naming the flags, if two of them contradict each other."""
    if config.batch * config.crop**2 > MOST_PIXELS:
        raise InputError(
            f"--batch {config.batch} with --crop {config.crop} exceeds {MOST_PIXELS} pixels per "
            f"step; use smaller values"
        )
    if config.warmup > config.steps:
        raise InputError(
            f"--warmup {config.warmup} exceeds --steps {config.steps}; use a smaller value"
        )
    weights = {name: getattr(config, name) for name in ("teacher_weight", "teacher_parts")}
    given = [name for name, value in weights.items() if value != getattr(TrainConfig, name)]
    if given and not config.teacher:
        raise InputError(
            f"{flag_of(given[0])} has no effect without --teacher; add --teacher, or omit the flag"
        )
    if config.teacher and not any(weights.values()):
        raise InputError("--teacher has only weights of 0; omit it, or use another weight")
    named = (config.coordinator, config.num_processes, config.process_id)
    if any(value is not None for value in named) and (None in named or config.cluster):
        raise InputError(
            "--coordinator, --num-processes and --process-id: use all three, or --cluster"
        )
    if config.process_id is not None and config.process_id >= (config.num_processes or 0):
        raise InputError(
            f"--process-id {config.process_id} is out of range; use 0 to "
            f"{(config.num_processes or 0) - 1}"
        )
