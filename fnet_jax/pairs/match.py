"""Which image of one folder belongs to which image of another: by file name, not by position."""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fnet_jax import images
from fnet_jax.errors import InputError, first_line, reason
from fnet_jax.runtime.memory import exhausted

Key = TypeVar("Key", str, tuple[str, ...])

SAMPLES = Path(__file__).with_name("samples")  # pairs in I1/ and I2/, all made up and named so


@dataclass(frozen=True)
class Pair:
    """Two image files of one scene.

    Attributes:
        i1: file of I1.
        i2: file of I2.
        called: the name of the scene, if it is not that of I1's file.
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
    """Turns an error in work on a pair into an InputError that names its files.

    Args:
        pair: what is worked on.
        remedy: what to do where memory, that of the device included, is not enough.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{pair.i1} and {pair.i2}: {error}") from error
    except (MemoryError, RuntimeError) as error:
        if not exhausted(error):
            raise
        # What XLA says is about its buffers; other lines say how much was needed.
        detail = f" ({first_line(error)})" if isinstance(error, MemoryError) and str(error) else ""
        raise InputError(f"{pair.i1}: not enough memory{detail}; {remedy}") from error


def check_sizes(i1: Path, size1: tuple[int, ...], i2: Path, size2: tuple[int, ...]) -> None:
    """Raises InputError unless two images have one height and width, the first two of a shape."""
    if size1[:2] != size2[:2]:
        raise InputError(
            f"{i1} is {size1[1]}×{size1[0]} but {i2} is {size2[1]}×{size2[0]}; register them to "
            f"one size"
        )


def match(i1: Path, i2: Path) -> tuple[list[Pair], list[str]]:
    """Pairs two files, or the images of two folders whose names are equal but for the suffix.

    Args:
        i1: file or folder of I1.
        i2: file or folder of I2.

    Returns:
        The pairs, sorted by name, and a line for each file without exactly one partner.

    Raises:
        InputError: a path does not exist or cannot be read, one is a file and the other a folder,
            or a folder holds no image.
    """
    for path in (i1, i2):
        try:
            path.stat()
        except OSError as error:
            raise InputError(f"{path}: {reason(error)}; use a file or a folder") from error
    if not i1.is_dir() and not i2.is_dir():
        return [Pair(i1, i2)], []
    if not i1.is_dir() or not i2.is_dir():
        raise InputError(f"{i1} and {i2}: use two files or two folders, not one of each")
    pairs, problems = partners(by_stem(i1), by_stem(i2), lambda side, stem: (i1, i2)[side] / stem)
    return list(pairs.values()), problems


def of_photos(photos: Iterable[Path]) -> list[Pair]:
    """The pairs of files that hold both images, as those of thermal cameras do.

    Args:
        photos: files, or folders of them.

    Raises:
        InputError: a folder cannot be read or holds no image.
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

    Args:
        first: files of I1 by key.
        second: files of I2 by key.
        expected: path of the file of I1 (0) or I2 (1) with a key, without its suffix.

    Returns:
        The pairs by key, sorted, and a line for each file without exactly one partner.
    """
    pairs: dict[Key, Pair] = {}
    problems = []
    for key in sorted(first.keys() | second.keys()):
        ones, twos = first.get(key, []), second.get(key, [])
        if len(ones) == len(twos) == 1:
            pairs[key] = Pair(ones[0], twos[0])
        elif ones and twos:
            names = ", ".join(path.name for path in ones + twos)
            problems.append(
                f"{expected(0, key)}.*: several files have this name ({names}); keep one of I1 "
                f"and one of I2"
            )
        else:
            there, missing = (ones, expected(1, key)) if ones else (twos, expected(0, key))
            problems += [
                f"{path}: has no partner {missing.name}.* in {missing.parent}; add or rename it"
                for path in there
            ]
    return pairs, problems


def by_stem(folder: Path) -> dict[str, list[Path]]:
    """The image files of a folder by their names without suffix.

    Raises:
        InputError: the folder cannot be read or holds no image.
    """
    files: dict[str, list[Path]] = defaultdict(list)
    for path in images.find(folder):
        # Systems write accented letters in two ways that look the same.
        files[unicodedata.normalize("NFC", path.stem)].append(path)
    if not files:
        suffixes = ", ".join(images.SUFFIXES)
        raise InputError(
            f"{folder}: holds no image file ({suffixes}); use the folder that holds the images, "
            f"not one above it"
        )
    return files
