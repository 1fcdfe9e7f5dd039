"""``python -m train.recipe``: trains the shipped weights from scratch."""

import dataclasses
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fnet_jax.cli.console import finish, say
from fnet_jax.cli.flags import FOLDER, choice, flag_of, parse, unset, whole
from fnet_jax.errors import InputError
from fnet_jax.networks.sizes import BASE, SIZES
from train.config import (
    CROP,
    DATA_DIR,
    FEATURES,
    ITERATIONS,
    KERNEL_SIZE,
    MAY_CHANGE,
    PAIRS,
    SET_OR_FOLDER,
    TrainConfig,
)
from train.config import SIZES as NETWORK
from train.run.command import AGAIN, logs_shown, report, run_stage, status_of
from train.workdir import check_workdir

if TYPE_CHECKING:
    from train.run.result import Result

EVERY: dict[str, Any] = {"split": "train", "crop": 64, "cosine": True, "resume": True}
PAPERS: dict[str, dict[str, Any]] = {
    "stage1": EVERY | {"batch": 4, "steps": 600, "lr": 3e-4, "warmup": 100, "clip": 2.0},
    "stage2": EVERY | {"batch": 4, "steps": 10_000, "lr": 3e-4, "warmup": 300, "clip": 50.0},
    "again": EVERY
    | {"batch": 4, "steps": 2_000, "lr": 1e-4, "warmup": 100, "clip": 50.0, "seed": 1},
}
"""Flags of the rounds. The third continues stage II from the end of the second: the learning rate
rises and falls once more, on other crops."""
SMALL: dict[str, dict[str, Any]] = {
    "stage2": EVERY
    | {"batch": 8, "steps": 12_000, "lr": 1e-3, "warmup": 300, "clip": 50.0}
    | {"init": "tied", "contrast": 0.5, "alike": 0.1},
}
"""The only round of the small networks (``docs/sizes.md``)."""
STAGE = {"stage1": "stage1", "stage2": "stage2", "again": "stage2"}


def recipe(size: str) -> dict[str, dict[str, Any]]:
    """The flags of each round of a size, in order."""
    return PAPERS if size == BASE else SMALL


DESCRIPTION = """\
Train the shipped weights of a size from scratch. The paper's network (base) has
three rounds: stage I, stage II, and stage II once more from the end of the
second. The checkpoint of the last round with the smallest validation loss
becomes one folder, which every command accepts as --ckpt.

The rounds run like these commands (python -m train.stage1 --help describes what
they write):

{lines}

The same command continues a recipe that was stopped or killed. --out is written
last. It contains the average of the weights, their configuration, the fingerprint
of the data, the course of the validation loss, the commands, and a checksum of
every array and file.
"""

EXAMPLES = """\
examples:
  {prog} --data MSRS/ --workdir runs/ --out weights/
  {prog} --data MSRS/ --workdir xs/ --out xs-weights/ --size xs
  {prog} --data MSRS/ --workdir small/ --out weights/ --features 16 --steps2 2000

On two CPU cores base takes an hour and a quarter (docs/speed.md). On one core of
a faster machine, beside another training run, xs took 36 minutes, xxs 20, xxxs
10.

exit status: 0 if --out was written, 1 if anything failed or the recipe was
stopped, 2 if an option is wrong, 130 after Ctrl-C
"""


@dataclass(frozen=True)
class RecipeConfig:
    """Configuration of the command; each field is a flag."""

    # Folder of MSRS, which is prepared inside the workdir, or a prepared set. Its train split is
    # the training data.
    data: Annotated[str, SET_OR_FOLDER]
    # Folder of the training runs.
    workdir: Annotated[Path, FOLDER]
    # Folder for the weights.
    out: Annotated[Path, FOLDER]
    # Replace existing weights in --out.
    overwrite: bool = False
    # Folder of the prepared sets.
    data_dir: Annotated[Path | None, FOLDER, DATA_DIR] = None
    # Size of the network, and how it is trained; see python -m eval.fuse --help.
    size: Annotated[str, choice(SIZES, "SIZE")] = BASE
    # Steps of stage I; the small sizes have none.
    steps1: Annotated[int | None, whole(1), unset(str(PAPERS["stage1"]["steps"]))] = None
    # Steps of stage II.
    steps2: Annotated[int | None, whole(1), unset("those of the size")] = None
    # Steps of the second stage II; the small sizes have none.
    steps3: Annotated[int | None, whole(1), unset(str(PAPERS["again"]["steps"]))] = None
    # Pairs per step.
    batch: Annotated[int | None, PAIRS, unset("those of the size")] = None
    # Side of the random crops, in pixels.
    crop: Annotated[int, CROP] = EVERY["crop"]
    # Number added to the seed of each round.
    seed: Annotated[int, whole(0, 2**32 - 2)] = 0
    # Number K of feature maps.
    features: Annotated[int | None, FEATURES, unset("those of the size")] = None
    # Number N of iterations of a block.
    iterations: Annotated[int | None, ITERATIONS, unset("those of the size")] = None
    # Side of the filters in pixels, odd.
    kernel_size: Annotated[int | None, KERNEL_SIZE, unset("that of the size")] = None

    def __post_init__(self) -> None:
        """Raises InputError if a flag names a round that the size does not have."""
        for flag, name in (("steps1", "stage1"), ("steps3", "again")):
            if getattr(self, flag) and name not in recipe(self.size):
                raise InputError(f"--size {self.size} has no round for --{flag}; omit --{flag}")

    @property
    def rounds(self) -> list[str]:
        """Names of the rounds, in order, out of ``stage1``, ``stage2`` and ``again``."""
        return list(recipe(self.size))

    def round(self, name: str) -> TrainConfig:
        """The configuration of a round."""
        how = recipe(self.size)[name]
        steps = {"stage1": self.steps1, "stage2": self.steps2, "again": self.steps3}[name]
        steps = steps or how["steps"]
        how = how | {
            "steps": steps,
            "warmup": min(how["warmup"], steps // 4),
            "batch": self.batch or how["batch"],
            "crop": self.crop,
            "seed": how.get("seed", 0) + self.seed,
        }
        if name == self.rounds[0]:  # the next round takes its network from this one
            of_size = {} if self.size == BASE else SIZES[self.size].settings
            given = {n: x for n in NETWORK if (x := getattr(self, n)) is not None}
            how |= of_size | given
        workdir = self.workdir
        if name == "again":
            how |= {"init": str(workdir / "stage2")}
            workdir = workdir / name
        return TrainConfig(workdir=workdir, data=self.data, data_dir=self.data_dir, **how)


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m train.recipe") -> int:
    """Runs the command; returns its exit status."""
    shown = RecipeConfig(data="DATA", workdir=Path("DIR"), out=Path("OUT"))
    lines = [f"  {command(name, shown.round(name))}" for name in shown.rounds]
    if len(SIZES) > 1:
        lines.append("\nThe other sizes run a command like this one, with their settings:\n")
        small = dataclasses.replace(shown, size=next(name for name in SIZES if name != BASE))
        lines += [f"  {command(name, small.round(name))}" for name in small.rounds]
    description = DESCRIPTION.format(lines="\n".join(lines))
    config = parse(RecipeConfig, argv, prog=prog, description=description, examples=EXAMPLES)
    logs_shown()
    return finish(lambda: run(config), stopped=AGAIN)


def command(name: str, config: TrainConfig) -> str:
    """The command line of a round with a configuration."""
    words = ["python", "-m", f"train.{STAGE[name]}"]
    for field in dataclasses.fields(TrainConfig):
        value = getattr(config, field.name)
        if value == field.default:
            continue
        words.append(flag_of(field.name))
        if value is not True:
            words.append(f"{value:g}" if isinstance(value, float) else str(value))
    return shlex.join(words)


def run(config: RecipeConfig) -> int:
    """Trains the rounds that are not done, and writes the weights; returns the exit status.

    Raises:
        InputError: a stage cannot run, or the weights cannot be written to ``out``.
    """
    from fnet_jax.networks.fnet import FNet  # JAX and Orbax are slow to import: after --help
    from fnet_jax.weights import checkpoints
    from train.data import sources
    from train.run.display import Bar

    checkpoints.check_place(config.out, overwrite=config.overwrite)
    check_workdir(config.workdir)
    ready = sources.prepared_once(
        config.data, config.data_dir, config.workdir, report=report, progress=Bar().over
    )
    config = dataclasses.replace(config, data=ready)
    results = {}
    for name in config.rounds:
        results[name] = result = run_stage(STAGE[name], config.round(name))
        if not result.finished:
            say(f"{result.folder}: stopped early; {AGAIN}")
            return status_of(result) or 1
    last = results[config.rounds[-1]]
    best = last.best_checkpoint
    if best is None:
        raise InputError(
            f"{last.folder} has no checkpoint with a known validation loss; remove the folder and "
            f"run the same command again"
        )
    network, params, meta = checkpoints.load(best, FNet)
    record = {
        "kind": "recipe",
        "title": "trained by python -m train.recipe",
        "step": int(best.name),
        "validation_loss": last.course[int(best.name)],
        "data": {n: v for n, v in meta["source"]["data"].items() if n != "title"},
        "versions": meta["source"]["versions"],
        "rounds": {name: _recorded(config, name, results[name]) for name in config.rounds},
    }
    checkpoints.save(config.out, network, params, source=record, overwrite=config.overwrite)
    say(
        f"{config.out}: step {int(best.name):,} of the last round, validation loss "
        f"{record['validation_loss']:.4g}"
    )
    return 0


def _recorded(config: RecipeConfig, name: str, result: "Result") -> dict[str, Any]:
    """The record of a round, without names of the user's folders, as JSON values."""
    anywhere = dataclasses.replace(config, workdir=Path("runs"), data="MSRS/", data_dir=None)
    done = anywhere.round(name)
    settings = {n: v for n, v in done.recorded().items() if n not in MAY_CHANGE}
    return {
        "command": command(name, done),
        "config": settings,
        "validation_loss": {str(step): round(loss, 6) for step, loss in result.course.items()},
    }
