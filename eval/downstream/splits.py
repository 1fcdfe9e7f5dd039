"""Splits into training and test scenes: files with a checksum, and the leaks between both parts.

``splits/`` has those of MSRS: the official one, and one by drives.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.downstream import places
from eval.downstream.scenes import TEST, TRAIN, SceneSet
from fnet_jax.artifacts.files import read_text, replace_text
from fnet_jax.artifacts.progress import Progress, silent
from fnet_jax.errors import InputError, first_line, reason

SHIPPED = Path(__file__).with_name("splits")
M3FD_TEST = 400  # scenes of 4,200, as in the paper
REACH = 12  # scenes of MSRS show the same place only if their numbers differ by at most this
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,40}")
LEAST = 20  # smallest number of scenes of a drive


@dataclass(frozen=True)
class Split:
    """Names of the training and the test scenes.

    Attributes:
        name: such as ``"official"`` or ``"drives"``.
        train: names, sorted.
        test: names, sorted; none of ``train``.
    """

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Checksum of the names in both parts; 64 hexadecimal digits."""
        names = json.dumps([sorted(self.train), sorted(self.test)])
        return hashlib.sha256(names.encode()).hexdigest()


@dataclass(frozen=True)
class Leaks:
    """How many of the test scenes have been seen in training.

    Attributes:
        test: number of test scenes.
        beside: number of those with a training scene at number ±1 (or of the same number).
        pairs: number of neighbors across the split: a test scene and a training scene.
        same_pairs: number of these pairs that show the same place (:mod:`eval.downstream.places`).
        same: number of test scenes in such pairs.
    """

    test: int
    beside: int
    pairs: int
    same_pairs: int
    same: int

    @property
    def text(self) -> str:
        """A sentence with all of it."""
        return (
            f"{self.beside} of {self.test} test scenes have a training scene at number ±1; "
            f"{self.same_pairs} of these {self.pairs} pairs of neighbors, with {self.same} test "
            f"scenes, show the same place"
        )


def of_file(path: Path, scenes: SceneSet, *, without: Collection[str] = ()) -> Split:
    """Reads a split that :func:`write` wrote: JSON with a name, a set, a checksum, and both parts.

    Scenes of the folder that it does not name are in neither part, nor are those of ``without``.

    Raises:
        InputError: the file cannot be read, has another format or is of another set, its names do
            not match its checksum, are in both parts or twice in one, or are not in the folder.
    """
    try:
        content = json.loads(read_text(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({reason(error)}); check the name") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({first_line(error)}); write it again") from error
    split, title, checksum = _parsed(path, content)
    if title != scenes.title:
        raise InputError(f"{path} is a split of {title}, not of {scenes.title}; use another")
    if checksum != split.sha256:
        raise InputError(
            f"{path} was changed: its names have the checksum {split.sha256[:12]}…, not "
            f"{checksum[:12]}…; get or write the split again"
        )
    if not NAME.fullmatch(split.name):
        raise InputError(
            f"{path} has the invalid name {split.name!r}; use letters, digits, _ and -"
        )
    if without:
        kept = ([x for x in names if x not in without] for names in (split.train, split.test))
        split = _split(split.name, *kept)
    unknown = {*split.train, *split.test} - {scene.name for scene in scenes.scenes}
    if unknown:
        raise InputError(
            f"{path}: {len(unknown)} of its scenes, such as {min(unknown)}, are not in the folder; "
            f"use the whole set, or a split of this folder"
        )
    return split


def write(path: Path, split: Split, scenes: SceneSet) -> None:
    """Writes a split of a set, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    content = {
        "name": split.name,
        "set": scenes.title,
        "sha256": split.sha256,
        "train": list(split.train),
        "test": list(split.test),
    }
    replace_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def named(
    name: str,
    scenes: SceneSet,
    *,
    without: Collection[str] = (),
    progress: Progress = silent,
) -> Split:
    """The split of a name, without the scenes of ``without``.

    ``"official"`` is :func:`by_hash` for sets without an official one; ``"drives"`` is the shipped
    one of MSRS, :func:`by_drives` of others; other names are files.

    Raises:
        InputError: the set has no such split, or the file cannot be used.
    """
    if name == "drives":
        shipped = SHIPPED / f"{scenes.title.lower()}_drives.json"
        if shipped.exists():
            with suppress(InputError):  # a split of another part of the set
                return of_file(shipped, scenes, without=without)
        return by_drives(scenes, progress=progress)
    if name != "official":
        return of_file(Path(name).expanduser(), scenes, without=without)
    marked = any(scene.split for scene in scenes.scenes)
    return official(scenes) if marked else by_hash(scenes)


def official(scenes: SceneSet) -> Split:
    """The split of a set by its folders or lists.

    Raises:
        InputError: the set has none.
    """
    train, test = (
        [scene.name for scene in scenes.scenes if scene.split == part] for part in (TRAIN, TEST)
    )
    if not train or not test:
        missing = TEST if train else TRAIN
        raise InputError(f"{scenes.title} has no scene marked as {missing}; use --split FILE")
    return _split("official", train, test)


def by_hash(scenes: SceneSet, *, test: int | None = None) -> Split:
    """A split for sets without one: the scenes whose names have the smallest SHA-256 are the test.

    It depends only on the names, so that everyone with the set has the same split. Neighbors are on
    both sides, as in published splits; see :func:`neighbours`.

    Args:
        scenes: the set.
        test: number of test scenes; by default 400 of 4,200, and the same share of other sizes.

    Raises:
        InputError: there would be no training or no test scene.
    """
    count = len(scenes.scenes)
    wanted = round(count * M3FD_TEST / 4200) if test is None else test
    if not 0 < wanted < count:
        raise InputError(
            f"{scenes.title}: with {wanted} of {count} scenes for the test, one side is empty; use "
            f"more scenes or another number"
        )
    names = sorted(
        (scene.name for scene in scenes.scenes),
        key=lambda name: (hashlib.sha256(name.encode()).digest(), name),
    )
    return _split("hash", names[wanted:], names[:wanted])


def by_drives(scenes: SceneSet, *, share: float = 0.25, progress: Progress = silent) -> Split:
    """A split that keeps scenes of one place, and most of one drive, on one side.

    The set, sorted by number, is cut only where no two scenes that show the same place, with
    numbers up to 12 apart, lie on both sides. Neighboring pieces are joined until each has 20
    scenes: the drives. They are assigned to the test at even steps, so that ``share`` of the scenes
    come from everywhere in the set: from each time and town.

    Args:
        scenes: the set; scenes without a number are training scenes.
        share: share of the test scenes, in (0, 1); 0.25 is that of MSRS.
        progress: shows the progress of comparing scenes.

    Raises:
        InputError: an image cannot be read, or the set has too few drives.
    """
    found = drives(scenes, progress=progress)
    train = [s.name for s in scenes.scenes if places.number_of(s.name) is None]
    test: list[str] = []
    for drive in found:
        after = len(train) + len(test) + len(drive)
        # The side that brings the share closer to the wanted one.
        (test if len(test) + len(drive) / 2 <= share * after else train).extend(drive)
    if not train or not test:
        raise InputError(
            f"{scenes.title} has {len(found)} drives, too few for a split by drives; use more "
            f"scenes"
        )
    return _split("drives", train, test)


def drives(scenes: SceneSet, *, progress: Progress = silent) -> list[list[str]]:
    """Names of the scenes of each drive, sorted by number; raises as :func:`by_drives`."""
    order = places.ordered(scenes.scenes)
    position = {scene: k for k, scene in enumerate(order)}
    furthest = list(range(len(order)))  # for each scene, the last one of the same place
    for pair in places.near(scenes.scenes, REACH, progress=progress):
        if pair.same:
            first, second = position[pair.first], position[pair.second]
            furthest[first] = max(furthest[first], second)
    found: list[list[str]] = [[]]
    end = 0
    for k, scene in enumerate(order):
        if k > end and len(found[-1]) >= LEAST:
            found.append([])
        found[-1].append(scenes.scenes[scene].name)
        end = max(end, furthest[k])
    if len(found) > 1 and len(found[-1]) < LEAST:
        found[-2:] = [found[-2] + found[-1]]
    return [drive for drive in found if drive]


def neighbours(scenes: SceneSet, split: Split, *, progress: Progress = silent) -> Leaks:
    """How many of the test scenes have been seen in training.

    Raises:
        InputError: an image cannot be read.
    """
    train, test = set(split.train), set(split.test)
    sides = [{places.number_of(name) for name in names} - {None} for names in (train, test)]

    def at_the_border(name: str) -> bool:
        number = places.number_of(name)
        other = sides[1] if name in train else sides[0] if name in test else set()
        return number is not None and not other.isdisjoint({number - 1, number, number + 1})

    used = [scene for scene in scenes.scenes if at_the_border(scene.name)]  # to save time
    pairs: list[tuple[str, bool]] = []  # the test scene, and whether it is the same place
    for pair in places.near(used, 1, progress=progress):
        first, second = used[pair.first].name, used[pair.second].name
        if (first in test) != (second in test):
            pairs.append((first if first in test else second, pair.same))
    same = [name for name, alike in pairs if alike]
    return Leaks(len(test), len({name for name, _ in pairs}), len(pairs), len(same), len({*same}))


def _split(name: str, train: Iterable[str], test: Iterable[str]) -> Split:
    return Split(name, tuple(sorted(train)), tuple(sorted(test)))


def _parsed(path: Path, content: Any) -> tuple[Split, str, str]:
    """A split with the title and the checksum of its file."""
    wanted = {"name": str, "set": str, "sha256": str, "train": list, "test": list}
    if not isinstance(content, dict) or any(
        not isinstance(content.get(key), kind) for key, kind in wanted.items()
    ):
        raise InputError(f"{path} needs {', '.join(wanted)}; write it again")
    names = [*content["train"], *content["test"]]
    if not all(isinstance(name, str) for name in names):
        raise InputError(f"{path}: names of scenes must be strings; write it again")
    if not content["train"] or not content["test"]:
        raise InputError(f"{path} names no scene to train or to test; write it again")
    if len(set(names)) < len(names):
        twice = min(name for name in names if names.count(name) > 1)
        raise InputError(f"{path} names {twice} twice; keep it in one part")
    return _split(content["name"], content["train"], content["test"]), *(
        content[key] for key in ("set", "sha256")
    )
