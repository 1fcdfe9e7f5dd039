"""``python -m benchmarks.sizes``: how good FNet is at each size, and what that costs."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from tyro.conf import UseAppendAction

from benchmarks import weights
from fnet_jax.artifacts import markdown, provenance
from fnet_jax.artifacts.files import replace_texts, writable
from fnet_jax.cli import benchmark
from fnet_jax.cli.benchmark import BenchmarkConfig
from fnet_jax.cli.console import finish, say
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
from fnet_jax.errors import InputError
from fnet_jax.networks.fnet import FNet
from fnet_jax.paper import table1
from fnet_jax.weights import checkpoints
from train.config import CROP, DATA_DIR, PAIRS, SET_OR_FOLDER, WEIGHT, TrainConfig
from train.run.command import AGAIN, logs_shown, run_stage, status_of

DESCRIPTION = """\
Train FNet at many sizes from nothing, each by one stage II under one budget,
and compare what they cost with what they keep: products of a weight and a pixel
that each pixel needs, against the validation loss (eq. 26) and against the cells
of the paper's Table I, as ratios to the same means of --against.

--out gets a folder for each size and seed, sizes.md (the table), sizes.json and
sizes.png. What was trained and scored is not computed again: the same command
continues after any stop, and --only adds sizes.
"""

EXAMPLES = """\
examples:
  {prog} --data MSRS/ --split train --test data/ --out sizes/
  {prog} --data MSRS/ --split train --test data/ --out sizes/ --only 16,5,2 --only 8,5,1
  {prog} --data MSRS/ --split train --out sizes/ --steps 500       (losses alone)

exit status: 0 if the table was written, 1 if anything failed or the command was
stopped, 2 if an option is wrong, 130 after Ctrl-C
"""

Setting = tuple[int, int, int]
"""Features K, side of the kernels and iterations N."""

SETTINGS: tuple[Setting, ...] = (
    *((4, 3, 1), (4, 5, 0), (12, 3, 0)),  # about 1/400 of the paper's operations and less
    *((8, 5, 1), (4, 7, 1), (4, 5, 2), (16, 5, 0), (8, 7, 0), (8, 3, 2), (16, 3, 1)),  # 1/100
    *((16, 5, 2), (8, 7, 2), (16, 7, 1), (8, 5, 4), (32, 7, 0), (32, 3, 3), (8, 9, 1)),  # 1/25
    *((32, 5, 2), (16, 7, 3), (16, 9, 2), (64, 5, 1)),  # 1/10
)


def _setting(text: str) -> Setting:
    try:
        features, kernel_size, iterations = map(int, text.split(","))
        FNet.of(_settings((features, kernel_size, iterations))).check()
    except ValueError as error:
        raise ValueError(f"{text!r} is not K,SIDE,N such as 16,5,2 ({error})") from error
    return features, kernel_size, iterations


@dataclass(frozen=True, kw_only=True)
class SizesConfig:
    """What the command does; each field is a flag."""

    # Training data: the name of a prepared set or its folder, or a folder of image pairs.
    data: Annotated[str, SET_OR_FOLDER]
    # Folder for the trainings, the scores and the tables.
    out: Annotated[Path, FOLDER]
    # Folder that holds the test sets of Table I.
    test: Annotated[Path | None, FOLDER, unset("nothing is scored")] = None
    # A size: features K, side of the kernels in pixels, iterations N. May be given several times.
    only: UseAppendAction[tuple[Annotated[Setting, reads(_setting, "K,SIDE,N")], ...]] = ()
    # Weights whose means are 1 in the cells.
    against: Annotated[Path | None, FOLDER, SHIPPED] = None
    # Split of the set to train on.
    split: Annotated[str | None, WORD, unset("all splits")] = None
    # Folder of the prepared sets.
    data_dir: Annotated[Path | None, FOLDER, DATA_DIR] = None
    # Steps of each training.
    steps: Annotated[int, whole(1)] = 6000
    # Trainings of each size.
    seeds: Annotated[int, whole(1)] = 1
    # Pairs per step.
    batch: Annotated[int, PAIRS] = 8
    # Side of the random crops, in pixels.
    crop: Annotated[int, CROP] = 64
    # Learning rate. It rises over 300 steps, then falls along a cosine.
    lr: Annotated[float, above_zero("RATE")] = 1e-3
    # A teacher; see python -m train.stage2 --help.
    teacher: Annotated[str | None, reads(word_or_path, "SIZE|CKPT"), unset()] = None
    # Weights of its fused image and of its three reconstructions.
    teacher_weight: Annotated[float, WEIGHT] = TrainConfig.teacher_weight
    teacher_parts: Annotated[float, WEIGHT] = TrainConfig.teacher_parts
    # Processes that score.
    workers: Annotated[int | None, whole(1, MOST_PROCESSES), unset("one per core")] = None

    def training(self, setting: Setting, seed: int) -> TrainConfig:
        """The training of a size."""
        return TrainConfig(
            workdir=self.folder(setting, seed),
            data=self.data,
            data_dir=self.data_dir,
            split=self.split,
            init="tied",
            **_settings(setting),
            steps=self.steps,
            batch=self.batch,
            crop=self.crop,
            lr=self.lr,
            warmup=min(300, self.steps // 4),
            cosine=True,
            clip=50.0,
            seed=seed,
            teacher=self.teacher,
            teacher_weight=self.teacher_weight,
            teacher_parts=self.teacher_parts,
            pictures_every=self.steps,
            log_every=100,
            resume=True,
        )

    def folder(self, setting: Setting, seed: int) -> Path:
        """Where a size is trained with a seed."""
        return self.out / "runs" / "K{}-side{}-N{}".format(*setting) / f"seed{seed}"


@dataclass(frozen=True)
class Point:
    """What a size reached with a seed.

    Attributes:
        setting: features, side of the kernels and iterations.
        seed: of the training.
        parameters: their number.
        share: products per pixel, over those of the paper's network.
        validation_loss: the least of the training's checkpoints.
        cells: ratios by set and metric; empty if nothing was scored.
    """

    setting: Setting
    seed: int
    parameters: int
    share: float
    validation_loss: float
    cells: dict[str, dict[str, float]]

    @property
    def by_set(self) -> list[float]:
        """The mean ratio of each set."""
        return [float(np.mean(list(row.values()))) for row in self.cells.values()]

    @property
    def mean(self) -> float:
        """The mean of all cells; NaN without any."""
        every = [value for row in self.cells.values() for value in row.values()]
        return float(np.mean(every)) if every else np.nan


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m benchmarks.sizes") -> int:
    """Runs the command; returns its exit status."""
    config = parse(SizesConfig, argv, prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    logs_shown()
    return finish(lambda: run(config), stopped=f"what is done is kept; {AGAIN}")


def run(config: SizesConfig) -> int:
    """Trains and scores what has not been; returns the exit status.

    Raises:
        InputError: a training cannot run, or nothing can be scored.
    """
    chosen = config.only or SETTINGS
    reference = None
    if config.test:
        against = config.against or checkpoints.shipped()
        reference = _report(config, against, config.out / "against")
    points = []
    jobs = [(setting, seed) for seed in range(config.seeds) for setting in chosen]
    for number, (setting, seed) in enumerate(jobs, 1):
        print(f"{number} of {len(jobs)}: {_shown(setting)}, seed {seed}", file=sys.stderr)
        result = run_stage("stage2", config.training(setting, seed))
        if not result.finished:
            say(f"{result.folder}: stopped early; {AGAIN}")
            return status_of(result) or 1
        best = result.best_checkpoint
        if best is None:
            raise InputError(f"{result.folder}: no validation loss is known; remove the folder")
        cells: dict[str, dict[str, float]] = {}
        if reference:
            scored = _report(config, best, config.folder(setting, seed) / "scores")
            cells = weights.ratios(scored, reference)
        network, params, _ = checkpoints.load(best, FNet)
        points.append(
            Point(
                setting,
                seed,
                sum(np.size(x) for x in checkpoints.named_arrays(params).values()),
                network.products() / FNet().products(),
                result.course[int(best.name)],
                cells,
            )
        )
        _write(config, points)
    say(table(points))
    say(f"{config.out / 'sizes.md'}")
    return 0


def _settings(setting: Setting) -> dict[str, Any]:
    return dict(zip(("features", "kernel_size", "iterations"), setting, strict=True))


def _shown(setting: Setting) -> str:
    return f"K {setting[0]}, {setting[1]}×{setting[1]}, N {setting[2]}"


def _report(config: SizesConfig, ckpt: Path, out: Path) -> dict[str, Any]:
    """The means of Table I of some weights, as ``fnet benchmark`` has them."""
    assert config.test is not None
    asked = BenchmarkConfig(data=config.test, ckpt=ckpt, out=out, workers=config.workers)
    run, found, origin, failures = benchmark.computed(asked, out, asked.sets, measure=False)
    if failures:
        raise InputError(f"{config.test}: {failures} files cannot be used; see above")
    return table1.report(run, found, origin)


def table(points: Sequence[Point]) -> str:
    """A row for each size and seed, the cheapest first."""
    names = list(next((point.cells for point in points if point.cells), {}))
    rows = [
        [
            _shown(point.setting),
            str(point.seed),
            f"{point.parameters:,}",
            f"1/{1 / point.share:.3g}",
            f"{point.validation_loss:.3f}",
            *([f"{point.mean:.3f}"] if names else []),
            *(f"{value:.3f}" for value in point.by_set),
        ]
        for point in sorted(points, key=lambda point: (point.share, point.setting, point.seed))
    ]
    head = ["size", "seed", "parameters", "operations", "validation loss"]
    return markdown.table([*head, *(["cells"] if names else []), *names], rows)


def _write(config: SizesConfig, points: Sequence[Point]) -> None:
    """The table, its numbers and the figure."""
    budget = {n: getattr(config, n) for n in ("steps", "batch", "crop", "lr", "teacher", "split")}
    content = {
        "budget": budget,
        "date": provenance.today(),
        "versions": provenance.versions(*provenance.NETWORK, "numpy"),
        "points": [asdict(point) for point in points],
    }
    with writable(config.out, remedy="use another --out"):
        config.out.mkdir(parents=True, exist_ok=True)
        replace_texts(
            {
                config.out / "sizes.json": json.dumps(content, indent=1, allow_nan=False) + "\n",
                config.out / "sizes.md": table(points) + "\n",
            }
        )
        draw(config.out / "sizes.png", points)


def draw(path: Path, points: Iterable[Point]) -> None:
    """Operations against the validation loss, and against the cells if there are any."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    points = list(points)
    kinds = ["validation loss"] + (["cells, mean ratio"] if points[0].cells else [])
    figure, panels = pyplot.subplots(
        1, len(kinds), figsize=(6 * len(kinds), 4.5), squeeze=False, layout="constrained"
    )
    for panel, kind in zip(panels[0], kinds, strict=True):
        for N in sorted({point.setting[2] for point in points}):
            some = [point for point in points if point.setting[2] == N]
            values = [x.validation_loss if kind == kinds[0] else x.mean for x in some]
            panel.scatter([1 / x.share for x in some], values, label=f"N = {N}", s=18)
            for point, value in zip(some, values, strict=True):
                at = (1 / point.share, value)
                text = f"{point.setting[0]}, {point.setting[1]}"
                panel.annotate(text, at, (3, 3), textcoords="offset points", fontsize=7)
        panel.set_xscale("log")
        panel.invert_xaxis()
        panel.set_xlabel("operations: 1/x of the paper's network (labels: K, side)")
        panel.set_ylabel(kind)
        panel.legend(fontsize=8)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


if __name__ == "__main__":
    sys.exit(main())
