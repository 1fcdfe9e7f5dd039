"""Which scenes train and which test: files with a checksum, and what leaks between the two.

``splits/`` holds those of MSRS: the official one, and one by drives.
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
M3FD_TEST = 400  # scenes of 4,200, as the paper has
REACH = 12  # numbers between two scenes of MSRS that may show the same place
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,40}")
LEAST = 20  # scenes of a drive


@dataclass(frozen=True)
class Split:
    """Names of the scenes that train and of those that test.

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
    """How much of the scenes that test has been seen in training.

    Attributes:
        test: number of scenes that test.
        beside: how many of them have a scene to train at number ±1 (or of the same number).
        pairs: neighbours across the split: pairs of a scene that tests and one that trains.
        same_pairs: how many of these pairs show the same place (:mod:`eval.downstream.places`).
        same: number of scenes that test in such pairs.
    """

    test: int
    beside: int
    pairs: int
    same_pairs: int
    same: int

    @property
    def text(self) -> str:
        """All of it in one sentence."""
        return (
            f"{self.beside} of {self.test} test scenes have a training scene at number ±1; "
            f"{self.same_pairs} of these {self.pairs} pairs of neighbours, with {self.same} test "
            f"scenes, show the same place"
        )


def of_file(path: Path, scenes: SceneSet, *, without: Collection[str] = ()) -> Split:
    """Reads a split that :func:`write` wrote.

    Scenes of the folder that it does not name are in neither part.

    Args:
        path: JSON with ``name``, ``set``, ``sha256``, ``train`` and ``test``.
        scenes: of which it is.
        without: names of scenes that are left out of it.

    Raises:
        InputError: the file cannot be read, is of another form or set, its names are not those of
            its checksum, are in both parts or twice in one, or are of no scene.
    """
    try:
        content = json.loads(read_text(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}); check the name") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON ({first_line(error)}); write it again") from error
    split, title, checksum = _parsed(path, content)
    if title != scenes.title:
        raise InputError(f"{path}: is a split of {title}, not of {scenes.title}; use another")
    if checksum != split.sha256:
        raise InputError(
            f"{path}: its names have the checksum {split.sha256[:12]}…, not {checksum[:12]}… as "
            f"written; they were changed since, so get or write the split again"
        )
    if not NAME.fullmatch(split.name):
        raise InputError(f"{path}: its name {split.name!r} is none; use letters, digits, _ and -")
    if without:
        kept = ([x for x in names if x not in without] for names in (split.train, split.test))
        split = _split(split.name, *kept)
    unknown = {*split.train, *split.test} - {scene.name for scene in scenes.scenes}
    if unknown:
        raise InputError(
            f"{path}: {len(unknown)} of its scenes, such as {min(unknown)}, are not in the folder; "
            f"use the whole set, or write a split of this folder"
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
    """The split that a user names.

    Args:
        name: ``"official"`` (by :func:`by_hash` for sets without one), ``"drives"`` (the shipped
            one of MSRS, :func:`by_drives` of others), or a file.
        scenes: the set.
        without: names of scenes that are left out of it.
        progress: shows how many scenes have been compared.

    Raises:
        InputError: the set has no such split, or the file cannot be used.
    """
    if name == "drives":
        shipped = SHIPPED / f"{scenes.title.lower()}_drives.json"
        if shipped.exists():
            with suppress(InputError):  # of another part of the set
                return of_file(shipped, scenes, without=without)
        return by_drives(scenes, progress=progress)
    if name != "official":
        return of_file(Path(name).expanduser(), scenes, without=without)
    marked = any(scene.split for scene in scenes.scenes)
    return official(scenes) if marked else by_hash(scenes)


def official(scenes: SceneSet) -> Split:
    """The split that a set has by its folders or lists.

    Raises:
        InputError: the set has none.
    """
    train, test = (
        [scene.name for scene in scenes.scenes if scene.split == part] for part in (TRAIN, TEST)
    )
    if not train or not test:
        missing = TEST if train else TRAIN
        raise InputError(f"{scenes.title}: no scene is marked as {missing}; use --split FILE")
    return _split("official", train, test)


def by_hash(scenes: SceneSet, *, test: int | None = None) -> Split:
    """A split for sets without one: those whose names have the smallest SHA-256 test.

    It depends on the names alone, so that anyone who has the set has the split. Neighbours are on
    both sides, as in the splits that are published: see :func:`neighbours`.

    Args:
        scenes: the set.
        test: number of scenes to test; by default 400 of 4,200, and of other sizes that share.

    Raises:
        InputError: no scene would be left to train or to test.
    """
    count = len(scenes.scenes)
    wanted = round(count * M3FD_TEST / 4200) if test is None else test
    if not 0 < wanted < count:
        raise InputError(
            f"{scenes.title}: {wanted} of {count} scenes to test leave none on one side; use more "
            f"scenes or another number"
        )
    names = sorted(
        (scene.name for scene in scenes.scenes),
        key=lambda name: (hashlib.sha256(name.encode()).digest(), name),
    )
    return _split("hash", names[wanted:], names[:wanted])


def by_drives(scenes: SceneSet, *, share: float = 0.25, progress: Progress = silent) -> Split:
    """A split that keeps scenes of one place, and most of one drive, on one side.

    In order of numbers, the set may be cut only where no two scenes that show the same place, with
    numbers up to 12 apart, lie on both sides. Of the pieces, neighbours are joined until each has
    20 scenes, the drives. They go to the test in even steps, so that ``share`` of the scenes come
    from everywhere in the set: from each time and town.

    Args:
        scenes: the set; scenes without a number train.
        share: of the scenes that test, in (0, 1); 0.25 is that of MSRS.
        progress: shows how many scenes have been compared.

    Raises:
        InputError: an image cannot be read, or the set has too few drives.
    """
    found = drives(scenes, progress=progress)
    train = [s.name for s in scenes.scenes if places.number_of(s.name) is None]
    test: list[str] = []
    for drive in found:
        after = len(train) + len(test) + len(drive)
        # Whichever leaves the share closer to what is wanted.
        (test if len(test) + len(drive) / 2 <= share * after else train).extend(drive)
    if not train or not test:
        raise InputError(
            f"{scenes.title}: has {len(found)} drives, too few for a split by drives; use more "
            f"scenes"
        )
    return _split("drives", train, test)


def drives(scenes: SceneSet, *, progress: Progress = silent) -> list[list[str]]:
    """Names of the scenes of each drive, in order of numbers; raises as :func:`by_drives`."""
    order = places.ordered(scenes.scenes)
    position = {scene: k for k, scene in enumerate(order)}
    furthest = list(range(len(order)))  # for each scene, the last one of its place
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
    """How much of the scenes that test has been seen in training.

    Raises:
        InputError: an image cannot be read.
    """
    train, test = set(split.train), set(split.test)
    sides = [{places.number_of(name) for name in names} - {None} for names in (train, test)]

    def at_the_border(name: str) -> bool:
        number = places.number_of(name)
        other = sides[1] if name in train else sides[0] if name in test else set()
        return number is not None and not other.isdisjoint({number - 1, number, number + 1})

    used = [scene for scene in scenes.scenes if at_the_border(scene.name)]  # others cost time
    pairs: list[tuple[str, bool]] = []  # the scene that tests, and whether it is the same place
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
        raise InputError(f"{path}: needs {', '.join(wanted)}; write it again")
    names = [*content["train"], *content["test"]]
    if not all(isinstance(name, str) for name in names):
        raise InputError(f"{path}: names of scenes have to be texts; write it again")
    if not content["train"] or not content["test"]:
        raise InputError(f"{path}: names no scene to train or to test; write it again")
    if len(set(names)) < len(names):
        twice = min(name for name in names if names.count(name) > 1)
        raise InputError(f"{path}: names {twice} twice; keep it in one part")
    return _split(content["name"], content["train"], content["test"]), *(
        content[key] for key in ("set", "sha256")
    )
