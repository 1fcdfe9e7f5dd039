"""``python -m train.recipe``: the weights that are shipped, from nothing."""

import dataclasses
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fnet_jax.cli.console import finish, say
from fnet_jax.cli.flags import flag, parse, positive
from fnet_jax.errors import InputError
from fnet_jax.runtime.memory import use_huge_pages
from train.config import DATA_DIR, MAY_CHANGE, TrainConfig

EVERY: dict[str, Any] = {"split": "train", "batch": 4, "crop": 64, "cosine": True, "resume": True}
RECIPE: dict[str, dict[str, Any]] = {
    "stage1": EVERY | {"steps": 600, "lr": 3e-4, "warmup": 100, "clip": 2.0},
    "stage2": EVERY | {"steps": 10_000, "lr": 3e-4, "warmup": 300, "clip": 50.0},
    "again": EVERY | {"steps": 2_000, "lr": 1e-4, "warmup": 100, "clip": 50.0, "seed": 1},
}
"""Flags of the rounds. The third is stage II again, from where the second ended: the rate rises
once more and falls, on other crops."""
STAGE = {"stage1": "stage1", "stage2": "stage2", "again": "stage2"}

DESCRIPTION = """\
Train the weights that are shipped, from nothing: stage I, stage II, stage II again from where that
ended, and of the last the checkpoint with the smallest validation loss as one folder, which every
command takes as --ckpt.

The rounds run as these commands do (python -m train.stage1 --help tells what they leave behind):

  {stage1}
  {stage2}
  {again}

The same command goes on with a recipe that was stopped or killed. --out is written last; it holds
the average of the weights, their configuration, the data's fingerprint, the course of the
validation loss, those commands, and a checksum of every array and file.
"""

EXAMPLES = """\
examples:
  {prog} --data MSRS/ --workdir runs/ --out weights/
  {prog} --data MSRS/ --workdir small/ --out weights/ --features 16 --steps2 2000

At the times per step that docs/speed.md tells, two CPU cores need an hour and a quarter. The exit
status is 0 when --out is written, 1 if anything failed or the recipe was stopped, 2 if an option is
wrong.
"""


def number(help: str, default: int, metavar: str) -> Any:
    """A flag with a positive whole number, whose default ``--help`` tells."""
    return flag(f"{help} (default {default})", default=default, metavar=metavar, parse=positive)


@dataclass(frozen=True)
class RecipeConfig:
    """What the command does; each field is a flag."""

    data: str = flag(
        "folder of MSRS, which is prepared inside the workdir, or a prepared set; its split train "
        "is learned from",
        metavar="FOLDER|NAME",
    )
    workdir: Path = flag("where the stages run", metavar="FOLDER")
    out: Path = flag("where the weights go", metavar="FOLDER")
    overwrite: bool = flag("replace weights that are in --out already", default=False)
    data_dir: Path | None = flag(
        DATA_DIR,
        default=None,
        metavar="FOLDER",
    )
    steps1: int = number("steps of stage I", RECIPE["stage1"]["steps"], "N")
    steps2: int = number("steps of stage II", RECIPE["stage2"]["steps"], "N")
    steps3: int = number("steps of stage II again", RECIPE["again"]["steps"], "N")
    batch: int = number("pairs per step", EVERY["batch"], "PAIRS")
    crop: int = number("side of the crops in pixels", EVERY["crop"], "PIXELS")
    features: int | None = flag("feature maps K (default 64)", default=None, parse=positive)
    iterations: int | None = flag(
        "iterations N of a block (default 4)", default=None, parse=positive
    )
    kernel_size: int | None = flag(
        "side of the filters in pixels, odd (default 9)", default=None, parse=positive
    )

    def round(self, name: str) -> TrainConfig:
        """The configuration of ``stage1``, ``stage2`` or ``again``."""
        steps = {"stage1": self.steps1, "stage2": self.steps2, "again": self.steps3}[name]
        how = RECIPE[name] | {
            "steps": steps,
            "warmup": min(RECIPE[name]["warmup"], steps // 4),
            "batch": self.batch,
            "crop": self.crop,
        }
        if name == "stage1":  # stage II takes its network from there
            how |= {n: getattr(self, n) for n in ("features", "iterations", "kernel_size")}
        workdir = self.workdir
        if name == "again":
            how |= {"init": str(workdir / "stage2")}
            workdir = workdir / name
        return TrainConfig(workdir=workdir, data=self.data, data_dir=self.data_dir, **how)

    def folder(self, name: str) -> Path:
        """Where a round leaves what it does."""
        return self.round(name).workdir / STAGE[name]


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m train.recipe") -> int:
    """Runs the command; returns its exit status."""
    told = RecipeConfig(data="DATA", workdir=Path("DIR"), out=Path("OUT"))
    lines = {name: command(name, told.round(name)) for name in RECIPE}
    config = parse(
        RecipeConfig,
        argv,
        prog=prog,
        description=DESCRIPTION.format(**lines),
        epilog=EXAMPLES.format(prog=prog),
    )
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("train").setLevel(logging.INFO)
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    return finish(lambda: run(config), stopped="the same command goes on")


def command(name: str, config: TrainConfig) -> str:
    """The command line that runs a round with a configuration."""
    words = ["python", "-m", f"train.{STAGE[name]}"]
    for field in dataclasses.fields(TrainConfig):
        value = getattr(config, field.name)
        if value == field.default:
            continue
        words.append(f"--{field.name.replace('_', '-')}")
        if value is not True:
            words.append(f"{value:g}" if isinstance(value, float) else str(value))
    return shlex.join(words)


def run(config: RecipeConfig) -> int:
    """Trains what has not been trained yet, and writes the weights; returns the exit status.

    Raises:
        InputError: the weights could not be written where they should go, or a stage cannot run.
    """
    from fnet_jax.weights import checkpoints  # JAX and Orbax are slow to import: after --help
    from train.data import sources
    from train.data.prepared import default_data_dir
    from train.run.loop import train
    from train.run.stages import STAGES

    checkpoints.check_place(config.out, overwrite=config.overwrite)
    if Path(config.data).is_dir():  # once for all rounds, which have workdirs of their own
        data_dir = config.data_dir or default_data_dir()
        prepared = sources.open_or_prepare(config.data, data_dir, config.workdir)
        config = dataclasses.replace(config, data=str(prepared.folder))
    for name in RECIPE:
        steps, folder = config.round(name).steps, config.folder(name)
        status = train(STAGES[STAGE[name]], config.round(name))
        if status or max(checkpoints.steps(folder / checkpoints.RUN_FOLDER), default=0) < steps:
            say(f"{folder}: stopped before its end; the same command goes on")
            return status or 1
    best, course = best_checkpoint(config.folder("again"))
    network, params, meta = checkpoints.load(best)
    record = {
        "kind": "recipe",
        "title": "trained by python -m train.recipe",
        "step": int(best.name),
        "validation_loss": course[int(best.name)],
        "data": {n: v for n, v in meta["source"]["data"].items() if n != "title"},
        "versions": meta["source"]["versions"],
        "rounds": {name: _recorded(config, name) for name in RECIPE},
    }
    checkpoints.save(config.out, network, params, source=record, overwrite=config.overwrite)
    say(
        f"{config.out}: step {int(best.name):,} of the last round, validation loss "
        f"{record['validation_loss']:.4g}"
    )
    return 0


def _recorded(config: RecipeConfig, name: str) -> dict[str, Any]:
    """What was done in a round, without the names of anybody's folders, as JSON values."""
    from train.run.curves import validation_course

    done = dataclasses.replace(config, workdir=Path("runs"), data="MSRS/", data_dir=None).round(
        name
    )
    settings = {n: v for n, v in done.recorded().items() if n not in MAY_CHANGE}
    course = validation_course(config.folder(name))
    return {
        "command": command(name, done),
        "config": settings,
        "validation_loss": {str(step): round(loss, 6) for step, loss in course.items()},
    }


def best_checkpoint(folder: Path) -> tuple[Path, dict[int, float]]:
    """The checkpoint of a stage with the smallest validation loss, and that loss by the step.

    Raises:
        InputError: no checkpoint has one.
    """
    from fnet_jax.weights import checkpoints
    from train.run.curves import validation_course

    course = validation_course(folder)
    saved = checkpoints.steps(folder / checkpoints.RUN_FOLDER)
    known = {step: path for step, path in saved.items() if step in course}
    if not known:
        raise InputError(f"{folder}: has no checkpoint with a validation loss; run the stage anew")
    return known[min(known, key=course.__getitem__)], course


if __name__ == "__main__":
    use_huge_pages()
    sys.exit(main())
