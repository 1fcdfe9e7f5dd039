"""The layouts of the sets: where they keep images, truths and splits.

Case does not matter in names, and an image may have any readable suffix.

- MSRS: ``{train,test}/{vi,ir}`` with ``labels`` or ``Segmentation_labels`` (class images) or with
  ``boxes`` (YOLO text, the classes in ``boxes_classes.txt``).
- M3FD: ``Vis``, ``Ir`` and ``Annotation`` (VOC XML) or ``labels`` (YOLO text), also below
  ``M3FD_Detection``. It has no split.
- MFNet: ``images`` with four channels, ``labels`` (class images) and the lists ``train.txt`` and
  ``test.txt``. Scenes that neither names are in neither part: ``val.txt`` is for model selection,
  which a study with one budget does not do, and flipped copies are used for training only if
  ``train.txt`` names them. The paper's 1,142 and 120 scenes are in no published list.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path

from eval.downstream.scenes import DETECT, SEGMENT, TEST, TRAIN, Scene, SceneSet
from fnet_jax import images
from fnet_jax.artifacts.files import read_text
from fnet_jax.errors import InputError, reason
from fnet_jax.pairs.layouts import INFRARED, VISIBLE
from fnet_jax.pairs.match import Pair, by_stem, folded, match

MSRS_CLASSES: tuple[str, ...] = (
    "unlabelled",
    "car",
    "person",
    "bike",
    "curve",
    "car stop",
    "guardrail",
    "color cone",
    "bump",
)
M3FD_CLASSES: tuple[str, ...] = ("People", "Car", "Bus", "Lamp", "Motorcycle", "Truck")
CLASS_LABELS = "labels|segmentation_labels|segmentation-labels"
BOXES = "boxes|labels"
ANNOTATION = "annotation|annotations"
CLASS_LISTS = ("boxes_classes.txt", "classes.txt")
KNOWN = (
    "{train,test}/{vi,ir,labels|boxes} (MSRS), {Vis,Ir,Annotation|labels} (M3FD), or "
    "{images,labels} with train.txt and test.txt (MFNet)"
)

Truths = dict[str, list[Path]]
"""Files of truth by the folded name of their scene."""


def find(data: Path, task: str) -> tuple[SceneSet, list[str]]:
    """As :func:`eval.downstream.scenes.find`, through which this is called."""
    if task not in (DETECT, SEGMENT):
        raise ValueError(f"unknown task {task!r}: use {DETECT} or {SEGMENT}")
    folders = _folders(data)
    split_folders = {
        split: folders[split]
        for split in (TRAIN, TEST)
        if split in folders and all(_below(folders[split], x) for x in (VISIBLE, INFRARED))
    }
    nested = folders.get("m3fd_detection", data)
    problems: list[str] = []
    if split_folders:
        title, classes = "MSRS", MSRS_CLASSES
        if task == DETECT:
            classes = _classes_of_boxes(data, split_folders.values())
        if not classes:
            raise InputError(
                f"{data} has no {CLASS_LISTS[0]}, which names the classes of boxes in lines such "
                f"as 0 person; add it"
            )
        scenes = [
            scene
            for split, folder in split_folders.items()
            for scene in _of_folders(folder, _truths(folder, task), split, problems)
        ]
    elif all(_below(nested, x) for x in (VISIBLE, INFRARED)):
        title, classes = "M3FD", M3FD_CLASSES
        if task == SEGMENT:
            raise InputError(f"{data}: M3FD has only boxes; use eval.detect, or another set")
        annotation = _below(nested, ANNOTATION)
        truths = _named(annotation, (".xml",)) if annotation else _truths(nested, task)
        if not annotation:
            classes = _classes_of_boxes(data, [nested]) or M3FD_CLASSES
        scenes = list(_of_folders(nested, truths, None, problems))
    elif "images" in folders and "labels" in folders:
        title, classes = "MFNet", MSRS_CLASSES
        if task == DETECT:
            raise InputError(f"{data}: MFNet has only class images; use eval.segment")
        scenes = list(_of_four_channels(data, folders["images"], folders["labels"], problems))
    else:
        raise InputError(f"{data} is not a known set; arrange it as {KNOWN}")
    scenes = _unique(scenes, problems)
    if not scenes:
        more = f"; the first problem: {problems[0]}" if problems else ""
        raise InputError(f"{data} has no scene with images and truth; arrange it as {KNOWN}{more}")
    return SceneSet(title, task, classes, tuple(scenes)), problems


def read_classes(path: Path) -> tuple[str, ...]:
    """Names of classes from a text file with one per line, such as ``0 person`` or ``person``.

    Raises:
        InputError: the file cannot be read, or the numbers are not 0, 1, 2 ….
    """
    lines = [line.split(maxsplit=1) for line in _lines(path)]
    numbered = all(len(words) == 2 and words[0].isdecimal() for words in lines)
    if not numbered:
        lines = [[str(number), " ".join(words)] for number, words in enumerate(lines)]
    names = {int(number): name.strip() for number, name in lines}
    if not names or sorted(names) != list(range(len(lines))):
        raise InputError(f"{path} needs a line for each class, numbered from 0; fix it")
    if len({*map(folded, names.values())}) < len(names):
        raise InputError(f"{path} names a class twice; fix it")
    return tuple(names[number] for number in sorted(names))


def _of_folders(
    folder: Path, truths: Truths, split: str | None, problems: list[str]
) -> Iterator[Scene]:
    """The scenes of folders of visible and infrared images."""
    places = [place for x in (VISIBLE, INFRARED) if (place := _below(folder, x))]
    visible, infrared = places
    pairs, more = match(visible, infrared)
    problems += more
    # A truth is not reported if its images exist but are not a pair.
    known = {folded(name) for place in places for name in by_stem(place)}
    yield from _with_truths(pairs, truths, known, lambda _: split, problems)


def _of_four_channels(
    data: Path, folder: Path, labels: Path, problems: list[str]
) -> Iterator[Scene]:
    """The scenes of MFNet."""
    lists = {split: _list(data, split) for split in (TRAIN, TEST)}
    both = lists[TRAIN].keys() & lists[TEST].keys()
    if both:
        name = lists[TRAIN][min(both)]
        raise InputError(f"{data}: {name} is in train.txt and test.txt; keep it in one of them")
    found = by_stem(folder)
    pairs = []
    for name, paths in sorted(found.items()):
        if len(paths) > 1:
            problems.append(f"{folder / name}.*: several files have this name; keep one of them")
        else:
            pairs.append(Pair(paths[0], paths[0]))
    known = {*map(folded, found)}
    for split, names in lists.items():
        problems += [
            f"{data / split}.txt names {names[key]}, which is not in {folder}; add the image or "
            f"remove the name"
            for key in sorted(names.keys() - known)
        ]

    def split_of(name: str) -> str | None:
        return next((split for split, names in lists.items() if folded(name) in names), None)

    yield from _with_truths(pairs, _images(labels), known, split_of, problems)


def _with_truths(
    pairs: Iterable[Pair],
    truths: Truths,
    known: Container[str],
    split_of: Callable[[str], str | None],
    problems: list[str],
) -> Iterator[Scene]:
    """The scenes of pairs; a pair of a single file has both images in it.

    ``truths`` and ``known``, the names of all images with or without a partner, are folded names.
    ``problems`` gets a line for each pair without one truth and for each truth without images.
    """
    used = set()
    for pair in pairs:
        name = unicodedata.normalize("NFC", pair.name)
        used.add(folded(name))
        files = truths.get(folded(name), [])
        if len(files) == 1:
            infrared = None if pair.i1 == pair.i2 else pair.i2
            yield Scene(name, pair.i1, infrared, files[0], split_of(name))
        elif files:
            shown = ", ".join(map(str, files))
            problems.append(f"{pair.i1} has several truths ({shown}); keep one of them")
        else:
            problems.append(
                f"{pair.i1} has no truth of the same name; add it, or remove the images"
            )
    for name in sorted(truths.keys() - used):
        if name not in known:
            problems += [
                f"{path} has no images of the same name; add them, or remove it"
                for path in truths[name]
            ]


def _unique(scenes: Iterable[Scene], problems: list[str]) -> list[Scene]:
    """The scenes sorted by name; the first of those that share a name."""
    kept: dict[str, Scene] = {}
    for scene in scenes:
        other = kept.setdefault(folded(scene.name), scene)
        if other is not scene:
            problems.append(
                f"{scene.visible} has the same name as {other.visible}; rename or remove one of "
                f"them"
            )
    return sorted(kept.values(), key=lambda scene: scene.name)


def _truths(folder: Path, task: str) -> Truths:
    """The truths beside the images of a set; raises InputError if there are none."""
    names = CLASS_LABELS if task == SEGMENT else BOXES
    for name in names.split("|"):
        place = _below(folder, name)
        if place is None:
            continue
        found = _images(place) if task == SEGMENT else _named(place, (".txt",))
        if found:
            return found
    what = "class images" if task == SEGMENT else "files of boxes (.txt)"
    raise InputError(f"{folder} has no {what} to {task}; add a folder {names.split('|')[0]}")


def _images(folder: Path) -> Truths:
    found: Truths = defaultdict(list)
    for path in images.find(folder):
        found[folded(path.stem)].append(path)
    return dict(found)


def _named(folder: Path, suffixes: tuple[str, ...]) -> Truths:
    """The files of a folder with these suffixes, except lists of classes and hidden files."""
    found: Truths = defaultdict(list)
    for path in _entries(folder):
        if path.suffix.lower() in suffixes and path.name.lower() not in CLASS_LISTS:
            found[folded(path.stem)].append(path)
    return dict(found)


def _classes_of_boxes(data: Path, folders: Iterable[Path]) -> tuple[str, ...]:
    """The classes of boxes, listed beside or in their folders; empty if they are not listed.

    Raises:
        InputError: two lists differ, or one cannot be read.
    """
    places = [data]
    for folder in folders:
        places += [folder, *filter(None, (_below(folder, name) for name in BOXES.split("|")))]
    found = {path: read_classes(path) for path in _class_lists(places)}
    first = next(iter(found), None)
    for path, classes in found.items():
        if first and classes != found[first]:
            raise InputError(f"{path} names other classes than {first}; remove one of them")
    return found[first] if first else ()


def _class_lists(places: Iterable[Path]) -> list[Path]:
    """Lists of classes directly in folders, each once, in order."""
    paths = (path for place in places for path in _entries(place))
    return list(dict.fromkeys(path for path in paths if path.name.lower() in CLASS_LISTS))


def _list(data: Path, split: str) -> dict[str, str]:
    """The names in a list of MFNet, by their folded form; empty if there is no such list."""
    path = next((p for p in _entries(data) if p.name.lower() == f"{split}.txt"), None)
    if path is None:
        return {}
    return {folded(name): name for name in map(_without_suffix, _lines(path))}


def _without_suffix(name: str) -> str:
    return name[: -len(Path(name).suffix)] if Path(name).suffix in images.SUFFIXES else name


def _lines(path: Path) -> list[str]:
    """The non-empty lines of a text file, stripped."""
    try:
        text = read_text(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({reason(error)}); check the file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; save it as such") from error
    return [line.strip() for line in text.removeprefix("\ufeff").splitlines() if line.strip()]


def _below(folder: Path, names: str) -> Path | None:
    """The subfolder with one of some names, separated by ``|``."""
    there = _folders(folder)
    return next((there[name] for name in names.split("|") if name in there), None)


def _folders(folder: Path) -> dict[str, Path]:
    """Subfolders by their lower-case names."""
    return {path.name.lower(): path for path in reversed(_entries(folder)) if path.is_dir()}


def _entries(folder: Path) -> list[Path]:
    """The entries of a folder, sorted, without hidden ones; raises InputError."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise InputError(
            f"{folder} cannot be read ({reason(error)}); use a folder arranged as {KNOWN}"
        ) from error
