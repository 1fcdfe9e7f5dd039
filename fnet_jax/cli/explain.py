"""Explains how pairs of images are fused: figures, numbers, and what an edit would change."""

import argparse
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fnet_jax import images
from fnet_jax.cli.console import finish, say
from fnet_jax.cli.flags import (
    CKPT,
    above_zero,
    flag,
    not_negative,
    number,
    parse,
    parser_of,
    positive,
)
from fnet_jax.errors import InputError
from fnet_jax.images import color
from fnet_jax.pairs.match import SAMPLES, Pair, match, named

if TYPE_CHECKING:
    from fnet_jax.fusing.edits import Edit
    from fnet_jax.fusing.fuser import Fuser

MAX_PIXELS = 500_000
STRONGEST = 5

DESCRIPTION = """\
Show what FNet finds in pairs of images on the way to the fused one: the features u1 (from I1), u2
(from I2) and c (from what these leave of both) as maps, the three reconstructions whose sum is the
fused image, who contributed what to each pixel, what the thresholds do, how the estimate changes
from iteration to iteration, and the dictionaries, sorted by use.

Images are read and paired as by the command that fuses. Each pair gets a folder of its own:
report.html (for any browser, needs nothing else), figures/ (PNG and SVG), numbers.json, arrays.npz,
fused.png, and edited.png if anything is changed:

  --u1, --u2, --c, --feature   scale features in the decoding alone; what is found stays as it is,
                               so that the change of the image is linear in the scales
  --theta-scale                scales all thresholds; everything is found anew

All iterates of the network are held at once, about 10 kB per pixel: 5 GB for 500,000 pixels.
"""

EXAMPLES = """\
examples:
  {prog} --samples --out explained/
  {prog} --i1 visible.png --i2 infrared.png --out explained/
  {prog} --i1 TNO/vi --i2 TNO/ir --out explained/TNO --color grey
  {prog} --samples --out explained/ --u1 0.5 --c 0
  {prog} --samples --out explained/ --theta-scale 2 --feature u1:7=0 --feature c:12=3

The exit status is 0 if everything was explained, 1 if anything failed, 2 if an option is wrong.
"""


def feature(text: str) -> tuple[str, int, float]:
    """``u1:7=0`` as a code, the number of a feature and its scale."""
    found = re.fullmatch(r"(u1|u2|c):([0-9]+)=(.+)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not CODE:NUMBER=SCALE, such as u1:7=0")
    return found[1], int(found[2]), number(found[3])


@dataclass(frozen=True)
class ExplainConfig:
    """What the command does; each field is a flag."""

    out: Path = flag("where the reports go, a folder for each pair", metavar="FOLDER")
    ckpt: Path | None = flag(CKPT, default=None, metavar="FOLDER")
    i1: Path | None = flag("file or folder of I1", default=None, metavar="PATH")
    i2: Path | None = flag("file or folder of I2", default=None, metavar="PATH")
    samples: bool = flag("explain the synthetic samples, in place of --i1 and --i2", default=False)
    color: str = flag(
        "which luma of I1 is fused, as for the command that fuses (default: auto)",
        default="auto",
        choices=color.MODES,
    )
    strongest: int = flag(
        f"feature maps of each code to show (default {STRONGEST})",
        default=STRONGEST,
        metavar="K",
        parse=positive,
    )
    epsilon: float | None = flag(
        "a value is null if its magnitude is below this (default: a thousandth of the largest "
        "magnitude of its code)",
        default=None,
        metavar="E",
        parse=above_zero,
    )
    u1: float = flag(
        "scale of u1 in the decoding (default 1)", default=1.0, metavar="S", parse=number
    )
    u2: float = flag(
        "scale of u2 in the decoding (default 1)", default=1.0, metavar="S", parse=number
    )
    c: float = flag(
        "scale of c in the decoding (default 1)", default=1.0, metavar="S", parse=number
    )
    feature: tuple[tuple[str, int, float], ...] = flag(
        "scale one feature in the decoding, such as u1:7=0 (may be given several times); "
        "features are numbered from 0, as in the figures",
        default=(),
        metavar="CODE:NUMBER=SCALE",
        parse=feature,
        repeat=True,
    )
    theta_scale: float = flag(
        "multiply every threshold of the three blocks and find all features anew (default 1)",
        default=1.0,
        metavar="S",
        parse=not_negative,
    )
    max_pixels: int = flag(
        f"refuse larger images (default {MAX_PIXELS}, for which 5 GB of memory are needed)",
        default=MAX_PIXELS,
        metavar="N",
        parse=positive,
    )
    overwrite: bool = flag("replace reports that are there already", default=False)


def main(argv: Sequence[str] | None = None, *, prog: str = "fnet-explain") -> int:
    """Runs the command; returns its exit status."""
    texts = {"prog": prog, "description": DESCRIPTION, "epilog": EXAMPLES.format(prog=prog)}
    config = parse(ExplainConfig, argv, **texts)
    given = (config.i1 is not None, config.i2 is not None)
    if given != (not config.samples,) * 2:
        parser_of(ExplainConfig, **texts).error("give either both --i1 and --i2, or --samples")
    return finish(lambda: run(config), stopped="the reports written so far are whole")


def run(config: ExplainConfig) -> int:
    """Explains what the configuration names and prints how it went; returns the exit status.

    Raises:
        InputError: nothing can be explained at all; failures of single pairs are printed instead.
    """
    start = time.perf_counter()
    pairs, problems = match(config.i1 or SAMPLES / "I1", config.i2 or SAMPLES / "I2")
    from tqdm import tqdm

    from fnet_jax.artifacts.files import writable
    from fnet_jax.explain import report
    from fnet_jax.fusing.edits import Edit, Feature
    from fnet_jax.fusing.fuser import Fuser
    from fnet_jax.runtime.compilation import keep_programs
    from fnet_jax.weights import checkpoints  # JAX is slow to import: after --help

    sources = {path.parent.resolve() for pair in pairs for path in (pair.i1, pair.i2)}
    if config.out.resolve() in sources:
        raise InputError(f"{config.out}: is a folder of source images; give another --out")
    features = tuple(Feature(*given) for given in config.feature)
    edit = Edit(config.u1, config.u2, config.c, config.theta_scale, features)
    keep_programs()
    fuser = Fuser.from_checkpoint(config.ckpt or checkpoints.PRETRAINED)
    edit.check(fuser.network.features)
    with writable(config.out, remedy=report.ELSEWHERE):  # before the work, not after
        config.out.mkdir(parents=True, exist_ok=True)
    steps = report.COUNT + (edit != Edit()) + 1
    explained = 0
    with tqdm(
        total=steps * len(pairs), desc="explaining", unit="step", delay=2, disable=None
    ) as bar:
        for problem in problems:
            tqdm.write(f"error: {problem}", file=sys.stderr)
        for done, pair in enumerate(pairs, 1):
            try:
                _explain(fuser, pair, config, edit, bar.update)
                explained += 1
            except InputError as error:
                tqdm.write(f"error: {error}", file=sys.stderr)
            bar.update(done * steps - bar.n)
    total = len(pairs) + len(problems)
    say(
        f"explained {explained} of {total} pair{'s' * (total != 1)} "
        f"in {time.perf_counter() - start:.1f} s into {config.out}"
    )
    for pair in pairs if explained == 1 and len(pairs) == 1 else ():
        say(f"report: {config.out / pair.name / report.PAGE}")
    return 0 if explained == total else 1


def _explain(
    fuser: "Fuser", pair: Pair, config: ExplainConfig, edit: "Edit", advance: Callable[[], object]
) -> None:
    """Writes the report of one pair; raises InputError."""
    from fnet_jax.explain import report
    from fnet_jax.explain.explanation import explain

    folder = config.out / pair.name
    report.check(folder, overwrite=config.overwrite)
    i1 = images.read(pair.i1, grey=config.color == "grey", max_pixels=config.max_pixels)
    i2 = images.read(pair.i2, grey=True, max_pixels=config.max_pixels)
    with named(pair):
        explanation = explain(
            fuser,
            i1,
            i2,
            color=config.color,
            edit=edit,
            strongest=config.strongest,
            epsilon=config.epsilon,
        )
    advance()
    origin = report.origin_of(fuser, pair, color=config.color)
    report.write(folder, pair.name, explanation, origin, advance=advance)
