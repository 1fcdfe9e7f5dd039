"""``fnet explain``: figures and numbers on how pairs are fused, and the effect of edits."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import UseAppendAction

from fnet_jax.artifacts.words import counted, one_line
from fnet_jax.cli.console import complain, finish, say, warn
from fnet_jax.cli.flags import (
    FINITE,
    FOLDER,
    SHIPPED,
    SIZE,
    above_zero,
    check_weights,
    choice,
    finite,
    parse,
    quoted,
    reads,
    real,
    unset,
    whole,
)
from fnet_jax.cli.sources import COLORS, RANGE, RANGE_UNSET, WAYS, Sources
from fnet_jax.errors import InputError
from fnet_jax.explain import MOST_PIXELS
from fnet_jax.images.range_rules import Rule

if TYPE_CHECKING:
    from fnet_jax.fusing.edits import Edit
    from fnet_jax.fusing.fuser import Fuser
    from fnet_jax.fusing.loading import Loader
    from fnet_jax.pairs.match import Pair

DESCRIPTION = f"""\
Show how FNet arrives at the fused image of a pair: maps of the features u1 (of
I1), u2 (of I2) and c (common, found in what u1 and u2 leave of both images);
the three reconstructions whose sum is the fused image; how much each
contributes to each pixel; the effect of the thresholds; how the estimate
changes from iteration to iteration; and the dictionaries, sorted by use.

Images are read and paired as in fnet fuse.

{WAYS}
Each pair gets a folder with report.html (self-contained, for any browser),
figures/ (PNG and SVG), numbers.json, arrays.npz, fused.png, and edited.png if
an edit is given:

  --u1, --u2, --c, --feature   scale features in the decoding only. The features
                               are found as before, so the image changes
                               linearly with the scales.
  --theta-scale                scales all thresholds. All features are found
                               again.

All iterates of the network are kept in memory, about 10 kB per pixel: 5 GB for
500,000 pixels.
"""

EXAMPLES = """\
examples:
  {prog} --samples --out explained/
  {prog} --i1 visible.png --i2 infrared.png --out explained/
  {prog} --i1 TNO/vi --i2 TNO/ir --out explained/TNO --color grey
  {prog} --samples --out explained/ --u1 0.5 --c 0
  {prog} --samples --out explained/ --theta-scale 2 --feature u1:7=0 --feature c:12=3

exit status: 0 if every pair was explained, 1 if anything failed, 2 if an option
is wrong, 130 after Ctrl-C
"""


def feature(text: str) -> tuple[str, int, float]:
    """Parses ``u1:7=0`` into code, feature number and scale; raises ValueError."""
    found = re.fullmatch(r"(u1|u2|c):([0-9]{1,4})=(.+)", text)
    if not found:
        raise ValueError(f"{quoted(text)} is not CODE:K=SCALE, such as u1:7=0")
    return found[1], int(found[2]), finite(found[3])


FEATURE = reads(feature, "CODE:K=SCALE")


@dataclass(frozen=True, kw_only=True)
class ExplainConfig(Sources):
    """Configuration of the command; each field is a flag."""

    # Folder for the reports; each pair gets a subfolder.
    out: Annotated[Path, FOLDER]
    # Checkpoint of FNet, or the workdir of a training run.
    ckpt: Annotated[Path | None, FOLDER, SHIPPED] = None
    size: Annotated[str | None, *SIZE] = None
    # What to do with the color of I1: auto, full, grey or limited; see fnet fuse --help.
    color: Annotated[str, choice(COLORS, "MODE")] = "auto"
    # Number of feature maps to show for each code.
    strongest: Annotated[int, whole(1)] = 5
    # Magnitude below which a value counts as null.
    epsilon: Annotated[
        float | None, above_zero(), unset("a thousandth of the largest magnitude of the code")
    ] = None
    # Scale of u1 in the decoding.
    u1: Annotated[float, FINITE] = 1.0
    # Scale of u2 in the decoding.
    u2: Annotated[float, FINITE] = 1.0
    # Scale of c in the decoding.
    c: Annotated[float, FINITE] = 1.0
    # Scale one feature in the decoding: u1:7=0 removes feature 7 of u1. Numbers start from 0, as in
    # the figures.
    feature: UseAppendAction[tuple[Annotated[tuple[str, int, float], FEATURE], ...]] = ()
    # Factor by which all thresholds of the three blocks are multiplied; all features are found
    # again.
    theta_scale: Annotated[float, real("a number of at least 0", lambda x: x >= 0)] = 1.0
    # Which values are black and white in images of more than 8 bits or floats: type, LOW,HIGH,
    # folder or image; see fnet fuse --help.
    range: Annotated[Rule | None, RANGE, RANGE_UNSET] = None
    # Refuse images with more pixels than this.
    max_pixels: Annotated[int, whole(1, 2**40)] = MOST_PIXELS
    # Replace reports that already exist.
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Raises InputError if flags are incompatible."""
        super().__post_init__()
        check_weights(self.ckpt, self.size)


def main(argv: Sequence[str] | None = None, *, prog: str = "fnet explain") -> int:
    """Runs the command; returns its exit status."""
    config = parse(ExplainConfig, argv, prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    return finish(lambda: run(config), stopped="the reports written so far are complete")


def run(config: ExplainConfig) -> int:
    """Explains the pairs, prints a summary, and returns the exit status.

    Raises:
        InputError: nothing can be explained at all; failures of single pairs are printed instead.
    """
    start = time.perf_counter()
    from tqdm import tqdm

    from fnet_jax.artifacts.files import resolved, writable
    from fnet_jax.explain import report
    from fnet_jax.fusing.edits import Edit, Feature
    from fnet_jax.fusing.fuser import Fuser
    from fnet_jax.fusing.loading import Loader
    from fnet_jax.pairs import reading
    from fnet_jax.pairs.match import Pair
    from fnet_jax.runtime.compilation import keep_programs
    from fnet_jax.weights import checkpoints  # JAX is slow to import: after --help

    pairs, problems = config.find()
    sources = {resolved(path.parent) for pair in pairs for path in (pair.i1, pair.i2)}
    if resolved(config.out) in sources:
        raise InputError(f"{config.out} contains source images; use another --out")
    features = tuple(Feature(*given) for given in config.feature)
    edit = Edit(config.u1, config.u2, config.c, config.theta_scale, features)
    keep_programs()
    fuser = Fuser.from_checkpoint(config.ckpt or checkpoints.shipped(config.size))
    edit.check(fuser.network.features)
    with writable(config.out, remedy=report.ELSEWHERE):  # before the work, not after
        config.out.mkdir(parents=True, exist_ok=True)
    steps = report.COUNT + (edit != Edit()) + 1
    explained, swapped = 0, list[Pair]()
    with tqdm(
        total=steps * len(pairs), desc="explaining", unit="step", delay=2, disable=None
    ) as bar:
        for problem in problems:
            complain(problem)
        loader = Loader(config.color, config.max_pixels).of_job(
            pairs,
            rule=config.range,
            report=warn,
            progress=partial(tqdm, unit="file", leave=False, delay=2, disable=None),
        )
        for done, pair in enumerate(pairs, 1):
            try:
                if _explain(fuser, pair, config, loader, edit, bar.update):
                    swapped.append(pair)
                explained += 1
            except InputError as error:
                complain(str(error))
            bar.update(done * steps - bar.n)
    if swapped:
        warn(reading.swapped(swapped))
    total = len(pairs) + len(problems)
    say(
        f"explained {explained} of {counted(total, 'pair')} "
        f"in {time.perf_counter() - start:.1f} s into {one_line(str(config.out))}"
    )
    for pair in pairs if explained == 1 and len(pairs) == 1 else ():
        say(f"report: {one_line(str(config.out / pair.name / report.PAGE))}")
    return 0 if explained == total else 1


def _explain(
    fuser: "Fuser",
    pair: "Pair",
    config: ExplainConfig,
    loader: "Loader",
    edit: "Edit",
    advance: Callable[[], object],
) -> bool:
    """Writes the report of one pair; returns whether the pair looks swapped."""
    from fnet_jax.explain import report
    from fnet_jax.explain.explanation import explain
    from fnet_jax.pairs.match import named

    folder = config.out / pair.name
    report.check(folder, overwrite=config.overwrite)
    loaded = loader.load(pair)
    with named(pair):
        explanation = explain(
            fuser,
            loaded.i1,
            loaded.i2,
            color=config.color,
            edit=edit,
            strongest=config.strongest,
            epsilon=config.epsilon,
        )
    advance()
    origin = report.origin_of(fuser, pair, color=config.color)
    report.write(folder, pair.name, explanation, origin, advance=advance)
    return loaded.swapped
