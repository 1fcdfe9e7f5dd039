"""``fnet check``: finds problems in pairs of images before they are fused or trained on."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from fnet_jax.artifacts.words import counted, one_line
from fnet_jax.cli.console import complain, finish, say, warn
from fnet_jax.cli.flags import FILE, FOLDER, parse, unset, whole
from fnet_jax.cli.sources import RANGE, RANGE_UNSET, WAYS, Images
from fnet_jax.errors import InputError
from fnet_jax.images.range_rules import Rule

if TYPE_CHECKING:
    from fnet_jax.pairs.match import Pair

SHOWN = 20  # findings that are printed

DESCRIPTION = f"""\
Find problems in pairs of images: misaligned images, duplicates and
near-duplicates, also across splits, empty or saturated images, pictures in a
frame, swapped modalities, infrared in the colors of a palette, and sudden
changes of brightness within a folder. No file is changed.

FOLDER is a data set in one of the layouts that train.prepare supports, with its
splits; alternatively, images are given as for fnet fuse.

{WAYS}"""

EXAMPLES = """\
examples:
  {prog} MSRS/ --out check.json --page check.html
  {prog} --i1 visible/ --i2 infrared/

exit status: 0 if every file has a partner and could be read, whatever else was
found, 1 if not, 2 if an option is wrong, 130 after Ctrl-C
"""


@dataclass(frozen=True, kw_only=True)
class CheckConfig(Images):
    """Configuration of the command; each field is a flag."""

    # Folder of a data set, instead of --i1 and --i2.
    folder: Annotated[tyro.conf.Positional[Path | None], FOLDER, unset()] = None
    # JSON file for all findings.
    out: Annotated[Path | None, FILE, unset()] = None
    # HTML file for the findings, with pictures.
    page: Annotated[Path | None, FILE, unset()] = None
    # Which values are black and white in images of more than 8 bits or floats: type, LOW,HIGH,
    # folder or image; see fnet fuse --help.
    range: Annotated[Rule | None, RANGE, RANGE_UNSET] = None
    # Replace files that already exist.
    overwrite: bool = False
    # Refuse images with more pixels than this.
    max_pixels: Annotated[int, whole(1, 2**40)] = 100_000_000

    def __post_init__(self) -> None:
        """Raises InputError unless the flags name exactly one source of images."""
        if self.folder is not None:
            if any((self.i1, self.i2, self.pairs)):
                raise InputError(
                    "use either the folder of a data set, or --i1 and --i2, or --pairs"
                )
        elif not self.complete:
            raise InputError("use the folder of a data set, or both --i1 and --i2, or --pairs")

    def pairs_by_split(self) -> "tuple[list[tuple[str, Pair]], list[str]]":
        """Finds pairs with their splits; also returns a line for each file without a partner."""
        if self.folder is None:
            pairs, problems = self.find()
            return [("", pair) for pair in pairs], problems
        from fnet_jax.pairs import public_sets  # slow to import: after --help

        name = "own" if self.pattern else public_sets.guess(self.folder)
        found = public_sets.find(self.folder, public_sets.SETS[name], patterns=self.pattern)
        several = len(found.pairs) > 1
        return [
            (split if several else "", pair)
            for split, pairs in found.pairs.items()
            for pair in pairs.values()
        ], found.problems


def main(argv: Sequence[str] | None = None, *, prog: str = "fnet check") -> int:
    """Runs the command; returns its exit status."""
    config = parse(CheckConfig, argv, prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    return finish(lambda: run(config), stopped="nothing was written")


def run(config: CheckConfig) -> int:
    """Checks the pairs, prints the findings, and returns the exit status.

    Raises:
        InputError: there are no pairs, or a report cannot be written.
    """
    begin = time.perf_counter()
    from tqdm import tqdm

    from fnet_jax.artifacts.files import check_all_new, replace_texts, writable
    from fnet_jax.checking import page
    from fnet_jax.checking.check import as_text, check, placed, summary

    targets = [target for target in (config.out, config.page) if target]
    check_all_new(targets, overwrite=config.overwrite)
    pairs, problems = config.pairs_by_split()
    for problem in problems:
        complain(problem)
    found = check(
        pairs,
        rule=config.range,
        max_pixels=config.max_pixels,
        report=warn,
        progress=partial(tqdm, unit="pair", leave=False, delay=2, disable=None),
    )
    lines = summary(found)
    listed = [(each, finding) for each in found for finding in each.findings]
    for each, finding in listed[:SHOWN]:
        say(f"{one_line(each.name)}: {one_line(finding.text)}")
    if len(listed) > SHOWN:
        say(f"… and {len(listed) - SHOWN:,} more; use --out or --page to get all")
    for line in lines:
        say(line)
    texts = {}
    if config.out:
        texts[config.out] = as_text(found)
    if config.page:
        texts[config.page] = page.render("Checked pairs", placed(found), found)
    if texts:
        with writable(targets[0], remedy="use another place"):
            replace_texts(texts)
    say(f"checked {counted(len(found), 'pair')} in {time.perf_counter() - begin:.1f} s")
    unreadable = any(kind.kind == "unreadable" for _, kind in listed)
    return 1 if unreadable or problems else 0
