"""``python -m benchmarks.sizes``: quality and cost of FNet at each size."""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import jax
from tyro.conf import UseAppendAction

from benchmarks import weights
from benchmarks.size_points import Point, Setting, draw, settings, shown, table
from fnet_jax.artifacts import provenance
from fnet_jax.artifacts.files import read_text, replace_texts, writable
from fnet_jax.artifacts.words import counted
from fnet_jax.cli import benchmark
from fnet_jax.cli.benchmark import BenchmarkConfig
from fnet_jax.cli.console import complain, finish, say
from fnet_jax.cli.flags import (
    FOLDER,
    MOST_PROCESSES,
    SHIPPED,
    WORD,
    above_zero,
    parse,
    reads,
    unset,
    whole,
    word_or_path,
)
from fnet_jax.errors import InputError, first_line
from fnet_jax.networks.fnet import FNet
from fnet_jax.paper import table1
from fnet_jax.runtime.memory import use_huge_pages
from fnet_jax.weights import checkpoints
from fnet_jax.weights.integrity import checksums
from train.config import CROP, DATA_DIR, PAIRS, SET_OR_FOLDER, SHARE, WEIGHT, TrainConfig
from train.data import sources
from train.run.command import AGAIN, logs_shown, report, run_stage, status_of
from train.run.display import Bar
from train.run.recipe import SMALL
from train.run.result import Result
from train.run.watch import Diverged

DESCRIPTION = """\
Train FNet at many sizes from scratch, each by one stage II with the same budget,
and compare cost and quality: multiplications per pixel, against the validation
loss (eq. 26) and against the cells of the paper's Table I, as ratios to the
means of --against.

The command writes a folder for each size and seed, sizes.md (the table),
sizes.json and sizes.png to --out. The same command continues an interrupted one;
finished work is kept, and --only adds sizes to the table. Another budget needs
another --out.
"""

EXAMPLES = """\
examples:
  {prog} --data MSRS/ --split train --test data/ --out sizes/
  {prog} --data MSRS/ --split train --test data/ --out sizes/ --only 16,5,2 --only 8,5,1
  {prog} --data MSRS/ --split train --out sizes/ --steps 500       (only losses)

exit status: 0 if the table was written, 1 if anything failed or the command was
stopped, 2 if an option is wrong, 130 after Ctrl-C
"""

JSON = "sizes.json"
HOW = SMALL["stage2"]  # how each size is trained

SETTINGS: tuple[Setting, ...] = (
    *((2, 3, 2), (5, 3, 1), (12, 3, 0)),  # about 1/400 of the paper's operations and less
    *((5, 3, 4), (7, 3, 3), (11, 3, 2), (8, 5, 1), (16, 5, 0), (8, 7, 0)),  # 1/100
    *((24, 3, 3), (16, 3, 5), (16, 5, 2), (16, 7, 1), (32, 7, 0)),  # 1/25
    *((32, 5, 2), (16, 7, 3), (16, 9, 2), (64, 5, 1)),  # 1/10
)


def _setting(text: str) -> Setting:
    try:
        features, kernel_size, iterations = map(int, text.split(","))
        FNet.of(settings((features, kernel_size, iterations))).check()
    except ValueError as error:
        raise ValueError(f"{text!r} is not K,SIDE,N such as 16,5,2 ({error})") from error
    return features, kernel_size, iterations


@dataclass(frozen=True, kw_only=True)
class SizesConfig:
    """Configuration of the command; each field is a flag."""

    # Training data: the name of a prepared set or its folder, or a folder of image pairs.
    data: Annotated[str, SET_OR_FOLDER]
    # Folder for the training runs, the scores and the tables.
    out: Annotated[Path, FOLDER]
    # Folder with the test sets of Table I.
    test: Annotated[Path | None, FOLDER, unset("nothing is scored")] = None
    # A size: features K, side of the kernels in pixels, iterations N. May be repeated.
    only: UseAppendAction[tuple[Annotated[Setting, reads(_setting, "K,SIDE,N")], ...]] = ()
    # Weights to compare with, whose means are 1 in the cells.
    against: Annotated[Path | None, FOLDER, SHIPPED] = None
    # Split of the set to train on.
    split: Annotated[str | None, WORD, unset("all splits")] = None
    # Folder of the prepared sets.
    data_dir: Annotated[Path | None, FOLDER, DATA_DIR] = None
    # Steps per training run.
    steps: Annotated[int, whole(1)] = 6000
    # Training runs per size.
    seeds: Annotated[int, whole(1)] = 1
    # Pairs per step.
    batch: Annotated[int, PAIRS] = HOW["batch"]
    # Side of the random crops, in pixels.
    crop: Annotated[int, CROP] = HOW["crop"]
    # Share of the training images whose contrast is raised; see python -m train.stage2 --help.
    contrast: Annotated[float, SHARE] = HOW["contrast"]
    # Share of the training pairs that are made more alike; see python -m train.stage2 --help.
    alike: Annotated[float, SHARE] = HOW["alike"]
    # Learning rate. It rises over 300 steps, at most a quarter, then falls along a cosine.
    lr: Annotated[float, above_zero("RATE")] = HOW["lr"]
    # Teacher; see python -m train.stage2 --help.
    teacher: Annotated[str | None, reads(word_or_path, "SIZE|CKPT"), unset()] = None
    # Weights of its fused image and of its three reconstructions.
    teacher_weight: Annotated[float, WEIGHT] = TrainConfig.teacher_weight
    teacher_parts: Annotated[float, WEIGHT] = TrainConfig.teacher_parts
    # Processes that score.
    workers: Annotated[int | None, whole(1, MOST_PROCESSES), unset("one per core")] = None

    def __post_init__(self) -> None:
        """Raises InputError if flags for scores are used without ``--test``."""
        if self.test is None and (self.against or self.workers):
            raise InputError("--against and --workers need scores; use --test, or omit them")

    def training(self, setting: Setting, seed: int) -> TrainConfig:
        """The training configuration of a size."""
        how: dict[str, Any] = {
            **HOW,
            **settings(setting),
            "steps": self.steps,
            "batch": self.batch,
            "crop": self.crop,
            "contrast": self.contrast,
            "alike": self.alike,
            "lr": self.lr,
            "warmup": min(HOW["warmup"], self.steps // 4),
            "split": self.split,
        }
        return TrainConfig(
            workdir=self.folder(setting, seed),
            data=self.data,
            data_dir=self.data_dir,
            seed=seed,
            teacher=self.teacher,
            teacher_weight=self.teacher_weight,
            teacher_parts=self.teacher_parts,
            pictures_every=self.steps,
            log_every=100,
            **how,
        )

    def folder(self, setting: Setting, seed: int) -> Path:
        """The folder of a size with a seed."""
        return self.out / "runs" / "K{}-side{}-N{}".format(*setting) / f"seed{seed}"


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m benchmarks.sizes") -> int:
    """Runs the command; returns its exit status."""
    config = parse(SizesConfig, argv, prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    logs_shown()
    return finish(lambda: run(config), stopped=f"finished work is kept; {AGAIN}")


def run(config: SizesConfig) -> int:
    """Trains and scores what is missing; returns the exit status.

    Raises:
        InputError: a training run fails, or nothing can be scored.
    """
    ready = sources.prepared_once(
        config.data, config.data_dir, config.out, report=report, progress=Bar().over
    )
    config = replace(config, data=ready)
    reference, against = None, None
    if config.test:
        ckpt = config.against or checkpoints.shipped()
        _, params, _ = checkpoints.load(ckpt, FNet)
        against = provenance.fingerprint_of(checksums(params))
        reference = _report(config, ckpt, config.out / f"against-{against[:8]}")
    points, against = _known(config, against)
    failed = 0
    jobs = [(s, seed) for seed in range(config.seeds) for s in config.only or SETTINGS]
    for number, (setting, seed) in enumerate(jobs, 1):
        print(f"{number} of {len(jobs)}: {shown(setting)}, seed {seed}", file=sys.stderr)
        before = points.get((setting, seed))
        loss, cells = None, before.cells if before else {}  # kept even without --test
        try:
            result = run_stage("stage2", config.training(setting, seed))
            if not result.finished:
                say(f"{result.folder}: stopped early; {AGAIN}")
                return status_of(result) or 1
            loss, best = _best(result)
            if reference:
                scored = _report(config, best, config.folder(setting, seed) / "scores")
                cells = _ratios(scored, reference)
        except (Diverged, NoRatioError) as error:
            complain(f"{config.folder(setting, seed)}: {error}")
            failed = 1
        network = FNet.of(settings(setting))
        points[setting, seed] = Point(
            setting,
            seed,
            sum(math.prod(x.shape) for x in jax.tree.leaves(network.shapes())),
            network.products() / FNet().products(),
            loss,
            cells,
        )
        _write(config, list(points.values()), against)
        jax.clear_caches()  # sizes share no programs
    say(table(list(points.values())))
    say(f"{config.out / 'sizes.md'}")
    return failed


class NoRatioError(Exception):
    """A mean cannot be divided by that of the other weights, or the reverse."""


def _best(result: Result) -> tuple[float, Path]:
    """The smallest validation loss of a run, and its checkpoint; raises InputError."""
    best = result.best_checkpoint
    if best is None:
        raise InputError(f"{result.folder} has no known validation loss; remove the folder")
    return result.course[int(best.name)], best


def _ratios(found: dict[str, Any], reference: dict[str, Any]) -> dict[str, dict[str, float]]:
    try:
        return weights.ratios(found, reference)
    except ValueError as error:
        raise NoRatioError(error) from error


def _known(
    config: SizesConfig, against: str | None
) -> tuple[dict[tuple[Setting, int], Point], str | None]:
    """The points that are in the table, and the fingerprint of the weights of their cells.

    ``against`` is the fingerprint of the weights to compare with now, or None.

    Raises:
        InputError: they have another budget or other weights, or the file is damaged.
    """
    path = config.out / JSON
    if not path.exists():
        return {}, against
    try:
        content = json.loads(read_text(path))
        points = [Point(**{**x, "setting": tuple(x["setting"])}) for x in content["points"]]
        budget, before = content["budget"], content["against"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({first_line(error)}); remove it") from error
    if budget != _budget(config):
        raise InputError(f"{path} has sizes of another budget; use another --out")
    if against and before and against != before:
        raise InputError(f"{path} has cells against other weights; use another --out")
    return {(point.setting, point.seed): point for point in points}, against or before


def _budget(config: SizesConfig) -> dict[str, Any]:
    names = (
        "steps",
        "batch",
        "crop",
        "contrast",
        "alike",
        "lr",
        "split",
        "teacher",
        "teacher_weight",
        "teacher_parts",
    )
    return {name: getattr(config, name) for name in names}


def _report(config: SizesConfig, ckpt: Path, out: Path) -> dict[str, Any]:
    """The means of Table I of some weights, as ``fnet benchmark`` computes them."""
    assert config.test is not None
    asked = BenchmarkConfig(data=config.test, ckpt=ckpt, out=out, workers=config.workers)
    run, found, origin, failures = benchmark.computed(asked, out, asked.sets, measure=False)
    if failures:
        raise InputError(
            f"{config.test}: {counted(failures, 'file')} cannot be used (see above); fix or "
            f"remove them"
        )
    return table1.report(run, found, origin)


def _write(config: SizesConfig, points: Sequence[Point], against: str | None) -> None:
    """The table, its numbers and the figure."""
    began = (config.folder(x.setting, x.seed) / "stage2/config.json" for x in points)
    first = next((path for path in began if path.exists()), None)
    content = {
        "budget": _budget(config),
        "against": against,
        "data": json.loads(read_text(first))["data"] if first else None,
        "date": provenance.today(),
        "versions": provenance.versions(*provenance.NETWORK, "numpy"),
        "points": [asdict(point) for point in points],
    }
    with writable(config.out, remedy="use another --out"):
        config.out.mkdir(parents=True, exist_ok=True)
        replace_texts(
            {
                config.out / JSON: json.dumps(content, indent=1, allow_nan=False) + "\n",
                config.out / "sizes.md": table(points) + "\n",
            }
        )
        draw(config.out / "sizes.png", points)


if __name__ == "__main__":
    use_huge_pages()
    sys.exit(main())
