"""Layouts: where the images of both modalities lie below a folder, for all public downloads.

A layout gives, for each split, the places of I1 and I2 below the source folder, without suffix.
A ``*`` matches any part of a name; two files are a pair if all these parts are equal, and the
parts name the pair. ``a|b`` matches a folder of either name. Case is ignored.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePath

from fnet_jax.pairs.patterns import Patterns
from fnet_jax.pairs.walk import File, Pieces

Layout = Mapping[str, tuple[str, str]]

# Folder names of I1 and I2 in public downloads: M3FD Vis, Ir; LLVIP visible, infrared; FMB
# Visible, Infrared; KAIST visible, lwir; VTUAV rgb, ir; PST900 rgb, thermal; VT5000 RGB, T; GTOT v,
# i; VEDAI co, ir; DroneVehicle trainimg, trainimgr; EPFL VIS, NIR; CDDFuse and Harvard CT, MRI.
# The first row that fits is used: color and t may also be colors of labels, or something else.
VISIBLE = "vi|vis|visible|visual|rgb"
INFRARED = "ir|inf|infrared|thermal|tir|lwir|fir|nir|near_infrared|near-infrared"
MODALITIES = (
    ("I1", "I2"),
    (VISIBLE, INFRARED),
    (f"{VISIBLE}|color|colour|co|v", f"{INFRARED}|t|i"),
    ("CT", "MRI"),
    ("PET", "MRI"),
    ("SPECT", "MRI"),
    ("A", "B"),
    ("img|trainimg|valimg|testimg", "imgr|trainimgr|valimgr|testimgr"),
)
SPLITS = {
    "train": "train|training",
    "test": "test|testing",
    "val": "val|valid|validation",
}


def below(split: str, i1: str, i2: str, *above: str) -> tuple[Layout, ...]:
    """Layouts of one split, in the source folder itself or in one of the folders ``above``."""
    return tuple({split: (f"{top}{i1}", f"{top}{i2}")} for top in ("", *above))


def of_modalities() -> tuple[Layout, ...]:
    """Layouts of two folders: in the source, above or below its splits, or one folder deeper."""
    found: list[Layout] = []
    for top in ("", "*/"):
        found += [{"train": (f"{top}{i1}/*", f"{top}{i2}/*")} for i1, i2 in MODALITIES]
        for form in (top + "{split}/{side}/*", top + "{side}/{split}/*"):
            found += [
                {
                    split: (form.format(split=names, side=i1), form.format(split=names, side=i2))
                    for split, names in SPLITS.items()
                }
                for i1, i2 in MODALITIES
            ]
    return tuple(found)


def with_patterns(others: Iterable[Layout]) -> tuple[Layout, ...]:
    """The layouts in which file names distinguish the modalities.

    Both modalities may lie in one folder: the source, its splits or, if no other layout fits, any
    folder below it.
    """
    return (
        {"train": ("*", "*")},
        {split: (f"{names}/*", f"{names}/*") for split, names in SPLITS.items()},
        *others,
        {"train": ("*/*", "*/*")},
    )


def described(layout: Layout) -> str:
    """A layout as text, such as ``vi/* with ir/*``."""
    return " and ".join(" with ".join(places) for places in layout.values())


def folders_of(place: str) -> list[re.Pattern[str] | str]:
    """The folders on the path to a place, for :func:`~fnet_jax.pairs.walk.walk`."""
    return [_expression(part) for part in place.split("/")[:-1]]


def name_of(place: str, side: int, patterns: Patterns | None) -> Callable[[str], Pieces | None]:
    """A function from a file's name to its free parts, by a place (I1: 0, I2: 1) or patterns."""
    if patterns:
        return partial(_scene, patterns, side)
    return partial(_pieces, _expression(place.split("/")[-1]))


def actual(place: str, source: Path, files: Sequence[File]) -> str:
    """A place with the actual names of its folders, as far as files were found in them."""
    *parts, name = place.split("/")
    found = files[0].path.relative_to(source).parts if files else [p.split("|")[0] for p in parts]
    pairs = zip(parts, found, strict=False)
    return "/".join([*(part if "*" in part else as_found for part, as_found in pairs), name])


def filled(place: str, side: int, patterns: Patterns | None, pieces: Pieces) -> str:
    """A place with its wildcards filled in, and ``.*`` for a free suffix."""
    free = iter(pieces)
    parts = [re.sub(r"\*", lambda _: next(free), part) for part in place.split("/")]
    if patterns:
        parts[-1] = patterns[side].filled(pieces[-1])
        return "/".join(parts)
    return "/".join(parts) + ".*"


def _expression(part: str) -> re.Pattern[str]:
    names = ["(.+)".join(map(re.escape, name.split("*"))) for name in part.split("|")]
    return re.compile("|".join(names), re.IGNORECASE | re.DOTALL)


def _pieces(wanted: re.Pattern[str], name: str) -> Pieces | None:
    found = wanted.fullmatch(unicodedata.normalize("NFC", PurePath(name).stem))
    return found and found.groups()


def _scene(patterns: Patterns, side: int, name: str) -> Pieces | None:
    scene = patterns.scene(side, name)
    return None if scene is None else (scene,)
