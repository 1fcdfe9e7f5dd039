"""Computes the paper's Table I with a checkpoint, or verifies a report of it."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fnet_jax.artifacts.files import replace_text, writable
from fnet_jax.cli.console import finish, say
from fnet_jax.cli.flags import CKPT, flag, parse, parser_of, positive
from fnet_jax.errors import InputError
from fnet_jax.paper.protocols import PROTOCOLS, locate

if TYPE_CHECKING:
    from fnet_jax.paper.protocols import Located
    from fnet_jax.paper.run import Run

SETS = tuple(PROTOCOLS)

DESCRIPTION = """\
Compute Table I of the FNet paper with a checkpoint: find the data sets, fuse each by the paper's
protocol, score, and put the results beside the paper's 13 methods.

--data is a folder that holds some of the sets in folders of their own, known by their names:
TNO, RoadScene, CATS, KAIST, NIR (or nirscene1), MRI_CT, MRI_PET, MRI_SPECT. Where the images lie in
them, python -m train.prepare --help tells.

--out gets report.md (the tables), report.json (everything, each image's values too), the fused
images, and state.json. What was fused and scored is not computed again unless an image, the weights
or a version has changed; an interrupted run goes on where it was.

--verify takes a report.json, fuses and scores everything anew in a temporary folder, and says
whether the report holds.
"""

EXAMPLES = """\
examples:
  {prog} --data data/ --out benchmark/
  {prog} --ckpt ckpt/ --data data/ --out benchmark/ --sets tno,harvard_ct
  {prog} --data data/ --verify benchmark/report.json

The exit status is 0 if all went well (with --verify: if the report holds), 1 if anything failed, 2
if an option is wrong.
"""


def sets(text: str) -> tuple[str, ...]:
    """``tno,cats`` as names of sets."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in SETS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"{text!r}: the sets are {', '.join(SETS)}")
    return names


@dataclass(frozen=True)
class BenchmarkConfig:
    """What the command does; each field is a flag."""

    data: Path = flag("folder that holds the sets", metavar="FOLDER")
    ckpt: Path | None = flag(CKPT, default=None, metavar="FOLDER")
    out: Path | None = flag("where everything goes", default=None, metavar="FOLDER")
    verify: Path | None = flag(
        "report.json to compute again, in place of --out", default=None, metavar="REPORT"
    )
    sets: tuple[str, ...] = flag(
        f"sets to compute, separated by commas (default: all that are found of {', '.join(SETS)})",
        default=SETS,
        metavar="NAMES",
        parse=sets,
    )
    workers: int | None = flag(
        "processes that score (default: one per core)", default=None, metavar="N", parse=positive
    )


def main(argv: Sequence[str] | None = None, *, prog: str = "fnet-benchmark") -> int:
    """Runs the command; returns its exit status."""
    texts = {"prog": prog, "description": DESCRIPTION, "epilog": EXAMPLES.format(prog=prog)}
    config = parse(BenchmarkConfig, argv, **texts)
    if (config.out is None) == (config.verify is None):
        parser_of(BenchmarkConfig, **texts).error("give either --out or --verify")
    if config.verify:
        return finish(lambda: verify(config), stopped="nothing was verified")
    return finish(lambda: run(config), stopped="what was fused is kept; the same command goes on")


def run(config: BenchmarkConfig) -> int:
    """Computes the table and writes the reports.

    Raises:
        InputError: nothing can be computed at all; failures of single files are printed instead.
    """
    from fnet_jax.paper import table1

    assert config.out is not None
    begin = time.perf_counter()
    run, found, origin, failures = _computed(config, config.out, config.sets)
    content = table1.report(run, found, origin)
    texts = {
        "report.json": json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "report.md": table1.markdown(content),
    }
    for name, text in texts.items():
        with writable(config.out / name, remedy="give another --out"):
            replace_text(config.out / name, text)
    say(table1.summary(content))
    pairs, number = sum(x["pairs"] for x in content["sets"].values()), len(content["sets"])
    say(
        f"{pairs} pair{'s' * (pairs != 1)} of {number} set{'s' * (number != 1)} "
        f"in {time.perf_counter() - begin:.1f} s into {config.out}"
    )
    return 1 if failures else 0


def verify(config: BenchmarkConfig) -> int:
    """Computes a report again and prints whether it holds.

    Raises:
        InputError: it cannot be read, or nothing can be computed at all.
    """
    from fnet_jax.paper import table1, verify

    assert config.verify is not None
    before = verify.read(config.verify)
    with tempfile.TemporaryDirectory() as folder:
        names = tuple(name for name in config.sets if name in before["sets"])
        run, found, origin, failures = _computed(config, Path(folder), names, measure=False)
        lines, holds = verify.compare(before, table1.report(run, found, origin))
    for line in lines:
        say(line)
    say(f"{config.verify}: {'holds' if holds else 'does not hold'}")
    return 0 if holds and not failures else 1


def _computed(
    config: BenchmarkConfig, out: Path, names: tuple[str, ...], *, measure: bool = True
) -> "tuple[Run, dict[str, Located], dict[str, Any], int]":
    """The run with everything in it, the sets, where the weights come from, and failures."""
    found = locate(config.data, names)
    from tqdm import tqdm

    from fnet_jax.fusing.fuser import Fuser
    from fnet_jax.networks.fnet import FNet
    from fnet_jax.paper.run import Run, made_with, run_sets
    from fnet_jax.runtime.compilation import keep_programs
    from fnet_jax.weights import checkpoints

    failures = 0

    def report(line: str) -> None:
        nonlocal failures
        failures += 1
        tqdm.write(f"error: {line}", file=sys.stderr)

    keep_programs()
    ckpt = config.ckpt or checkpoints.PRETRAINED
    network, params, meta = checkpoints.load(ckpt)
    assert isinstance(network, FNet)
    run = Run.resumed(out, made_with(network, params))
    run.save()
    fuser = Fuser(network, params)
    progress = partial(tqdm, unit="pair", disable=None)
    run_sets(run, fuser, found, workers=config.workers, report=report, progress=progress)
    if not any(run.pairs[name] for name in found):
        raise InputError(f"{config.data}: no pair could be fused; the lines above say why")
    if measure:
        run.measure(ckpt)
    return run, found, meta["source"], failures
