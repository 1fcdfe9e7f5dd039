"""The image sets of the paper: where they are published, and where their pairs lie."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path

from fnet_jax import images
from fnet_jax.errors import InputError, reason
from fnet_jax.pairs import layouts
from fnet_jax.pairs.layouts import Layout, described
from fnet_jax.pairs.layouts import below as _both
from fnet_jax.pairs.match import Pair, folded, partners, sound
from fnet_jax.pairs.patterns import Patterns
from fnet_jax.pairs.walk import File, Pieces, walk

SUFFIXES = ", ".join(images.SUFFIXES)


@dataclass(frozen=True)
class ImageSet:
    """A set of image pairs.

    Attributes:
        title: its name in print.
        home: URL of its public home.
        paper: number of pairs that the paper uses, by split.
        layouts: where its pairs may lie; the first that fits a folder is used.
        examples: layouts that represent all in a message; empty if all are few enough.
    """

    title: str
    home: str
    paper: Mapping[str, int]
    layouts: tuple[Layout, ...]
    examples: tuple[Layout, ...] = ()

    @property
    def shown(self) -> tuple[Layout, ...]:
        """The layouts that are shown in a message."""
        return self.examples or self.layouts


@dataclass
class Found:
    """The contents of a source folder: pairs by split and name, and a line for each problem.

    ``left_out`` counts the scenes that are not pairs because of these problems.
    """

    pairs: dict[str, dict[str, Pair]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    left_out: int = 0


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
}
# Folders that any set may have and that therefore do not identify one.
PLAIN = (
    ("I1/*", "I2/*"),
    ("vi/*", "ir/*"),
    ("VIS/*", "NIR/*"),
    ("CT/*", "MRI/*"),
    ("PET/*", "MRI/*"),
    ("SPECT/*", "MRI/*"),
)
SPECIFIC = {
    name: tuple(x for x in image_set.layouts if not set(PLAIN) & set(x.values()))
    for name, image_set in SETS.items()
}
SETS["own"] = ImageSet(
    "own images",
    "",
    {},
    (
        *layouts.of_modalities(),
        *({"train": places} for x in chain(*SPECIFIC.values()) for places in x.values()),
    ),
    examples=tuple({"train": places} for places in PLAIN),
)


def guess(source: Path) -> str:
    """The name in :data:`SETS` of the set whose layout a folder has.

    Folders that any set may have (``vi`` and ``ir``, ``CT`` and ``MRI`` …) give ``"own"``.

    Raises:
        InputError: no layout fits (the message lists them), those of several sets do, or the folder
            cannot be read.
    """
    _readable(source)
    unread: list[str] = []
    fitting = [
        name
        for name, specific in SPECIFIC.items()
        if any(_fits(source, layout, None, unread) for layout in specific)
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise InputError(f"{source} has pairs of {', '.join(fitting)}; name the set to use")
    own = SETS["own"]
    if any(_fits(source, layout, None, unread) for layout in own.layouts):
        return "own"
    raise InputError(
        unread[0]
        if unread
        else f"{source} has no pairs of images; arrange them as {_listed(own)} ({SUFFIXES}), or "
        f"as in one of the sets that python -m train.prepare --help lists"
    )


def find(source: Path, image_set: ImageSet, *, patterns: Patterns | None = None) -> Found:
    """The pairs of a set in a folder, by the first layout that fits.

    A layout fits if it finds images of both kinds in some split. With ``patterns`` of file names,
    both may lie in one folder.

    Raises:
        InputError: no layout fits (the message lists them), or the folder cannot be read.
    """
    _readable(source)
    known = layouts.with_patterns(image_set.layouts) if patterns else image_set.layouts
    unread: list[str] = []
    layout = next((x for x in known if _fits(source, x, patterns, unread)), None)
    if layout is None and unread:
        raise InputError(unread[0])
    if layout is None and patterns:
        texts = f"{patterns.i1.text} and {patterns.i2.text}"
        raise InputError(f"{source} has no image files {texts}; check --pattern and the folder")
    if layout is None:
        raise InputError(
            f"{source} has no pairs of {image_set.title}; "
            f"arrange them as {_listed(image_set)} ({SUFFIXES})"
        )
    found = Found()
    for split, places in layout.items():
        files = [
            list(_files(source, place, side, patterns, found.problems))
            for side, place in enumerate(places)
        ]
        first, second = map(_by_pieces, files)
        ways = [layouts.actual(p, source, x) for p, x in zip(places, files, strict=True)]
        matched, problems = partners(first, second, partial(_expected, source, ways, patterns))
        pairs, more = sound(
            replace(pair, called="_".join(pieces)) for pieces, pair in matched.items()
        )
        found.problems += problems + more
        found.left_out += len({*map(folded, (*first, *second))})
        found.left_out -= len({*map(folded, matched)}) - (len(matched) - len(pairs))
        if pairs:
            found.pairs[split] = {pair.name: pair for pair in pairs}
    return found


def _listed(image_set: ImageSet) -> str:
    return ", or ".join(map(described, image_set.shown))


def _fits(source: Path, layout: Layout, patterns: Patterns | None, unread: list[str]) -> bool:
    return any(
        all(
            next(_files(source, place, side, patterns, unread), None)
            for side, place in enumerate(places)
        )
        for places in layout.values()
    )


def _files(
    source: Path, place: str, side: int, patterns: Patterns | None, problems: list[str]
) -> Iterator[File]:
    """Image files of one modality; ``problems`` gets a line for each unreadable folder."""
    way = layouts.folders_of(place)
    return walk(source, way, layouts.name_of(place, side, patterns), problems)


def _by_pieces(files: list[File]) -> dict[Pieces, list[Path]]:
    keyed: dict[Pieces, list[Path]] = defaultdict(list)
    for file in files:
        keyed[file.pieces].append(file.path)
    return keyed


def _expected(
    source: Path, ways: list[str], patterns: Patterns | None, side: int, pieces: Pieces
) -> Path:
    """The expected path of the file of one modality with these pieces."""
    return source / layouts.filled(ways[side], side, patterns, pieces)


def _readable(folder: Path) -> None:
    """Raises InputError if a folder cannot be read."""
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise InputError(f"{folder}: {reason(error)}; use a folder with image pairs") from error
