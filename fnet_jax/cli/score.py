"""Scores fused image files: one method, or several side by side."""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fnet_jax.cli.console import finish, say
from fnet_jax.cli.flags import flag, parse, parser_of, positive
from fnet_jax.errors import InputError

if TYPE_CHECKING:
    from fnet_jax.scoring.run import Outcome

DESCRIPTION = """\
Score fused images with the metrics of the field: MI, CE, VIF, Qabf, Qcb, SSIM, EN, SD, SF, AG, SCD,
CC, PSNR and MSE.

--i1, --i2 and each method are folders of images, which belong together if their names differ in
nothing but the suffix (or single files). Several methods are compared side by side: the best is
marked, each mean has a 95 % interval, and a paired Wilcoxon test says where methods do not differ.

Papers compute these metrics in different ways. A profile fixes all of them:

  paper     gives the numbers of the FNet paper, and of the programs that most papers share
  vifb      gives the numbers of the VIFB toolbox in MATLAB (MI, CE, Qabf, Qcb, SSIM were compared
            with what it printed; EN, SD, SF, AG, PSNR follow its formulas)
  textbook  what the definitions say

--explain tells of each metric what it is, what the profiles compute, and why they differ.
"""

EXAMPLES = """\
examples:
  {prog} --i1 TNO/vi --i2 TNO/ir --fused fused/TNO
  {prog} --i1 TNO/vi --i2 TNO/ir --method FNet=fused/TNO --method CDDFuse=cdd/TNO --out scores/
  {prog} --i1 MRI_CT/CT --i2 MRI_CT/MRI --fused fused/CT --profile textbook
  {prog} --explain

--out gets scores.csv (a row per image and method), means.csv, scores.json, scores.md, scores.tex
and scores.html (tables, distributions, best and worst pairs; for any browser).

The exit status is 0 if everything was scored, 1 if anything failed, 2 if options do not fit.
"""


def method(text: str) -> tuple[str, Path]:
    """``NAME=DIR`` as a name and a folder."""
    name, separator, folder = text.partition("=")
    if not name.strip() or not separator or not folder:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=DIR, such as FNet=fused/TNO")
    return name.strip(), Path(folder)


def names(text: str) -> tuple[str, ...]:
    """``A,B`` as a tuple of names."""
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} names nothing")
    return found


@dataclass(frozen=True)
class ScoreConfig:
    """What the command does; each field is a flag."""

    i1: Path | None = flag("folder or file of I1", default=None, metavar="PATH")
    i2: Path | None = flag("folder or file of I2", default=None, metavar="PATH")
    fused: Path | None = flag(
        "folder or file of fused images; the method is called as the folder",
        default=None,
        metavar="PATH",
    )
    method: tuple[tuple[str, Path], ...] = flag(
        "fused images of a method with a name of your choice; may be given several times",
        default=(),
        metavar="NAME=DIR",
        parse=method,
        repeat=True,
    )
    profile: str = flag(
        "which variants of the metrics (default paper)",
        default="paper",
        choices=("paper", "vifb", "textbook"),
    )
    metrics: tuple[str, ...] | None = flag(
        "metrics, separated by commas (default: all of the profile)",
        default=None,
        metavar="NAMES",
        parse=names,
    )
    out: Path | None = flag(
        "where reports go, in six formats (default: the table is printed only)",
        default=None,
        metavar="FOLDER",
    )
    overwrite: bool = flag("replace reports that are there already", default=False)
    workers: int | None = flag(
        "processes (default: one per core)", default=None, metavar="N", parse=positive
    )
    explain: bool = flag(
        "say what the metrics are and what profiles change, and stop", default=False
    )


def main(argv: Sequence[str] | None = None, *, prog: str = "fnet-score") -> int:
    """Runs the command; returns its exit status."""
    texts = {"prog": prog, "description": DESCRIPTION, "epilog": EXAMPLES.format(prog=prog)}
    config = parse(ScoreConfig, argv, **texts)
    if config.explain:
        return finish(lambda: tell(config), stopped="nothing was scored")
    if config.i1 is None or config.i2 is None or not (config.fused or config.method):
        parser_of(ScoreConfig, **texts).error(
            "give --i1, --i2 and --fused or --method NAME=DIR (or --explain)"
        )
    return finish(lambda: run(config), stopped="no report was written")


def tell(config: ScoreConfig) -> int:
    """Prints what the metrics are."""
    from fnet_jax.metrics import explain  # SciPy and scikit-image take half a second

    say(explain(config.metrics))
    return 0


def run(config: ScoreConfig) -> int:
    """Scores what the configuration names, prints the table and writes reports.

    Raises:
        InputError: nothing can be scored at all; failures of single files are printed instead.
    """
    begin = time.perf_counter()
    methods = _methods(config)
    from tqdm import tqdm

    from fnet_jax.scoring import report as reports
    from fnet_jax.scoring import run, tables
    from fnet_jax.scoring.compare import compare

    failures = 0

    def report(line: str) -> None:
        nonlocal failures
        failures += 1
        tqdm.write(f"error: {line}", file=sys.stderr)

    def progress(outcomes: "Iterable[Outcome]", total: int) -> "Iterable[Outcome]":
        return tqdm(outcomes, total=total, desc="scoring", unit="pair", disable=None)

    assert config.i1 is not None
    assert config.i2 is not None
    scenes, problems = run.find_scenes(config.i1, config.i2, methods)
    for problem in problems:
        report(problem)
    if config.out:
        reports.check(config.out, overwrite=config.overwrite)
    scores = run.score(
        scenes,
        profile=config.profile,
        metrics=config.metrics,
        workers=config.workers,
        report=report,
        progress=progress,
    )
    comparison = compare(scores)
    provenance = reports.provenance_of(scenes, scores)
    say(tables.as_markdown(scores, comparison, provenance))
    written = ""
    if config.out:
        reports.write(config.out, scenes, scores, comparison, provenance)
        written = f" into {config.out}"
    total = len(scenes)
    say(
        f"scored {scores.complete} of {total} pair{'s' * (total != 1)} "
        f"in {time.perf_counter() - begin:.1f} s{written}"
    )
    return 1 if failures else 0


def _methods(config: ScoreConfig) -> dict[str, Path]:
    given = [*config.method]
    if config.fused:
        fused = config.fused
        given.insert(0, (fused.absolute().name if fused.is_dir() else "fused", fused))
    methods: dict[str, Path] = {}
    for name, folder in given:
        if name in methods:
            raise InputError(f"{folder}: another method is called {name}, too; give other names")
        methods[name] = folder
    return methods
