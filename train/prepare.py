"""``python -m train.prepare``: build and verify a set of image pairs for training."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fnet_jax.cli.console import finish, say
from fnet_jax.cli.flags import flag, parse
from fnet_jax.pairs.public_sets import SETS, ImageSet, described
from train.config import DATA_DIR

DESCRIPTION = """\
Build a set of image pairs, which training reads, from a folder with image files, and verify it.

I1 is the first modality (visible, CT, PET, SPECT) and I2 the second (infrared, near-infrared, MRI).
Two files are a pair where all that * stands for is equal; their suffixes may differ. Every file is
read once before anything is written; what is wrong is listed, and then no set is written unless
--skip-bad is given. PNG, JPEG, BMP and TIFF are read, 16-bit images at 8 bits.

The sets, the pairs that the paper uses, and where below --source their images may lie:

{sets}"""

EXAMPLES = """\
examples:
  {prog} msrs --source MSRS/
  {prog} tno --source MMIF-CDDFuse/
  {prog} kaist --source kaist/ --skip-bad
  {prog} own --source pictures/ --name harbour    (pictures/I1/1.png, pictures/I2/1.png, …)
  {prog} msrs --source MSRS/ --overwrite

The set's fingerprint depends on names and pixels alone: whoever prepares the same images gets the
same. The exit status is 0 if all is well, 1 if anything is wrong with any file, 2 if an option is.
"""


@dataclass(frozen=True)
class PrepareConfig:
    """What the command does; each field is an argument."""

    dataset: str = flag(
        "which set; own for images of yours",
        positional=True,
        choices=tuple(SETS),
        metavar="DATASET",
    )
    source: Path = flag("where its images are", metavar="FOLDER")
    data_dir: Path | None = flag(
        DATA_DIR,
        default=None,
        metavar="FOLDER",
    )
    name: str | None = flag(
        "what a set of your own is called (default: as its folder)", default=None, metavar="NAME"
    )
    overwrite: bool = flag("replace a set that is there already", default=False)
    skip_bad: bool = flag("leave out files that cannot be used", default=False)


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m train.prepare") -> int:
    """Runs the command; returns its exit status."""
    sets = "\n".join(_explained(name, image_set) for name, image_set in SETS.items())
    config = parse(
        PrepareConfig,
        argv,
        prog=prog,
        description=DESCRIPTION.format(sets=sets),
        epilog=EXAMPLES.format(prog=prog),
    )
    return finish(lambda: run(config), stopped="no set was written")


def run(config: PrepareConfig) -> int:
    """Prepares what the configuration names and prints what came of it; returns the exit status.

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
        tqdm.write(f"error: {line}", file=sys.stderr)

    def progress(items: Sequence[Any], doing: str) -> Iterable[Any]:
        return tqdm(items, desc=doing, unit="pair", leave=False, disable=None)

    prepared = sets.prepare(
        config.dataset,
        config.source,
        data_dir=config.data_dir or default_data_dir(),
        name=config.name,
        overwrite=config.overwrite,
        skip_bad=config.skip_bad,
        report=report,
        progress=progress,
    )
    say(f"{prepared.name}: {counted(prepared.counts)}{_compared(prepared.counts, config.dataset)}")
    if prepared.left_out:
        pairs = f"{prepared.left_out:,} pair{'s' * (prepared.left_out != 1)}"
        say(f"left out: {pairs}, with the files named above")
    say(f"fingerprint: {prepared.fingerprint}")
    say(f"folder: {prepared.folder}")
    return 1 if problems else 0


def counted(counts: dict[str, int]) -> str:
    """Numbers of pairs by split in words, such as ``1,444 pairs (train 1,083, test 361)``."""
    total = sum(counts.values())
    parts = ", ".join(f"{split} {count:,}" for split, count in counts.items())
    return f"{total:,} pair{'s' * (total != 1)} ({parts})"


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
    lines += [f"      {described(layout)}" for layout in image_set.layouts]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
