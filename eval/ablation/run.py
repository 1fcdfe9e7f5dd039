"""``python -m eval.ablate``: trains and scores all experiments of the paper's Table III."""

import argparse
import dataclasses
import logging
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fnet_jax.cli.console import finish, say
from fnet_jax.cli.flags import above_zero, flag, parse, positive
from fnet_jax.errors import InputError
from train.ablations import ABLATIONS, ablation
from train.config import DATA_DIR, TrainConfig

if TYPE_CHECKING:
    from fnet_jax.paper.protocols import Located

COMPLETE = "FNet"
VARIANTS = (COMPLETE, *ABLATIONS)
METRICS = ("MI", "CE", "VIF", "Qabf", "Qcb", "SSIM")  # of the paper's table
CLIP = {"stage1": 2.0, "stage2": 50.0}

DESCRIPTION = """\
Train and score FNet and the fifteen experiments of the paper's Table III under one budget: --steps
steps of stage I (but for AE11, which has none) and as many of stage II, on the same batches, for
each of --seeds seeds, with gradients clipped to 2 in stage I and to 50 in stage II; then fuse and
score some pairs of each test set that --test holds (TNO, RoadScene, NIR, MRI_CT …, as python -m
eval.benchmark finds them).

--out gets runs/ (every training), ablations.json (all means) and ablations.md: Table III's form
with 95 % intervals over the seeds, the paper's number under each, and which of its orders are
confirmed. What was trained and scored is not computed again; an interrupted command goes on, if
--out is where it was. The tables are written after each seed, but replace none that have a seed, an
experiment or a pair that they lack. A training that diverges is told, and its cells stay empty.
"""

EXAMPLES = """\
examples:
  {prog} --steps 100 --data msrs --test data/ --out ablations/
  {prog} --steps 20 --seeds 1 --only AE1,AE13 --data msrs --test data/ --out try/

On two CPU cores, 100 steps and four pairs of each of six sets take 37 minutes for each seed.
The exit status is 0 when the table is written, 1 if anything failed or the command was stopped, 2
if an option is wrong.
"""


def variants(text: str) -> tuple[str, ...]:
    """``AE1,AE13`` as names of experiments."""
    names = tuple(name.strip().upper() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in ABLATIONS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"{text!r}: the experiments are AE1 to AE15")
    return names


@dataclass(frozen=True)
class AblateConfig:
    """What the command does; each field is a flag."""

    data: str = flag(
        "what to learn from: the name or folder of a prepared set, or a folder of image pairs",
        metavar="NAME|FOLDER",
    )
    test: Path = flag("folder that holds the test sets", metavar="FOLDER")
    out: Path = flag("where everything goes", metavar="FOLDER")
    steps: int = flag("steps of each stage", metavar="N", parse=positive)
    seeds: int = flag(
        "trainings of each experiment (default 3)", default=3, metavar="N", parse=positive
    )
    pairs: int = flag(
        "pairs of each test set, evenly spread (default 4)", default=4, metavar="N", parse=positive
    )
    only: tuple[str, ...] = flag(
        "experiments to do beside FNet, separated by commas (default: all)",
        default=tuple(ABLATIONS),
        metavar="NAMES",
        parse=variants,
    )
    split: str | None = flag("train on one split of the set (default: on all)", default=None)
    data_dir: Path | None = flag(
        DATA_DIR,
        default=None,
        metavar="FOLDER",
    )
    batch: int = flag("pairs per step (default 4)", default=4, metavar="PAIRS", parse=positive)
    crop: int = flag(
        "side of the crops in pixels (default 64)", default=64, metavar="PIXELS", parse=positive
    )
    lr: float = flag(
        "learning rate, with a tenth of the steps as warm-up and a cosine's fall (default 3e-4)",
        default=3e-4,
        metavar="RATE",
        parse=above_zero,
    )
    features: int | None = flag("feature maps K (default 64)", default=None, parse=positive)
    kernel_size: int | None = flag(
        "side of the filters in pixels, odd (default 9)", default=None, parse=positive
    )

    def names(self) -> tuple[str, ...]:
        """FNet and the experiments, in the paper's order."""
        return (COMPLETE, *(name for name in ABLATIONS if name in self.only))

    def budget(self) -> dict[str, Any]:
        """The flags that say how much each is trained."""
        names = ("steps", "seeds", "batch", "crop", "lr", "features", "kernel_size", "split")
        return {name: getattr(self, name) for name in names} | {"clip": CLIP}

    def folder(self, name: str, seed: int) -> Path:
        """Where a variant is trained with a seed."""
        return self.out / "runs" / name / f"seed{seed}"

    def stages(self, name: str, seed: int) -> Iterator[tuple[str, TrainConfig]]:
        """The stages of a variant with their configurations.

        Variants that change neither network go on from FNet's stage I, which would be theirs.
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
        sizes: dict[str, Any] = {"features": self.features, "kernel_size": self.kernel_size}
        if change.stage1 and own:
            yield "stage1", TrainConfig(**common, **sizes, clip=CLIP["stage1"])
        start: dict[str, Any] = {}
        if not change.stage1:
            start = sizes
        elif not own:
            start = {"init": str((self.folder(COMPLETE, seed) / "stage1").resolve())}
        yield "stage2", TrainConfig(**common, **start, clip=CLIP["stage2"])


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m eval.ablate") -> int:
    """Runs the command; returns its exit status."""
    config = parse(
        AblateConfig,
        argv,
        prog=prog,
        description=DESCRIPTION,
        epilog=EXAMPLES.format(prog=prog),
    )
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("train").setLevel(logging.INFO)
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    return finish(lambda: run(config), stopped="what is done is kept; the same command goes on")


def run(config: AblateConfig) -> int:
    """Trains and scores what has not been, and writes the tables; returns the exit status.

    Raises:
        InputError: a training cannot run, or nothing can be scored.
    """
    import jax  # slow to import: after --help

    from eval.ablation import table3
    from fnet_jax import images
    from fnet_jax.artifacts.files import writable
    from fnet_jax.paper.protocols import locate
    from fnet_jax.runtime.compilation import keep_programs
    from train.run.loop import Diverged

    keep_programs()
    with writable(config.out, remedy="give another --out"):
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
            images.read(path)  # so that a damaged file is named before anything is trained
    config, data = _prepared(config)
    values: dict[str, list[dict[str, dict[str, float]]]] = {name: [] for name in config.names()}
    losses: dict[str, list[float]] = {name: [] for name in config.names()}
    kept = False
    jobs, failed = [(s, name) for s in range(config.seeds) for name in config.names()], 0
    for number, (seed, name) in enumerate(jobs, 1):
        print(f"{number} of {len(jobs)}: {name}, seed {seed}", file=sys.stderr)
        try:
            if not trained(config, name, seed, data):
                say(f"{config.folder(name, seed)}: stopped before its end; run the same again")
                return 1
            values[name].append(scored(config.folder(name, seed), located))
            losses[name].append(final_loss(config.folder(name, seed)))
        except Diverged as error:
            print(f"error: {error}", file=sys.stderr)
            values[name].append({n: dict.fromkeys(METRICS, math.nan) for n in located})
            losses[name].append(math.nan)
            failed = 1
        jax.clear_caches()  # no variant has another's programs
        if number % len(values) == 0:
            budget = config.budget() | {"seeds": seed + 1}
            pairs = {name: sorted(found.pairs) for name, found in located.items()}
            kept = table3.holds_more(config.out, seed + 1, pairs, values)
            if not kept:
                table3.write(config.out, budget, data, pairs, values, losses)
    say(table3.summary(values, losses))
    more = ": has seeds, experiments or pairs that these lack, and is kept; move it to replace it"
    say(f"{config.out / 'ablations.md'}{more if kept else ''}")
    return failed


def _prepared(config: AblateConfig) -> tuple[AblateConfig, dict[str, Any]]:
    """The configuration with a folder of images prepared once for all, and what the data are."""
    from train.data import sources
    from train.data.prepared import default_data_dir

    _, how = next(config.stages(COMPLETE, 0))
    data_dir = config.data_dir or default_data_dir()
    if Path(config.data).is_dir():
        found = sources.open_or_prepare(config.data, data_dir, config.out)
        config = dataclasses.replace(config, data=str(found.folder))
    data = sources.find(
        config.data,
        split=config.split,
        data_dir=data_dir,
        crop=config.crop,
        validation=how.validation,
        workdir=config.out,
    )
    return config, data.described()


def trained(config: AblateConfig, name: str, seed: int, data: dict[str, Any]) -> bool:
    """Trains a variant as far as it has not been; returns whether it is at its end.

    Args:
        config: what the command does.
        name: of the variant.
        seed: of its training.
        data: what :meth:`train.data.sources.TrainingData.described` says.

    Raises:
        InputError: a training cannot run, or what is there was trained in another way.
        Diverged: its loss became NaN or infinite, or that of FNet's stage I, from which it goes on.
    """
    from fnet_jax.weights import checkpoints
    from train.run.folder import check_data, previous
    from train.run.loop import Diverged, train
    from train.run.stages import STAGES, resolved

    for stage, how in config.stages(name, seed):
        folder = how.workdir / stage
        if how.init and how.steps not in checkpoints.steps(Path(how.init) / checkpoints.RUN_FOLDER):
            raise Diverged(f"{folder}: cannot begin, as FNet's stage I did not reach its end")
        before = previous(folder, resolved(STAGES[stage], how))
        if before is not None:
            check_data(folder, before, data)
        if how.steps in checkpoints.steps(folder / checkpoints.RUN_FOLDER):
            continue
        if train(STAGES[stage], how):
            return False
        if how.steps not in checkpoints.steps(folder / checkpoints.RUN_FOLDER):
            return False
    return True


def scored(folder: Path, located: "Mapping[str, Located]") -> dict[str, dict[str, float]]:
    """Means of the metrics of Table III with what a run ended at, by set and metric.

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

    network, params, _ = checkpoints.load(folder / "stage2")
    assert isinstance(network, FNet)
    run = Run.resumed(folder / "scores", made_with(network, params))
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


def final_loss(folder: Path) -> float:
    """The validation loss at the end of stage II.

    Raises:
        InputError: the curves of the run cannot be read.
    """
    from train.run.curves import validation_course

    course = validation_course(folder / "stage2")
    return course[max(course)] if course else math.nan
