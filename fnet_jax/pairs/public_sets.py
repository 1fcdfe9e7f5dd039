"""The image sets of the paper: their public homes, and where in them the pairs lie.

A layout gives, for each split, the places of I1 and I2 below the source folder, without suffix.
A ``*`` stands for any part of a name; two files are a pair if all these parts are equal, and the
parts name the pair.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from fnet_jax import images
from fnet_jax.errors import InputError, reason
from fnet_jax.pairs.match import Pair, partners

SUFFIXES = ", ".join(images.SUFFIXES)

Layout = Mapping[str, tuple[str, str]]
Pieces = tuple[str, ...]


@dataclass(frozen=True)
class ImageSet:
    """A set of image pairs and what is known about it.

    Attributes:
        title: its name in print.
        home: address of its public home.
        paper: number of pairs that the paper uses, by split.
        layouts: where its pairs may lie; the first that fits a folder is used.
    """

    title: str
    home: str
    paper: Mapping[str, int]
    layouts: tuple[Layout, ...]


@dataclass
class Found:
    """What a source folder holds: pairs by split and name, and a line for each problem.

    ``left_out`` counts the scenes that are not pairs because of these problems.
    """

    pairs: dict[str, dict[str, Pair]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    left_out: int = 0


def _both(split: str, i1: str, i2: str, *above: str) -> tuple[Layout, ...]:
    """Layouts of one split in the source folder itself or in one of the folders ``above``."""
    return tuple({split: (f"{top}{i1}", f"{top}{i2}")} for top in ("", *above))


CDDFUSE = "https://github.com/Zhaozixiang1228/MMIF-CDDFuse"


def _medical(modality: str, pairs: int) -> ImageSet:
    folder = f"MRI_{modality}/"
    layouts = _both("test", f"{modality}/*", "MRI/*", folder, f"test_img/{folder}")
    return ImageSet(
        f"Harvard {modality}-MRI",
        CDDFUSE,  # after https://www.med.harvard.edu/aanlib/, whose pages have no such folders
        {"test": pairs},
        (*layouts, *_both("test", "I1/*", "I2/*")),
    )


SETS: dict[str, ImageSet] = {
    "msrs": ImageSet(
        "MSRS",
        "https://github.com/Linfeng-Tang/MSRS",
        {"train": 1083, "test": 361},
        (
            {"train": ("train/vi/*", "train/ir/*"), "test": ("test/vi/*", "test/ir/*")},
            *_both("train", "vi/*", "ir/*"),
            *_both("train", "I1/*", "I2/*"),
        ),
    ),
    "tno": ImageSet(
        "TNO",
        CDDFUSE,
        {"test": 25},
        (*_both("test", "vi/*", "ir/*", "TNO/", "test_img/TNO/"), *_both("test", "I1/*", "I2/*")),
    ),
    # The home has 221 pairs; the 50 of the paper are those in test_img/RoadScene/ of MMIF-CDDFuse.
    # The images in its other folder, crop_HR_visible/, differ in size from the infrared ones.
    "roadscene": ImageSet(
        "RoadScene",
        "https://github.com/hanna-xu/RoadScene",
        {"test": 50},
        (
            *_both("test", "crop_LR_visible/*", "cropinfrared/*"),
            *_both("test", "vi/*", "ir/*", "RoadScene/", "test_img/RoadScene/"),
            *_both("test", "I1/*", "I2/*"),
        ),
    ),
    # Known from programs that read the set (INDOOR/BOOKS/scene1/rectified/…), not from its home.
    # rectified/cross/ has both cameras' views at one size, which are rectified but not registered.
    # Which 65 pairs the paper registered, and how, is not published: for those, use I1/ and I2/.
    "cats": ImageSet(
        "CATS",
        "http://bigdatavision.org/CATS/",
        {"test": 65},
        (
            *_both(
                "test",
                "*/*/scene*/rectified/cross/right_color_*",
                "*/*/scene*/rectified/cross/left_thermal_*",
                "CATS_Release/",
            ),
            *_both("test", "vi/*", "ir/*"),
            *_both("test", "I1/*", "I2/*"),
        ),
    ),
    # Which 44 of its 95,328 frames the paper uses is not published.
    "kaist": ImageSet(
        "KAIST",
        "https://github.com/SoonminHwang/rgbt-ped-detection",
        {"test": 44},
        (
            *_both("test", "set*/V*/visible/I*", "set*/V*/lwir/I*", "images/"),
            *_both("test", "vi/*", "ir/*"),
            *_both("test", "I1/*", "I2/*"),
        ),
    ),
    # Which 20 of its 477 pairs the paper uses is not published.
    "rgb_nir_scene": ImageSet(
        "RGB-NIR Scene",
        "https://www.epfl.ch/labs/ivrl/research/downloads/rgb-nir-scene-dataset/",
        {"test": 20},
        (
            *_both("test", "*/*_rgb", "*/*_nir", "nirscene1/"),
            *_both("test", "VIS/*", "NIR/*"),
            *_both("test", "I1/*", "I2/*"),
        ),
    ),
    "harvard_ct": _medical("CT", 21),
    "harvard_pet": _medical("PET", 42),
    "harvard_spect": _medical("SPECT", 73),
    "own": ImageSet(
        "own images",
        "",
        {},
        (
            *_both("train", "I1/*", "I2/*"),
            *_both("train", "vi/*", "ir/*"),
            *_both("train", "VIS/*", "NIR/*"),
            *_both("train", "CT/*", "MRI/*"),
            *_both("train", "PET/*", "MRI/*"),
            *_both("train", "SPECT/*", "MRI/*"),
        ),
    ),
}


def guess(source: Path) -> str:
    """The name in :data:`SETS` of the set whose layout a folder has.

    Folders that any set may have (``vi`` and ``ir``, ``CT`` and ``MRI`` …) make it ``"own"``.

    Raises:
        InputError: no layout fits, naming the layouts, or those of several sets do, or the folder
            cannot be read.
    """
    _readable(source)
    own = SETS["own"].layouts
    common = {places for layout in own for places in layout.values()}
    fitting = [
        name
        for name, image_set in SETS.items()
        for layout in image_set.layouts
        if common.isdisjoint(layout.values()) and _fits(source, layout)
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise InputError(f"{source}: has pairs of {', '.join(fitting)}; name the set to use")
    if any(_fits(source, layout) for layout in own):
        return "own"
    raise InputError(
        f"{source}: has no pairs of images; arrange them as {_listed(own)} ({SUFFIXES}), or as in "
        f"the home of a set that python -m train.prepare --help lists"
    )


def find(source: Path, image_set: ImageSet) -> Found:
    """The pairs of a set in a folder, by the first of its layouts that fits.

    A layout fits if it finds images of both kinds in some split.

    Raises:
        InputError: no layout fits, or a folder cannot be read; names the layouts.
    """
    _readable(source)
    layout = next((x for x in image_set.layouts if _fits(source, x)), None)
    if layout is None:
        raise InputError(
            f"{source}: has no pairs of {image_set.title}; "
            f"arrange them as {_listed(image_set.layouts)} ({SUFFIXES})"
        )
    found = Found()
    for split, places in layout.items():
        first, second = (_files(source, place) for place in places)
        matched, problems = partners(first, second, partial(_expected, source, places))
        found.problems += problems
        found.left_out += len(first.keys() | second.keys()) - len(matched)
        pairs: dict[str, Pair] = {}
        for pieces, pair in matched.items():
            name = "_".join(pieces)
            if name in pairs:
                found.problems.append(
                    f"{pair.i1}: would get the name {name}, like {pairs[name].i1}; rename one"
                )
                found.left_out += 1
            pairs.setdefault(name, replace(pair, called=name))
        if pairs:
            found.pairs[split] = pairs
    return found


def described(layout: Layout) -> str:
    """A layout in a line, such as ``vi/* with ir/*``."""
    return " and ".join(" with ".join(places) for places in layout.values())


def _listed(layouts: tuple[Layout, ...]) -> str:
    return ", or ".join(map(described, layouts))


def _fits(source: Path, layout: Layout) -> bool:
    return any(
        all(next(_walk(source, tuple(place.split("/"))), None) for place in places)
        for places in layout.values()
    )


def _files(source: Path, place: str) -> dict[Pieces, list[Path]]:
    """Image files of one modality, by the pieces of their names that a ``*`` stands for."""
    files: dict[Pieces, list[Path]] = defaultdict(list)
    for pieces, path in _walk(source, tuple(place.split("/"))):
        files[pieces].append(path)
    return files


def _walk(folder: Path, parts: Pieces) -> Iterator[tuple[Pieces, Path]]:
    """Image files below ``folder`` on a way that ``parts`` describe, with the pieces for ``*``."""
    part, *rest = parts
    if not rest:
        for path in images.find(folder):
            if (pieces := _pieces(part, path.stem)) is not None:
                yield pieces, path
        return
    for below in [folder / part] if "*" not in part else _readable(folder):
        pieces = _pieces(part, below.name)
        if pieces is not None and not below.name.startswith(".") and _is_folder(below):
            for more, path in _walk(below, tuple(rest)):
                yield pieces + more, path


def _pieces(pattern: str, name: str) -> Pieces | None:
    # Systems write accented letters in two ways that look the same.
    name = unicodedata.normalize("NFC", name)
    fitting = re.fullmatch("(.+)".join(map(re.escape, pattern.split("*"))), name)
    return fitting and fitting.groups()


def _expected(source: Path, places: tuple[str, str], side: int, pieces: Pieces) -> Path:
    """Where the file of one modality with these pieces should lie, without its suffix."""
    filled = iter(pieces)
    return source / re.sub(r"\*", lambda _: next(filled), places[side])


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise InputError(f"{path}: {reason(error)}; check its permissions") from error


def _readable(folder: Path) -> list[Path]:
    """The contents of a folder, sorted; raises InputError if it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: {reason(error)}; use a folder with image pairs") from error
