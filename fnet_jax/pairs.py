"""Which image of one folder belongs to which of another: by file name, never by position."""

import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from fnet_jax import images
from fnet_jax.errors import InputError


@dataclass(frozen=True)
class Pair:
    """Two image files of one scene."""

    i1: Path
    i2: Path

    @property
    def name(self) -> str:
        """The stem of I1's file name, which names the result."""
        return self.i1.stem


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
    first, second = _by_stem(i1), _by_stem(i2)
    pairs, problems = [], []
    for stem in sorted(first.keys() | second.keys()):
        ones, twos = first.get(stem, []), second.get(stem, [])
        if len(ones) == len(twos) == 1:
            pairs.append(Pair(ones[0], twos[0]))
        elif ones and twos:
            names = ", ".join(path.name for path in ones + twos)
            problems.append(f"{i1 / stem}.*: several files of one name ({names}); keep one each")
        else:
            there, other = (ones, i2) if ones else (twos, i1)
            problems += [f"{path}: has no partner {stem}.* in {other}" for path in there]
    return pairs, problems


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    files: dict[str, list[Path]] = defaultdict(list)
    for path in images.find(folder):
        # Systems write letters with accents in two ways, which look the same.
        files[unicodedata.normalize("NFC", path.stem)].append(path)
    if not files:
        suffixes = ", ".join(images.SUFFIXES)
        raise InputError(f"{folder}: holds no image file ({suffixes}); its subfolders are not read")
    return files
