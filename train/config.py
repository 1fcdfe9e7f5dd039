"""What a training run is told: one typed, frozen dataclass, whose fields are the flags."""

import argparse
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fnet_jax.cli.flags import above_zero, flag, not_negative, positive
from fnet_jax.errors import InputError
from train.ablations import ABLATIONS

DATA_DIR = "where prepared sets are kept (default: $TFDS_DATA_DIR or ~/tensorflow_datasets)"


def natural(text: str) -> int:
    """A whole number of at least 0, for :func:`flag`'s ``parse``."""
    return 0 if text == "0" else positive(text)


def seed(text: str) -> int:
    """A whole number from 0 to below 2³², for :func:`flag`'s ``parse``."""
    number = natural(text)
    if number >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not below {2**32}")
    return number


def share(text: str) -> float:
    """A number from 0 to below 1, for :func:`flag`'s ``parse``."""
    number = not_negative(text)
    if number >= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to below 1")
    return number


@dataclass(frozen=True)
class TrainConfig:
    """What a stage of training does; each field is a flag. Defaults are the paper's, Sec. IV-A."""

    workdir: Path = flag("folder of the runs; the stage makes its own in it", metavar="FOLDER")
    # What is learned from.
    data: str = flag(
        "auto (default): MSRS where it is prepared, else synthetic scenes; synthetic; the name of "
        "a prepared set (see python -m train.prepare --help) or its folder; or a folder of image "
        "pairs, which is then prepared inside the workdir",
        default="auto",
        metavar="NAME|FOLDER",
    )
    split: str | None = flag(
        "train on one split of the set (default: on all, as the paper)", default=None
    )
    data_dir: Path | None = flag(
        DATA_DIR,
        default=None,
        metavar="FOLDER",
    )
    validation: int = flag(
        "pairs that are kept out of training, for the validation loss and the pictures; at most a "
        "tenth of the set (default 20; the paper tells of none). With 0, training pairs are shown",
        default=20,
        metavar="PAIRS",
        parse=natural,
    )
    # How.
    steps: int = flag(
        "training steps in all (default 20000)", default=20_000, metavar="N", parse=positive
    )
    batch: int = flag(
        "pairs per step, over all devices (default 16)", default=16, metavar="PAIRS", parse=positive
    )
    crop: int = flag(
        "side of the random crops in pixels (default 128)",
        default=128,
        metavar="PIXELS",
        parse=positive,
    )
    lr: float = flag(
        "learning rate of Adam (default 1e-4)", default=1e-4, metavar="RATE", parse=above_zero
    )
    warmup: int = flag(
        "steps over which the rate rises to --lr (default 0)",
        default=0,
        metavar="STEPS",
        parse=natural,
    )
    cosine: bool = flag("let the rate fall to 0 at the last step, as a cosine", default=False)
    clip: float | None = flag(
        "largest norm of the gradient; longer ones are shortened to it (default: none are); the "
        "curve shows the norm before",
        default=None,
        metavar="NORM",
        parse=above_zero,
    )
    ema: float = flag(
        "decay of the moving average of the weights, which is what is evaluated (default 0.999; "
        "less in the first steps, so that the start is forgotten)",
        default=0.999,
        metavar="DECAY",
        parse=share,
    )
    seed: int = flag(
        "decides the start, the order of the pairs, crops and flips (default 0)",
        default=0,
        metavar="N",
        parse=seed,
    )
    init: str | None = flag(
        "where to start: tied (default of stage I): filters that do not amplify; xavier: "
        "the paper's; or a checkpoint of FNet (default of stage II: stage I of the same workdir)",
        default=None,
        metavar="METHOD|CKPT",
    )
    # The network; where it comes from a checkpoint, so do these.
    features: int | None = flag("feature maps K (default 64)", default=None, parse=positive)
    iterations: int | None = flag(
        "iterations N of a block (default 4)", default=None, parse=natural
    )
    kernel_size: int | None = flag(
        "side of the filters in pixels, odd (default 9)", default=None, parse=positive
    )
    ablation: str | None = flag(
        "run an experiment of the paper's Table III: "
        + ", ".join(f"{name} ({what.title})" for name, what in ABLATIONS.items()),
        default=None,
        metavar="AE1…AE15",
        choices=tuple(ABLATIONS),
    )
    # What is kept and shown.
    save_every: int = flag(
        "steps between checkpoints (default 1000)", default=1000, metavar="STEPS", parse=positive
    )
    save_minutes: float = flag(
        "minutes after which there is a checkpoint in any case (default 10)",
        default=10.0,
        metavar="MINUTES",
        parse=above_zero,
    )
    keep: int = flag(
        "newest checkpoints to keep, beside the best one (default 3)",
        default=3,
        metavar="N",
        parse=positive,
    )
    log_every: int = flag(
        "steps between points of the curves (default 10); several processes also look that often "
        "whether one was asked to stop",
        default=10,
        metavar="STEPS",
        parse=positive,
    )
    pictures_every: int = flag(
        "steps between pictures of validation pairs (default 1000); each comes with a checkpoint",
        default=1000,
        metavar="STEPS",
        parse=positive,
    )
    resume: bool = flag(
        "go on where the run in the workdir stopped, if there is one; flags may change that do not "
        "change the result, and --steps without --cosine",
        default=False,
    )
    dry_run: bool = flag(
        "print configuration, parameters, memory and FLOPs per step and the data found, and stop",
        default=False,
    )
    workers: int = flag(
        "processes that read images beside the training process (default 0)",
        default=0,
        metavar="N",
        parse=natural,
    )
    # Several processes, each with its own devices.
    coordinator: str | None = flag(
        "address of process 0 as HOST:PORT, where there are several processes",
        default=None,
        metavar="HOST:PORT",
    )
    num_processes: int | None = flag("number of processes", default=None, parse=positive)
    process_id: int | None = flag(
        "number of this process, from 0", default=None, metavar="N", parse=natural
    )
    cluster: bool = flag(
        "take those three from the environment (Slurm, Open MPI, Kubernetes, TPU pods)",
        default=False,
    )

    def recorded(self) -> dict[str, Any]:
        """The fields by name, as JSON values."""
        values = dataclasses.asdict(self)
        return {n: str(v) if isinstance(v, Path) else v for n, v in values.items()}


# What may change when a run goes on: none of these changes what is computed.
MAY_CHANGE = frozenset(
    (
        *("workdir", "data", "data_dir", "resume", "dry_run", "workers"),
        *("save_every", "save_minutes", "keep", "log_every", "pictures_every"),
        *("coordinator", "num_processes", "process_id", "cluster"),
    )
)


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """How the configuration of a run to go on with differs in what matters to the result.

    Args:
        before: the :meth:`~TrainConfig.recorded` fields of the run.
        now: those of this call.

    Returns:
        For each field that differs, a text ``--name: was 1, is 2``. ``steps`` may differ where the
        rate does not depend on it.
    """
    free = MAY_CHANGE if before.get("cosine") or now["cosine"] else MAY_CHANGE | {"steps"}
    # A run of an earlier version, which had no such flag, did what is its default now.
    before = {field.name: field.default for field in dataclasses.fields(TrainConfig)} | before
    return [
        f"--{name.replace('_', '-')}: was {_told(before[name])}, is {_told(now[name])}"
        for name in now
        if name not in free and before[name] != now[name]
    ]


def _told(value: Any) -> str:
    return "not given" if value is None else str(value)


def check(config: TrainConfig) -> None:
    """Raises InputError, naming the flags, where two of them do not go together."""
    if config.warmup > config.steps:
        raise InputError(
            f"--warmup {config.warmup}: is longer than the {config.steps} steps; give a shorter one"
        )
    named = (config.coordinator, config.num_processes, config.process_id)
    if any(value is not None for value in named) and (None in named or config.cluster):
        raise InputError(
            "--coordinator, --num-processes and --process-id: give all three, or --cluster"
        )
    if config.process_id is not None and config.process_id >= (config.num_processes or 0):
        raise InputError(
            f"--process-id {config.process_id}: processes are numbered from 0 to "
            f"{(config.num_processes or 0) - 1}"
        )
