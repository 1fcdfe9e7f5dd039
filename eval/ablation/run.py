"""``python -m eval.ablate``: trains and scores all experiments of the paper's Table III."""

import dataclasses
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fnet_jax.cli.console import finish, say
from fnet_jax.cli.flags import FOLDER, WORD, above_zero, names, parse, reads, unset, whole
from fnet_jax.errors import InputError
from train.ablations import ABLATIONS, ablation
from train.config import (
    CROP,
    DATA_DIR,
    FEATURES,
    ITERATIONS,
    KERNEL_SIZE,
    PAIRS,
    SET_OR_FOLDER,
    SIZES,
    TrainConfig,
)
from train.run.command import AGAIN, logs_shown, report, run_stage, status_of

if TYPE_CHECKING:
    from fnet_jax.paper.protocols import Located
    from train.run.result import Result

COMPLETE = "FNet"
METRICS = ("MI", "CE", "VIF", "Qabf", "Qcb", "SSIM")  # of the paper's table
CLIP = {"stage1": 2.0, "stage2": 50.0}

DESCRIPTION = """\
Train and score FNet and the fifteen experiments of the paper's Table III with
the same budget: --steps steps of stage I (except AE11, which has none) and as
many of stage II, on the same batches, for each of --seeds seeds, with gradients
clipped to 2 in stage I and to 50 in stage II. Then fuse and score some pairs of
each test set in --test (TNO, RoadScene, NIR, MRI_CT …, found as by fnet
benchmark).

The command writes to --out: runs/ (all training runs), ablations.json (all
means) and ablations.md, which has the form of Table III with 95 % intervals over
the seeds, the paper's number below each cell, and which of the paper's orders
are confirmed. The same command continues an interrupted one; finished runs and
scores are kept. The tables are written after each seed, but never replace tables
with more seeds, experiments or pairs. If a run diverges, this is reported and
its cells stay empty.
"""

EXAMPLES = """\
examples:
  {prog} --steps 100 --data msrs --test data/ --out ablations/
  {prog} --steps 20 --seeds 1 --only AE1,AE13 --data msrs --test data/ --out try/

On two CPU cores, 100 steps and four pairs of each of six sets take 37 minutes
per seed.

exit status: 0 if the table was written, 1 if anything failed or the command was
stopped, 2 if an option is wrong, 130 after Ctrl-C
"""


def variants(text: str) -> tuple[str, ...]:
    """``AE1,AE13`` as names of experiments; raises ValueError."""
    return names(text.upper(), ABLATIONS)


@dataclass(frozen=True)
class AblateConfig:
    """Configuration of the command; each field is a flag."""

    # Training data: the name of a prepared set or its folder, or a folder of image pairs.
    data: Annotated[str, SET_OR_FOLDER]
    # Folder with the test sets.
    test: Annotated[Path, FOLDER]
    # Folder for the training runs and the tables.
    out: Annotated[Path, FOLDER]
    # Steps of each stage.
    steps: Annotated[int, whole(1)]
    # Training runs per experiment.
    seeds: Annotated[int, whole(1)] = 3
    # Pairs per test set, evenly spread.
    pairs: Annotated[int, whole(1)] = 4
    # Experiments to run in addition to FNet, separated by commas.
    only: Annotated[tuple[str, ...], reads(variants, "NAMES"), unset("all")] = tuple(ABLATIONS)
    # Split of the set to train on.
    split: Annotated[str | None, WORD, unset("all splits")] = None
    # Folder of the prepared sets.
    data_dir: Annotated[Path | None, FOLDER, DATA_DIR] = None
    # Pairs per step.
    batch: Annotated[int, PAIRS] = 4
    # Side of the random crops, in pixels.
    crop: Annotated[int, CROP] = 64
    # Learning rate. It rises over a tenth of the steps, then falls along a cosine.
    lr: Annotated[float, above_zero("RATE")] = 3e-4
    # Number K of feature maps.
    features: Annotated[int | None, FEATURES, unset("64")] = None
    # Number N of iterations, except for AE9 and AE10, which have their own.
    iterations: Annotated[int | None, ITERATIONS, unset("4")] = None
    # Side of the filters in pixels, odd.
    kernel_size: Annotated[int | None, KERNEL_SIZE, unset("9")] = None

    def names(self) -> tuple[str, ...]:
        """FNet and the experiments, in the paper's order."""
        return (COMPLETE, *(name for name in ABLATIONS if name in self.only))

    def budget(self) -> dict[str, Any]:
        """The flags that decide how much each variant is trained."""
        names = ("steps", "seeds", "batch", "crop", "lr", *SIZES, "split")
        return {name: getattr(self, name) for name in names} | {"clip": CLIP}

    def folder(self, name: str, seed: int) -> Path:
        """The folder of a variant with a seed."""
        return self.out / "runs" / name / f"seed{seed}"

    def stages(self, name: str, seed: int) -> Iterator[tuple[str, TrainConfig]]:
        """The stages of a variant with their configurations.

        Variants that change neither network start from FNet's stage I, which equals theirs.
        """
        change = ablation(None if name == COMPLETE else name)
        own = name == COMPLETE or bool(change.network or change.ifnet)
        common: dict[str, Any] = {
            "workdir": self.folder(name, seed),
            "data": self.data,
            "data_dir": self.data_dir,
            "split": self.split,
            "steps": self.steps,
            "batch": self.batch,
            "crop": self.crop,
            "lr": self.lr,
            "warmup": self.steps // 10,
            "cosine": True,
            "seed": seed,
            "ablation": None if name == COMPLETE else name,
            "resume": True,
        }
        sizes: dict[str, Any] = {
            n: None if n in change.network else getattr(self, n) for n in SIZES
        }
        if change.stage1 and own:
            yield "stage1", TrainConfig(**common, **sizes, clip=CLIP["stage1"])
        start: Mapping[str, Any] = {}
        if not change.stage1:
            start = sizes
        elif not own:
            start = {"init": str((self.folder(COMPLETE, seed) / "stage1").resolve())}
        yield "stage2", TrainConfig(**common, **start, clip=CLIP["stage2"])


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m eval.ablate") -> int:
    """Runs the command; returns its exit status."""
    config = parse(AblateConfig, argv, prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    logs_shown()
    return finish(lambda: run(config), stopped=f"finished work is kept; {AGAIN}")


def run(config: AblateConfig) -> int:
    """Trains and scores what is missing, and writes the tables; returns the exit status.

    Raises:
        InputError: a training run fails, or nothing can be scored.
    """
    import jax  # slow to import: after --help

    from eval.ablation import table3
    from fnet_jax import images
    from fnet_jax.artifacts.files import writable
    from fnet_jax.paper.protocols import locate
    from fnet_jax.runtime.compilation import keep_programs
    from train.run.watch import Diverged

    keep_programs()
    with writable(config.out, remedy="use another --out"):
        config.out.mkdir(parents=True, exist_ok=True)
    located = locate(config.test)
    for problem in (line for found in located.values() for line in found.problems):
        print(problem, file=sys.stderr)
    located = {
        name: dataclasses.replace(found.spread(config.pairs), problems=())
        for name, found in located.items()
    }
    for pair in (pair for found in located.values() for pair in found.pairs.values()):
        for path in (pair.i1, pair.i2):
            images.read(path)  # reports damaged files before anything is trained
    config, data = _prepared(config)
    values: dict[str, list[dict[str, dict[str, float]]]] = {name: [] for name in config.names()}
    losses: dict[str, list[float]] = {name: [] for name in config.names()}
    kept = False
    jobs, failed = [(s, name) for s in range(config.seeds) for name in config.names()], 0
    for number, (seed, name) in enumerate(jobs, 1):
        print(f"{number} of {len(jobs)}: {name}, seed {seed}", file=sys.stderr)
        try:
            result = trained(config, name, seed)
            if not result.finished:
                say(f"{result.folder}: stopped early; {AGAIN}")
                return status_of(result) or 1
            values[name].append(scored(result, config.folder(name, seed) / "scores", located))
            loss = result.validation_loss
            losses[name].append(math.nan if loss is None else loss)
        except Diverged as error:
            print(f"error: {error}", file=sys.stderr)
            values[name].append({n: dict.fromkeys(METRICS, math.nan) for n in located})
            losses[name].append(math.nan)
            failed = 1
        jax.clear_caches()  # variants share no programs
        if number % len(values) == 0:
            budget = config.budget() | {"seeds": seed + 1}
            pairs = {name: sorted(found.pairs) for name, found in located.items()}
            kept = table3.holds_more(config.out, seed + 1, pairs, values)
            if not kept:
                table3.write(config.out, budget, data, pairs, values, losses)
    say(table3.summary(values, losses))
    more = " has more seeds, experiments or pairs and is kept; move it to replace it"
    say(f"{config.out / 'ablations.md'}{more if kept else ''}")
    return failed


def _prepared(config: AblateConfig) -> tuple[AblateConfig, dict[str, Any]]:
    """The configuration with a folder of images prepared once, and a description of the data."""
    from train.data import sources
    from train.run.display import Bar

    _, how = next(config.stages(COMPLETE, 0))
    ready = sources.prepared_once(
        config.data, config.data_dir, config.out, report=report, progress=Bar().over
    )
    config = dataclasses.replace(config, data=ready)
    data = sources.find(
        config.data,
        split=config.split,
        data_dir=config.data_dir,
        crop=config.crop,
        validation=how.validation,
        workdir=config.out,
    )
    return config, data.described()


def trained(config: AblateConfig, name: str, seed: int) -> "Result":
    """Trains a variant, if that is not done, and returns the result of its last stage.

    Raises:
        InputError: a run fails, or an existing one has another configuration.
        Diverged: its loss, or that of FNet's stage I from which it starts, is NaN or infinite.
    """
    from fnet_jax.weights import checkpoints
    from train.run.watch import Diverged

    for stage, how in config.stages(name, seed):
        if how.init and how.steps not in checkpoints.steps(Path(how.init) / checkpoints.RUN_FOLDER):
            raise Diverged(
                f"{how.workdir / stage} cannot begin, because FNet's stage I did not finish"
            )
        result = run_stage(stage, how)
        if not result.finished:
            break
    return result


def scored(
    result: "Result", folder: Path, located: "Mapping[str, Located]"
) -> dict[str, dict[str, float]]:
    """Means of the metrics of Table III with the last weights of a run, by set and metric.

    Raises:
        InputError: a pair cannot be fused or scored.
    """
    from functools import partial

    import numpy as np
    from tqdm import tqdm

    from fnet_jax.fusing.fuser import Fuser
    from fnet_jax.networks.fnet import FNet
    from fnet_jax.paper.run import Run, made_with, run_sets
    from fnet_jax.weights import checkpoints

    assert result.checkpoint is not None
    network, params, _ = checkpoints.load(result.checkpoint, FNet)
    run = Run.resumed(folder, made_with(network, params))
    problems: list[str] = []
    progress = partial(tqdm, unit="pair", disable=None, leave=False)
    run_sets(run, Fuser(network, params), located, report=problems.append, progress=progress)
    if problems:
        raise InputError("; ".join(problems))
    return {
        name: {
            m: float(np.mean([r["values"][m] for r in run.pairs[name].values()])) for m in METRICS
        }
        for name in located
    }
