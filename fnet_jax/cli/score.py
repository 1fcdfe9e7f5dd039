"""``fnet score``: metrics of fused images, of one method or several side by side."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from tyro.conf import UseAppendAction

from fnet_jax.artifacts.words import counted, one_line
from fnet_jax.cli.console import complain, finish, say, warn
from fnet_jax.cli.flags import (
    FOLDER,
    MOST_PROCESSES,
    PATH,
    choice,
    names,
    parse,
    path,
    quoted,
    reads,
    unset,
    whole,
)
from fnet_jax.cli.sources import RANGE, RANGE_UNSET, WAYS, Images
from fnet_jax.errors import InputError
from fnet_jax.images.range_rules import Rule

DESCRIPTION = f"""\
Score fused images with the metrics of the field: MI, CE, VIF, Qabf, Qcb, SSIM,
EN, SD, SF, AG, SCD, CC, PSNR and MSE.

--i1, --i2 and each method are single files, or folders of images, which are
matched by name, ignoring suffixes. Several methods are compared side by side:
the best one is marked, each mean has a 95 % interval, and a paired Wilcoxon
test shows which methods do not differ.

{WAYS}
A fused image is named after the scene (what * and {{}} stand for, or the name in
the table), or after I1's file.

Papers compute these metrics in different ways. A profile fixes all of them:

  paper     the numbers of the FNet paper, and of the code that most papers use
  vifb      the numbers of the VIFB toolbox in MATLAB (all of its metrics were
            compared with its output)
  textbook  the definitions

--explain shows what each metric is, what the profiles compute, and why they
differ.
"""

EXAMPLES = """\
examples:
  {prog} --i1 TNO/vi --i2 TNO/ir --fused fused/TNO
  {prog} --i1 TNO/vi --i2 TNO/ir --method FNet=fused/TNO --method CDDFuse=cdd/TNO --out scores/
  {prog} --i1 MRI_CT/CT --i2 MRI_CT/MRI --fused fused/CT --profile textbook
  {prog} --explain --metrics MI

--out receives scores.csv (a row per image and method), means.csv, scores.json,
scores.md, scores.tex and scores.html (tables, distributions, best and worst
pairs; for any browser).

exit status: 0 if everything was scored, 1 if anything failed, 2 if an option is
wrong, 130 after Ctrl-C
"""


def method(text: str) -> tuple[str, Path]:
    """Parses ``NAME=DIR``; raises ValueError."""
    name, _, folder = text.partition("=")
    if not name.strip() or not folder:
        raise ValueError(f"{quoted(text)} is not NAME=DIR, such as FNet=fused/TNO")
    return name.strip(), path(folder)


METHOD = reads(method, "NAME=DIR")


@dataclass(frozen=True, kw_only=True)
class ScoreConfig(Images):
    """Configuration of the command; each field is a flag."""

    # Fused images: a file if I1 is a file, else a folder. The method is named after the folder.
    fused: Annotated[Path | None, PATH, unset()] = None
    # Fused images of a method, with a name of your choice.
    method: UseAppendAction[tuple[Annotated[tuple[str, Path], METHOD], ...]] = ()
    # Variants of the metrics: paper, vifb or textbook.
    profile: Annotated[str, choice(("paper", "vifb", "textbook"), "PROFILE")] = "paper"
    # Metrics to compute, separated by commas.
    metrics: Annotated[
        tuple[str, ...] | None, reads(names, "NAMES"), unset("all of the profile")
    ] = None
    # Folder for reports in six formats. Without it, the table is only printed.
    out: Annotated[Path | None, FOLDER, unset()] = None
    # Replace reports that already exist.
    overwrite: bool = False
    # Which values are black and white in sources of more than 8 bits or floats: type, LOW,HIGH,
    # folder or image; see fnet fuse --help.
    range: Annotated[Rule | None, RANGE, RANGE_UNSET] = None
    # Number of scoring processes.
    workers: Annotated[int | None, whole(1, MOST_PROCESSES), unset("one per core")] = None
    # Explain the metrics and profiles, and exit.
    explain: bool = False

    def __post_init__(self) -> None:
        """Raises InputError unless there is something to do."""
        if not (self.complete and (self.fused or self.method)) and not self.explain:
            raise InputError(
                "use --i1, --i2 (or --pairs) and --fused or --method NAME=DIR (or --explain)"
            )

    def methods(self) -> dict[str, Path]:
        """Fused images by method; raises InputError if two methods share a name."""
        given = [*self.method]
        if self.fused:
            name = self.fused.absolute().name if self.fused.is_dir() else "fused"
            given.insert(0, (name, self.fused))
        methods: dict[str, Path] = {}
        for name, folder in given:
            if name in methods:
                raise InputError(
                    f"{folder}: another method is already named {name}; use --method NAME=DIR"
                )
            methods[name] = folder
        return methods


def main(argv: Sequence[str] | None = None, *, prog: str = "fnet score") -> int:
    """Runs the command; returns its exit status."""
    config = parse(ScoreConfig, argv, prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    if config.explain:
        return finish(lambda: explain(config), stopped="nothing was scored")
    return finish(lambda: run(config), stopped="no report was written")


def explain(config: ScoreConfig) -> int:
    """Prints explanations of the metrics."""
    from fnet_jax import metrics  # SciPy and scikit-image take half a second

    say(metrics.explain(config.metrics))
    return 0


def run(config: ScoreConfig) -> int:
    """Scores the images, prints the table, writes reports, and returns the exit status.

    Raises:
        InputError: nothing can be scored at all; failures of single files are printed instead.
    """
    begin = time.perf_counter()
    methods = config.methods()
    from tqdm import tqdm

    from fnet_jax.scoring import report as reports
    from fnet_jax.scoring import run, tables
    from fnet_jax.scoring.compare import compare

    failures = 0

    def report(line: str) -> None:
        nonlocal failures
        failures += 1
        complain(line)

    scenes, problems = (
        run.scenes_of(*config.find(), methods)
        if config.pairs or config.i1 is None or config.i2 is None
        else run.find_scenes(config.i1, config.i2, methods, patterns=config.pattern)
    )
    for problem in problems:
        report(problem)
    if config.out:
        reports.check(config.out, overwrite=config.overwrite)
    scores = run.score(
        scenes,
        profile=config.profile,
        metrics=config.metrics,
        workers=config.workers,
        rule=config.range,
        report=report,
        warn=warn,
        looking=partial(tqdm, unit="file", leave=False, delay=2, disable=None),
        progress=partial(tqdm, unit="pair", disable=None),
    )
    comparison = compare(scores)
    provenance = reports.provenance_of(scenes, scores)
    say(tables.as_markdown(scores, comparison, provenance))
    written = ""
    if config.out:
        reports.write(config.out, scenes, scores, comparison, provenance)
        written = f" into {one_line(str(config.out))}"
    say(
        f"scored {scores.complete} of {counted(len(scenes), 'pair')} "
        f"in {time.perf_counter() - begin:.1f} s{written}"
    )
    return 1 if failures else 0
