"""``python -m train.prepare``: builds and verifies a set of image pairs for training."""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional

from fnet_jax.artifacts.words import counted, one_line
from fnet_jax.cli.console import complain, finish, say, warn
from fnet_jax.cli.flags import FOLDER, choice, parse, quoted, reads, unset
from fnet_jax.cli.sources import RANGE, RANGE_UNSET, Images
from fnet_jax.errors import InputError
from fnet_jax.images.range_rules import Rule
from fnet_jax.pairs.layouts import INFRARED, VISIBLE, described
from fnet_jax.pairs.public_sets import SETS, ImageSet, find
from train.config import DATA_DIR

DESCRIPTION = """\
Build and verify a set of image pairs for training from a folder of image files.

I1 is the first modality (visible, CT, PET, SPECT) and I2 the second (infrared,
near-infrared, MRI). Two files are a pair if everything that * stands for is
equal; their suffixes may differ. Every file is read once before anything is
written. If there are bad files, they are all listed, and no set is written
unless --skip-bad is used. PNG, JPEG, BMP and TIFF files are read; 16 bits become
8 bits.

The sets, the number of pairs that the paper uses of each, and where their images
may be below --source (case does not matter):

{sets}"""

OTHERS = textwrap.wrap(
    "or two folders with other common names (visible: "
    f"{VISIBLE.replace('|', ', ')}; infrared: {INFRARED.replace('|', ', ')}; A with B), inside "
    "train, test and val folders or with such folders inside, or one folder deeper; or as in any "
    "set above",
    74,
    break_on_hyphens=False,
)

EXAMPLES = """\
examples:
  {prog} msrs --source MSRS/
  {prog} tno --source MMIF-CDDFuse/
  {prog} kaist --source kaist/ --skip-bad
  {prog} own --source pictures/ --name harbor    (pictures/I1/1.png, pictures/I2/1.png, …)
  {prog} own --source DJI/ --name harbor --pattern "{{}}_W.JPG" "{{}}_T.JPG"
  {prog} own --name harbor --i1 "*/visible/*.jpg" --i2 "*/lwir/*.jpg"
  {prog} own --name harbor --pairs pairs.csv
  {prog} msrs --source MSRS/ --overwrite

The fingerprint of a set depends only on names and pixels: the same images have
the same fingerprint on every machine.

exit status: 0 if all files are good, 1 if anything is wrong with any file, 2 if
an argument is wrong, 130 after Ctrl-C
"""


def set_name(text: str) -> str:
    """A name for a set, which is part of file names; raises ValueError."""
    if not re.fullmatch("[a-z][a-z0-9_]{0,63}", text):
        raise ValueError(
            f"{quoted(text)} is not a name; use a letter followed by at most 63 lower-case "
            "letters, digits and _"
        )
    return text


@dataclass(frozen=True, kw_only=True)
class PrepareConfig(Images):
    """Configuration of the command; each field is an argument."""

    # Name of the public set, or own for your own images.
    dataset: Annotated[str, choice(SETS, "DATASET"), Positional]
    # Folder with the images of the set. For your own images, --i1 and --i2, or --pairs, may be used
    # instead.
    source: Annotated[Path | None, FOLDER, unset()] = None
    # Folder of the prepared sets.
    data_dir: Annotated[Path | None, FOLDER, DATA_DIR] = None
    # Name for the set of your own images.
    name: Annotated[str | None, reads(set_name, "NAME"), unset("that of its folder")] = None
    # Which values are black and white in images of more than 8 bits or floats: type, LOW,HIGH,
    # folder or image; see fnet fuse --help.
    range: Annotated[Rule | None, RANGE, RANGE_UNSET] = None
    # Replace an existing set.
    overwrite: bool = False
    # Leave out pairs with files that cannot be used.
    skip_bad: bool = False
    # Skip the check of the pairs, which is that of fnet check: displaced pairs, duplicates, pairs
    # in two splits, empty images. Findings are printed and written to check.json of the set; they
    # do not change the set.
    skip_check: bool = False

    def __post_init__(self) -> None:
        """Raises InputError unless the arguments name one source of images."""
        if self.source is not None:
            if any(x is not None for x in (self.i1, self.i2, self.pairs)):
                raise InputError("use --source, or --i1 and --i2, or --pairs")
        elif not self.complete:
            raise InputError("use --source FOLDER, or --i1 and --i2, or --pairs")
        elif self.dataset != "own" or self.name is None:
            raise InputError("--i1, --i2 and --pairs are for your own images; use own --name NAME")


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m train.prepare") -> int:
    """Runs the command; returns its exit status."""
    sets = "\n".join(_explained(name, image_set) for name, image_set in SETS.items())
    description = DESCRIPTION.format(sets=sets)
    config = parse(PrepareConfig, argv, prog=prog, description=description, examples=EXAMPLES)
    return finish(lambda: run(config), stopped="no set was written")


def run(config: PrepareConfig) -> int:
    """Prepares the set and prints its content; returns the exit status.

    Raises:
        InputError: no set was written.
    """
    from tqdm import tqdm

    from train.data import sets  # TFDS is slow to import: after --help and its errors
    from train.data.prepared import default_data_dir

    problems = 0

    def report(line: str) -> None:
        nonlocal problems
        problems += 1
        complain(line)

    prepared = sets.prepare(
        config.dataset,
        config.source or config.find(),
        data_dir=config.data_dir or default_data_dir(),
        name=config.name,
        overwrite=config.overwrite,
        skip_bad=config.skip_bad,
        patterns=config.pattern,
        rule=config.range,
        report=report,
        warn=warn,
        progress=partial(tqdm, unit="pair", leave=False, disable=None),
    )
    say(f"{prepared.name}: {pairs_of(prepared.counts)}{_compared(prepared.counts, config.dataset)}")
    if prepared.left_out:
        say(f"left out: {counted(prepared.left_out, 'pair')} with the files listed above")
    say(f"fingerprint: {prepared.fingerprint}")
    say(f"folder: {one_line(str(prepared.folder))}")
    if not config.skip_check:
        for line in _checked(config, prepared.folder):
            say(f"found: {line}")
    return 1 if problems else 0


def _checked(config: PrepareConfig, folder: Path) -> list[str]:
    """The problems of the pairs, in lines; all details go into a file of the set's folder."""
    from tqdm import tqdm

    from fnet_jax.artifacts.files import replace_text, writable
    from fnet_jax.checking.check import as_text, check, counts, summary

    if config.source is None:
        given = [("", pair) for pair in config.find()[0]]
    else:
        found = find(config.source, SETS[config.dataset], patterns=config.pattern)
        given = [(split, pair) for split, pairs in found.pairs.items() for pair in pairs.values()]
    looked = check(
        given,
        rule=config.range,
        report=lambda line: None,  # the chosen ranges were reported before
        progress=partial(tqdm, unit="pair", leave=False, disable=None),
    )
    target = folder / "check.json"
    with writable(target, remedy="use --skip-check"):
        replace_text(target, as_text(looked))
    return summary(looked) if counts(looked) else []


def pairs_of(counts: dict[str, int]) -> str:
    """Numbers of pairs by split as text, such as ``1,444 pairs (train 1,083, test 361)``."""
    parts = ", ".join(f"{split} {count:,}" for split, count in counts.items())
    return f"{counted(sum(counts.values()), 'pair')} ({parts})"


def _compared(counts: dict[str, int], dataset: str) -> str:
    paper = sum(SETS[dataset].paper.values())
    if not paper:
        return ""
    same = sum(counts.values()) == paper
    return "; as many as the paper uses" if same else f"; the paper uses {paper:,}"


def _explained(name: str, image_set: ImageSet) -> str:
    pairs = f"{sum(image_set.paper.values()):,} pairs" if image_set.paper else "any number"
    lines = [f"  {name}: {image_set.title}, {pairs}"]
    lines += [f"      {image_set.home}"] if image_set.home else []
    lines += [f"      {described(layout)}" for layout in image_set.shown]
    if image_set.examples:
        lines += [textwrap.indent(line, "      ") for line in OTHERS]
    return "\n".join(lines) + "\n"
