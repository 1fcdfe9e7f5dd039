"""Which image of one folder belongs to which of another: by file name, never by position."""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fnet_jax import images
from fnet_jax.errors import InputError, first_line

Key = TypeVar("Key", str, tuple[str, ...])

SAMPLES = Path(__file__).with_name("samples")  # pairs in I1/ and I2/, all made up and named so


@dataclass(frozen=True)
class Pair:
    """Two image files of one scene.

    Attributes:
        i1: file of I1.
        i2: file of I2.
        called: the name of the scene, where it is not that of I1's file.
    """

    i1: Path
    i2: Path
    called: str | None = None

    @property
    def name(self) -> str:
        """What the result is named: ``called``, or the stem of I1's file name."""
        return self.called or self.i1.stem


@contextmanager
def named(pair: Pair) -> Iterator[None]:
    """Turns an error in work on a pair into an InputError that names its files.

    It names I1 where memory does not suffice, the device's included.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{pair.i1} and {pair.i2}: {error}") from error
    except MemoryError as error:
        raise InputError(f"{pair.i1}: {first_line(error)}; shrink it") from error
    except RuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise InputError(f"{pair.i1}: not enough memory for it; shrink it") from error


def match(i1: Path, i2: Path) -> tuple[list[Pair], list[str]]:
    """Pairs two files, or the images of two folders whose names differ in nothing but the suffix.

    Args:
        i1: file or folder of I1.
        i2: file or folder of I2.

    Returns:
        The pairs, sorted by name, and a line for each file that has no partner or more than one.

    Raises:
        InputError: a path does not exist or cannot be read, one is a file and the other a folder,
            or a folder holds no image.
    """
    for path in (i1, i2):
        try:
            path.stat()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}; give a file or a folder") from error
    if not i1.is_dir() and not i2.is_dir():
        return [Pair(i1, i2)], []
    if not i1.is_dir() or not i2.is_dir():
        raise InputError(f"{i1} and {i2}: give two files or two folders, not one of each")
    pairs, problems = partners(by_stem(i1), by_stem(i2), lambda side, stem: (i1, i2)[side] / stem)
    return list(pairs.values()), problems


def partners(
    first: Mapping[Key, list[Path]],
    second: Mapping[Key, list[Path]],
    expected: Callable[[int, Key], Path],
) -> tuple[dict[Key, Pair], list[str]]:
    """Pairs the files of two modalities that have equal keys.

    Args:
        first: files of I1 by key.
        second: files of I2 by key.
        expected: where the file of I1 (0) or I2 (1) with a key lies, without its suffix.

    Returns:
        The pairs by key, sorted, and a line for each file that has no partner or more than one.
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
                f"{expected(0, key)}.*: several files of one name ({names}); keep one each"
            )
        else:
            there, missing = (ones, expected(1, key)) if ones else (twos, expected(0, key))
            problems += [
                f"{path}: has no partner {missing.name}.* in {missing.parent}" for path in there
            ]
    return pairs, problems


def by_stem(folder: Path) -> dict[str, list[Path]]:
    """The image files of a folder by their names without suffix.

    Raises:
        InputError: the folder cannot be read or holds no image.
    """
    files: dict[str, list[Path]] = defaultdict(list)
    for path in images.find(folder):
        # Systems write letters with accents in two ways, which look the same.
        files[unicodedata.normalize("NFC", path.stem)].append(path)
    if not files:
        suffixes = ", ".join(images.SUFFIXES)
        raise InputError(f"{folder}: holds no image file ({suffixes}); its subfolders are not read")
    return files
