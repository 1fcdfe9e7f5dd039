"""Pairing the images of two folders: by file name, not by position."""

import errno
import os
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, repeat
from pathlib import Path
from typing import TypeVar

from fnet_jax import images
from fnet_jax.errors import InputError, first_line, reason
from fnet_jax.pairs.patterns import Patterns
from fnet_jax.runtime.memory import exhausted

Key = TypeVar("Key", str, tuple[str, ...])

SAMPLES = Path(__file__).with_name("samples")  # pairs in I1/ and I2/, all synthetic
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True)
class Pair:
    """Two image files of one scene.

    Attributes:
        i1: file of I1.
        i2: file of I2.
        called: the name of the scene, if it differs from that of I1's file.
    """

    i1: Path
    i2: Path
    called: str | None = None

    @property
    def name(self) -> str:
        """Name of the result: ``called``, or the stem of I1's file name."""
        return self.called or self.i1.stem


@contextmanager
def named(pair: Pair, *, remedy: str = "shrink both images") -> Iterator[None]:
    """Converts an error during work on a pair to an InputError that names its files.

    ``remedy`` is what to do if the memory of the machine or the device is exhausted.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{pair.i1} and {pair.i2}: {error}") from error
    except (MemoryError, RuntimeError) as error:
        if not exhausted(error):
            raise
        # XLA's message is about its buffers; others state how much memory was needed.
        detail = f" ({first_line(error)})" if isinstance(error, MemoryError) and str(error) else ""
        raise InputError(f"{pair.i1}: not enough memory{detail}; {remedy}") from error


def check_sizes(i1: Path, size1: tuple[int, ...], i2: Path, size2: tuple[int, ...]) -> None:
    """Raises InputError unless two images have the same height and width, first in their shapes."""
    if size1[:2] != size2[:2]:
        raise InputError(
            f"{i1} is {size1[1]}×{size1[0]} but {i2} is {size2[1]}×{size2[0]}; register them "
            f"to one size"
        )


def match(i1: Path, i2: Path, *, patterns: Patterns | None = None) -> tuple[list[Pair], list[str]]:
    """Pairs two files, or the images of two folders whose names differ only in the suffix.

    Case is ignored if the result is unambiguous.

    Args:
        i1: file or folder of I1, or a glob such as ``vi/*_rgb.png``.
        i2: file or folder of I2, or a glob.
        patterns: how file names differ; I1 and I2 may then be one folder.

    Returns:
        The pairs, sorted by name, and a line for each file that cannot be used or has no unique
        partner.

    Raises:
        InputError: a path does not exist or cannot be read, both are the same, one is a file and
            the other a folder, or a folder has no matching image.
    """
    from fnet_jax.pairs import globs  # which imports this module

    if any(map(globs.is_glob, (i1, i2))):
        if patterns:
            raise InputError(f"{i1} and {i2} are globs; use either globs or --pattern")
        return globs.match(i1, i2)
    for path in (i1, i2):
        try:
            path.stat()
        except OSError as error:
            raise InputError(f"{path}: {reason(error)}; use a file or a folder") from error
    if not i1.is_dir() and not i2.is_dir():
        if patterns:
            raise InputError(f"{i1} and {i2} are files; --pattern is for folders, leave it out")
        pairs, problems = sound([Pair(i1, i2)])
        if problems:
            raise InputError(problems[0])
        return pairs, []
    if not i1.is_dir() or not i2.is_dir():
        raise InputError(f"{i1} and {i2}: use two files or two folders, not one of each")
    if patterns:
        return _decorated((i1, i2), patterns)
    if i1.samefile(i2):
        raise InputError(
            f"{i1} and {i2} are the same folder; use two, or --pattern if file names tell the "
            f"modalities apart"
        )
    found, problems = partners(
        by_stem(i1), by_stem(i2), lambda side, stem: (i1, i2)[side] / f"{stem}.*"
    )
    pairs, more = sound(found.values())
    return pairs, problems + more


def _decorated(folders: tuple[Path, Path], patterns: Patterns) -> tuple[list[Pair], list[str]]:
    """Pairs the files of two folders, or of one, by the scene names in patterns."""
    if patterns.i1 == patterns.i2 and folders[0].samefile(folders[1]):
        raise InputError(
            f"{folders[0]}: {patterns.i1.text} is the pattern of both I1 and I2; use two different "
            f"patterns"
        )
    files: tuple[dict[str, list[Path]], dict[str, list[Path]]] = ({}, {})
    for side, folder in enumerate(folders):
        for path in images.find(folder):
            if (scene := patterns.scene(side, path.name)) is not None:
                files[side].setdefault(scene, []).append(path)
        if not files[side]:
            raise InputError(f"{folder} contains no image {patterns[side].text}; check --pattern")
    found, problems = partners(
        *files, lambda side, scene: folders[side] / patterns[side].filled(scene)
    )
    pairs, more = sound(replace(pair, called=scene) for scene, pair in found.items())
    return pairs, problems + more


def sound(pairs: Iterable[Pair], *, places: Iterable[str] = ()) -> tuple[list[Pair], list[str]]:
    """Splits pairs into valid and invalid ones; each valid pair has a unique name.

    This checks what can be known without opening files; missing or damaged files are reported when
    they are read. ``places`` are prefixes for the lines of the pairs.

    Returns:
        The valid pairs, and a line for each other one: a loop of links, a pipe or a device, the
        same file twice, or a name that another pair has.
    """
    kept: dict[str, Pair] = {}
    problems = []
    for pair, place in zip(pairs, chain(places, repeat("")), strict=False):
        if problem := _problem(pair):
            problems.append(place + problem)
        elif pair.name in kept:
            other = kept[pair.name].i1
            problems.append(
                f"{place}{pair.i1}: its name {pair.name} is already that of {other}; rename one"
            )
        else:
            kept[pair.name] = pair
    return list(kept.values()), problems


def _problem(pair: Pair) -> str | None:
    """Why two paths cannot be a pair of image files, without opening them; None if they can."""
    found = []
    for path in (pair.i1, pair.i2):
        try:
            found.append(path.stat())
        except OSError as error:
            if error.errno == errno.ELOOP:
                return f"{path}: its links form a loop; remove or repair it"
            return None
        kind = stat.S_IFMT(found[-1].st_mode)
        if kind != stat.S_IFREG:
            return f"{path}: {KINDS.get(kind, 'no file')}, not an image file; remove or replace it"
    if os.path.samestat(*found):
        return (
            f"{pair.i1} and {pair.i2} are the same file; use two different images, or give the "
            f"photo of a thermal camera alone"
        )
    return None


def of_photos(photos: Iterable[Path]) -> list[Pair]:
    """Pairs from files, or folders of files, that hold both images, such as thermal photos.

    Raises:
        InputError: a folder cannot be read or has no images.
    """
    files = [
        file for photo in photos for file in (_photos_in(photo) if photo.is_dir() else [photo])
    ]
    return [Pair(file, file) for file in dict.fromkeys(files)]


def _photos_in(folder: Path) -> list[Path]:
    return [path for paths in by_stem(folder).values() for path in paths]


def partners(
    first: Mapping[Key, list[Path]],
    second: Mapping[Key, list[Path]],
    expected: Callable[[int, Key], Path],
) -> tuple[dict[Key, Pair], list[str]]:
    """Pairs the files of two modalities that have equal keys.

    Case is ignored, unless each key has a partner of its own. ``expected`` gives the path of the
    file of I1 (0) or I2 (1) with a key, with ``*`` for what is free.

    Returns:
        The pairs by the key of I1, sorted, and a line for each file without exactly one partner.
    """
    alike: dict[Key, list[Key]] = defaultdict(list)
    for key in sorted(first.keys() | second.keys()):
        alike[folded(key)].append(key)
    pairs: dict[Key, Pair] = {}
    problems = []
    for keys in alike.values():
        if all(len(first.get(key, [])) == len(second.get(key, [])) == 1 for key in keys):
            pairs |= {key: Pair(first[key][0], second[key][0]) for key in keys}
            continue
        ones = [(key, path) for key in keys for path in first.get(key, [])]
        twos = [(key, path) for key in keys for path in second.get(key, [])]
        if len(ones) == len(twos) == 1:
            pairs[ones[0][0]] = Pair(ones[0][1], twos[0][1])
        elif ones and twos:
            problems.append(_several(expected(0, keys[0]), [path for _, path in ones + twos]))
        else:
            side = 1 if ones else 0
            for key, path in ones or twos:
                missing = expected(side, key)
                problems.append(
                    f"{path}: has no partner {missing.name} in {missing.parent}; add or rename it"
                )
    return dict(sorted(pairs.items())), problems


def _several(place: Path, paths: list[Path]) -> str:
    names = [path.name for path in paths]
    apart = len(paths) == 2 or len(set(names)) < len(names) - 1 or len({*map(folded, names)}) == 1
    shown = ", ".join(map(str, paths) if apart else names)
    return f"{place}: several files have this name ({shown}); keep one of I1 and one of I2"


def folded(key: Key) -> Key:
    """A key that is equal for names that differ only in case."""
    if isinstance(key, tuple):
        return tuple(map(folded, key))
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", key).casefold())


def by_stem(folder: Path) -> dict[str, list[Path]]:
    """The image files of a folder by name without suffix.

    Raises:
        InputError: the folder cannot be read or has no images.
    """
    files: dict[str, list[Path]] = defaultdict(list)
    for path in images.find(folder):
        # Systems encode accented letters in two ways that look the same.
        files[unicodedata.normalize("NFC", path.stem)].append(path)
    if not files:
        suffixes = ", ".join(images.SUFFIXES)
        raise InputError(
            f"{folder} contains no image files ({suffixes}); use the folder that directly contains "
            f"the images"
        )
    return files
