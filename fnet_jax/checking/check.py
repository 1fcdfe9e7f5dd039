"""Checks pairs, each by itself and against all others."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fnet_jax import images as image_files
from fnet_jax.artifacts import provenance
from fnet_jax.artifacts.progress import Progress, Report, silent
from fnet_jax.checking import images, likeness
from fnet_jax.errors import InputError
from fnet_jax.images.color import is_color
from fnet_jax.images.frame import MAX_PIXELS
from fnet_jax.images.jobs import TYPES, Rules, rules_of
from fnet_jax.images.levels import to_8_bits
from fnet_jax.images.range_rules import Rule
from fnet_jax.pairs.match import Pair
from fnet_jax.registration.displacement import NOTABLE, displacement
from fnet_jax.runtime.ahead import ahead
from fnet_jax.runtime.cores import cores

KINDS = {
    "unreadable": "files that cannot be read",
    "sizes": "pairs whose images differ in size",
    "displaced": "pairs displaced by more than 2 pixels",
    "empty": "empty images",
    "saturated": "images of which at least a tenth is white",
    "frame": "pictures in a frame",
    "swapped": "pairs with color in I2 but not in I1, which may be swapped",
    "palette": "I2 in the colors of a palette",
    "colored": "I2 in natural colors",
    "duplicate": "duplicate pairs",
    "near-duplicate": "near-duplicate pairs",
    "leak": "duplicates or near-duplicates in two splits",
    "jump": "sudden changes of level between similar frames",
    "exposure": "exposures far from the rest of the folder",
}
"""Descriptions of all findings, by their names in reports."""


Prints = tuple[likeness.Print, likeness.Print]
"""Images of I1 and of I2."""


@dataclass(frozen=True)
class Finding:
    """A problem.

    Attributes:
        kind: one of :data:`KINDS`.
        text: a description.
        side: ``"i1"`` or ``"i2"``; empty if it concerns the pair.
        value: a number that quantifies it, if any.
        other: the name of another pair that is involved, if any.
    """

    kind: str
    text: str
    side: str = ""
    value: float | None = None
    other: str = ""


@dataclass
class Checked:
    """The findings on one pair.

    Attributes:
        name: of the pair.
        split: such as ``train``; empty without splits.
        pair: its files.
        findings: the problems.
        displacement: of I2 in pixels; 0 without evidence, NaN if the images have too little in
            common to decide.
        rules: the range rules by which its images were read.
    """

    name: str
    split: str
    pair: Pair
    findings: list[Finding] = field(default_factory=list)
    displacement: float = math.nan
    rules: Rules = TYPES


def check(
    pairs: Sequence[tuple[str, Pair]],
    *,
    rule: Rule | Rules | None = None,
    max_pixels: int | None = MAX_PIXELS,
    report: Report,
    progress: Progress = silent,
) -> list[Checked]:
    """Checks pairs and returns the findings on each, in the same order; changes no file.

    Args:
        pairs: the split, or ``""``, and the files of each.
        rule: as for :func:`fnet_jax.images.jobs.rules_of`.
        max_pixels: refuse larger images.
        report: gets a line about each side whose range was chosen.
        progress: shows how many pairs have been checked.
    """
    found: list[Checked] = []
    ones: dict[int, likeness.Print] = {}
    twos: dict[int, likeness.Print] = {}
    ways = [pair.i1 for _, pair in pairs], [pair.i2 for _, pair in pairs]
    rules = rules_of(*ways, rule, report=report, progress=progress, max_pixels=max_pixels)

    def look(given: tuple[str, Pair]) -> tuple[Checked, Prints | None]:
        return _look(*given, rules=rules, max_pixels=max_pixels)

    with ThreadPoolExecutor(cores()) as pool:
        work = ahead(pool, look, pairs, 2 * cores())
        for at, (checked, prints) in enumerate(progress(work, total=len(pairs), desc="checking")):
            found.append(checked)
            if prints:
                ones[at], twos[at] = prints
    _compare(found, ones, twos)
    return found


def counts(found: Iterable[Checked]) -> dict[str, int]:
    """The number of findings of each kind, in the order of :data:`KINDS`."""
    number = Counter(finding.kind for each in found for finding in each.findings)
    return {kind: number[kind] for kind in KINDS if number[kind]}


def displaced(found: Iterable[Checked]) -> tuple[int, int, float]:
    """Counts pairs with known and with notable displacement; also returns the latter's median.

    The median is NaN if there is none.
    """
    known = [each.displacement for each in found if not math.isnan(each.displacement)]
    far = [pixels for pixels in known if pixels > NOTABLE]
    return len(known), len(far), float(np.median(far)) if far else math.nan


def summary(found: Sequence[Checked]) -> list[str]:
    """A summary of all pairs: a line for each kind of finding, and one on alignment."""
    kinds = [f"{number:,} × {KINDS[kind]}" for kind, number in counts(found).items()]
    return [*kinds, *placed(found)] or ["no problems were found"]


def placed(found: Sequence[Checked]) -> list[str]:
    """A line on how many pairs are displaced, if that is known for any."""
    known, far, median = displaced(found)
    if not known:
        return []
    middle = f" (median {median:.1f} pixels)" if far else ""
    return [
        f"{far:,} of {known:,} pairs with enough in common to decide are displaced by more than "
        f"2 pixels{middle}"
    ]


def as_text(found: Iterable[Checked]) -> str:
    """All findings as the text of a JSON file."""
    content = {
        "format": "fnet-check 1",
        "pairs": as_json(found),
        "versions": provenance.versions("numpy", "scipy", "pillow"),
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_json(found: Iterable[Checked]) -> list[dict[str, Any]]:
    """JSON values about each pair."""
    return [
        {
            "name": each.name,
            "split": each.split,
            "i1": str(each.pair.i1),
            "i2": str(each.pair.i2),
            "displacement": None if math.isnan(each.displacement) else each.displacement,
            "findings": [
                {key: value for key, value in vars(finding).items() if value not in ("", None)}
                for finding in each.findings
            ],
        }
        for each in found
    ]


def _look(
    split: str, pair: Pair, *, rules: Rules, max_pixels: int | None
) -> tuple[Checked, Prints | None]:
    """Checks one pair; also returns the prints of its images, None if it cannot be read."""
    checked = Checked(pair.name, split, pair, rules=rules)
    try:
        one = to_8_bits(image_files.read(pair.i1, max_pixels=max_pixels, rule=rules[0]))
        two = to_8_bits(image_files.read(pair.i2, part=None, max_pixels=max_pixels, rule=rules[1]))
    except InputError as error:
        checked.findings.append(Finding("unreadable", str(error)))
        return checked, None
    add = checked.findings.append
    for side, image in (("i1", one), ("i2", two)):
        if images.is_empty(image):
            add(Finding("empty", f"{side} is empty", side))
            continue
        if share := images.saturated(image):
            add(Finding("saturated", f"{share:.0%} of {side} is white", side, share))
        if share := images.frame(image):
            add(Finding("frame", f"{side} has a frame of {share:.1%} of its pixels", side, share))
    if is_color(two):
        if not is_color(one):
            add(Finding("swapped", "i2 shows color and i1 does not; are they swapped?"))
        elif images.is_palette(two):
            add(Finding("palette", "i2 has the colors of a palette; use the original values", "i2"))
        else:
            add(Finding("colored", "i2 has natural colors, which are read as grey", "i2"))
    if one.shape[:2] != two.shape[:2]:
        (h1, w1), (h2, w2) = one.shape[:2], two.shape[:2]
        add(Finding("sizes", f"i1 has {w1}×{h1} pixels and i2 {w2}×{h2}; register them"))
    elif (place := displacement(one, two)) and place.known:
        checked.displacement = place.pixels
        if place.pixels > NOTABLE:
            text = f"i2 is displaced by about {place.pixels:.1f} pixels"
            add(Finding("displaced", text, value=place.pixels))
    return checked, (likeness.print_of(one), likeness.print_of(two))


def _compare(
    found: list[Checked], ones: dict[int, likeness.Print], twos: dict[int, likeness.Print]
) -> None:
    """Adds findings that involve several pairs."""
    places = list(ones)
    for twin in likeness.alike(list(ones.values()), list(twos.values())):
        first, second = found[places[twin.first]], found[places[twin.second]]
        across = first.split != second.split
        kind = "leak" if across else "duplicate" if twin.exactly else "near-duplicate"
        how = "the same as" if twin.exactly else "nearly the same as"
        where = f" in {first.split}" if across else ""
        text = f"{how} {first.name}{where}"
        second.findings.append(Finding(kind, text, value=twin.likeness, other=first.name))
    for side, prints in (("i1", ones), ("i2", twos)):
        folders: dict[Path, list[int]] = defaultdict(list)
        for at in places:
            folders[getattr(found[at].pair, side).parent].append(at)
        for members in folders.values():
            members.sort(key=lambda at: getattr(found[at].pair, side).name)
            there = [prints[at] for at in members]
            for kind, of in (("jump", likeness.jumps), ("exposure", likeness.odd_exposures)):
                for place, text in of(there):
                    finding = Finding(kind, f"{side}: {text}", side)
                    found[members[place]].findings.append(finding)
