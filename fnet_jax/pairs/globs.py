"""Pairs from globs: ``vi/*_rgb.png`` with ``ir/*_nir.png``, ``set*/vi/*`` with ``set*/ir/*``."""

import re
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePath

from fnet_jax.errors import InputError, first_line
from fnet_jax.pairs.match import Pair, partners, sound
from fnet_jax.pairs.walk import ANY_DEPTH, File, Pieces, walk

WILDCARD = re.compile(r"\[[^]]+\]|[*?]")


def is_glob(path: Path) -> bool:
    """Whether a path is a glob: it contains ``*``, ``?`` or ``[…]`` and is not an existing file."""
    with suppress(OSError):  # from a parent folder; reported later
        return bool(WILDCARD.search(str(path))) and not path.exists()
    return True


def match(i1: Path, i2: Path) -> tuple[list[Pair], list[str]]:
    """Pairs the files of two globs, or of a glob and a folder.

    Files are a pair if everything that wildcards in folder names match is equal, and so are the
    file names except for the suffix. If no file names are equal, everything that the wildcards
    match is compared instead, and names the pair.

    Returns:
        The pairs, sorted by name, and a line for each file without exactly one partner and each
        folder that cannot be read.

    Raises:
        InputError: a glob matches no image file, or both match the same files.
    """
    problems: list[str] = []
    sides = tuple(_files(path, problems) for path in (i1, i2))
    if {file.path.resolve() for file in sides[0]} == {file.path.resolve() for file in sides[1]}:
        raise InputError(f"{i1} and {i2} are the same files; use two different globs")
    wanted = [path if is_glob(path) else path / "*" for path in (i1, i2)]
    for key in (_by_stem, _by_pieces):
        keyed: tuple[dict[Pieces, list[Path]], dict[Pieces, list[Path]]] = ({}, {})
        for files, side in zip(sides, keyed, strict=True):
            for file in files:
                side.setdefault(key(file), []).append(file.path)
        found, alone = partners(*keyed, lambda side, _: wanted[side])
        if found:
            break
    plain = key is _by_stem and not any(len(pieces) > 1 for pieces in found)
    pairs, more = sound(
        pair if plain else replace(pair, called=_name(pieces)) for pieces, pair in found.items()
    )
    return pairs, problems + alone + more


def _by_stem(file: File) -> Pieces:
    return (*file.above, unicodedata.normalize("NFC", file.path.stem))


def _by_pieces(file: File) -> Pieces:
    return file.pieces


def _name(pieces: Pieces) -> str:
    return "_".join(piece.strip("/") for piece in pieces if piece.strip("/")).replace("/", "_")


def _files(path: Path, problems: list[str]) -> list[File]:
    """The image files that match a glob, or those in a folder."""
    if not is_glob(path):
        if not path.is_dir():
            raise InputError(f"{path} is not a folder; pair a glob with a folder or a glob")
        files = list(walk(path, (), lambda name: (PurePath(name).stem,), problems))
    else:
        *above, last = path.parts[1:] if path.anchor else path.parts
        start = Path(path.anchor)
        files = list(walk(start, [_folder(part) for part in above], _named(last), problems))
    if not files:
        raise InputError(problems[0] if problems else f"{path} matches no image; check the name")
    return files


def _folder(part: str) -> re.Pattern[str] | str:
    """A folder name on the path: as it is, or as a pattern."""
    if part == ANY_DEPTH or not WILDCARD.search(part):
        return part
    return _compiled(part)


def _named(part: str) -> Callable[[str], Pieces | None]:
    """A function from a file's name to what the wildcards in a glob match."""
    fits = _compiled(part)

    def pieces(name: str) -> Pieces | None:
        found = fits.fullmatch(name)
        if not found:
            return None
        # vi/* and ir/* match 1.png and 1.jpg: the suffix is not part of the scene's name.
        stem = len(PurePath(name).stem)
        spans = [found.span(number) for number in range(1, fits.groups + 1)]
        return tuple(name[start : min(end, stem)] for start, end in spans if start <= stem)

    return pieces


def _compiled(part: str) -> re.Pattern[str]:
    """A glob's component as a regular expression, with a group for each wildcard."""
    expression, end = "", 0
    part = unicodedata.normalize("NFC", part)
    for found in WILDCARD.finditer(part):
        expression += re.escape(part[end : found.start()])
        wildcard = found[0]
        if wildcard.startswith("["):
            inside = re.sub(r"([\\\[&~|^])", r"\\\1", wildcard[1:-1])
            wildcard = f"[{'^' + inside[1:] if inside.startswith('!') else inside}]"
        expression += {"*": "(.*)", "?": "(.)"}.get(wildcard, f"({wildcard})")
        end = found.end()
    try:
        return re.compile(expression + re.escape(part[end:]), re.DOTALL)
    except re.error as error:
        raise InputError(f"{part!r} is not a glob ({first_line(error)}); use * or ?") from error
