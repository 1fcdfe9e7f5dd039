"""``python -m benchmarks.metrics``: how much faster the metrics are than their plain formulas."""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from fnet_jax import images
from fnet_jax.artifacts.files import replace_text
from fnet_jax.cli.flags import FILE, parse, unset, whole
from fnet_jax.images import color
from fnet_jax.metrics import evaluate
from fnet_jax.runtime.cores import cores
from fnet_jax.scoring import run
from fnet_jax.synthetic import random_scene

HEIGHT, WIDTH = 480, 640

DESCRIPTION = """\
Compare the metrics of profile paper with the plain formulas of
tests/metrics_oracle.py, on synthetic grey images of 640×480 pixels whose fused
image is the rounded mean of the sources. Times are medians, in one process. The
last row compares scoring a folder of pairs with one process per core, including
their start and reading the files, with the formulas on the same arrays, one pair
after the other, measured once.
"""

Triple = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Two sources and the fused image, 8-bit grey (H, W)."""

Formula = Callable[[np.ndarray, np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class MetricsConfig:
    """Configuration of the command; each field is a flag."""

    # Repetitions; the median counts.
    repeat: Annotated[int, whole(1)] = 3
    # Pairs to score on all cores for the last row.
    pairs: Annotated[int, whole(1)] = 8
    # File for the numbers.
    json: Annotated[Path | None, FILE, unset()] = None


@dataclass(frozen=True)
class Row:
    """One comparison: seconds of both, and the largest relative difference of their values."""

    oracle: float
    ours: float
    difference: float


def formulas() -> Mapping[str, Formula]:
    """The plain formulas by the metric's name."""
    # They are part of the tests, which are not a package and not installed.
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from metrics_oracle import PAPER

    return PAPER


def made_up(seed: int) -> Triple:
    """A pair of sources and the rounded mean of both."""
    visible, infrared = random_scene(HEIGHT, WIDTH, seed=seed)
    I1 = color.rounded_grey(visible)
    return I1, infrared, np.rint((I1.astype(np.float64) + infrared) / 2).astype(np.uint8)


def seconds(work: Callable[[], object], repeat: int) -> float:
    """Median time of a call."""
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


def relative(ours: np.ndarray, expected: np.ndarray) -> float:
    """Largest |ours − expected| / |expected|."""
    return float(np.max(np.abs(ours - expected) / np.abs(expected)))


def one_metric(name: str, formula: Formula, triple: Triple, repeat: int) -> Row:
    """One metric of one pair."""
    # The first calls do not count, because libraries initialize in them.
    expected, found = formula(*triple), evaluate(*triple, metrics=[name])[name]
    return Row(
        seconds(lambda: formula(*triple), repeat),
        seconds(lambda: evaluate(*triple, metrics=[name]), repeat),
        relative(np.array(found), np.array(expected)),
    )


def all_metrics(rows: Mapping[str, Row], triple: Triple, repeat: int) -> Row:
    """All metrics of one pair: the sum of the formulas' times, one call of ours."""
    return Row(
        sum(row.oracle for row in rows.values()),
        seconds(lambda: evaluate(*triple), repeat),
        max(row.difference for row in rows.values()),
    )


def all_cores(plain: Mapping[str, Formula], config: MetricsConfig) -> Row:
    """All metrics of several pairs, from files, on all cores."""
    triples = [made_up(seed) for seed in range(config.pairs)]
    begin = time.perf_counter()
    expected = [[formula(*triple) for formula in plain.values()] for triple in triples]
    oracle = time.perf_counter() - begin
    with tempfile.TemporaryDirectory() as name:
        scenes = []
        for number, triple in enumerate(triples):
            # The scores are sorted by name.
            paths = [Path(name) / f"{number:03}-{which}.png" for which in ("I1", "I2", "If")]
            for path, image in zip(paths, triple, strict=True):
                images.write(path, image)
            scenes.append(run.FusedScene(f"{number:03}", paths[0], paths[1], {"mean": paths[2]}))
        found = run.score(scenes, metrics=list(plain)).values[0]
        ours = seconds(lambda: run.score(scenes, metrics=list(plain)), config.repeat)
    return Row(oracle, ours, relative(found, np.array(expected)))


def main() -> int:
    """Measures, prints a table and writes the numbers."""
    config = parse(MetricsConfig, prog="python -m benchmarks.metrics", description=DESCRIPTION)
    plain, triple = formulas(), made_up(seed=0)
    rows: dict[str, Row] = {}

    def add(name: str, row: Row) -> None:
        rows[name] = row
        print(
            f"| {name} | {row.oracle:.4f} | {row.ours:.4f} | {row.oracle / row.ours:.1f} "
            f"| {row.difference:.0e} |",
            flush=True,
        )

    print("| metric | formula, seconds | ours, seconds | ratio | relative difference |")
    print("|---|---|---|---|---|")
    for name, formula in plain.items():
        add(name, one_metric(name, formula, triple, config.repeat))
    add(f"all {len(plain)}", all_metrics(dict(rows), triple, config.repeat))
    pairs, processes = config.pairs, min(cores(), config.pairs)
    add(f"all {len(plain)}, {pairs} pairs, {processes} processes", all_cores(plain, config))
    if config.json:
        figures = {name: vars(row) for name, row in rows.items()}
        replace_text(config.json, json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
