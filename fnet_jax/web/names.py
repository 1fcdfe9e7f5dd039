"""Names of files that a browser sent: shown, compared and taken apart, but never used as paths."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

from fnet_jax.pairs.layouts import MODALITIES

# The words of public data sets, and more that stand in names of files.
FIRST, SECOND = (
    {word.lower() for names in side for word in names.split("|")} | more
    for side, more in zip(zip(*MODALITIES, strict=True), ({"vl", "w"}, {"th", "mr"}), strict=True)
)
OF_A_SCENE = 8  # images at most; more names that differ in one word are of other scenes
LONGEST = 150  # bytes that are kept; systems allow 255
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".fff", ".seq")
WORDS = re.compile(r"i[12](?![a-z0-9])|[a-z]+|\d+")


def shown(name: str) -> str:
    """A name for a person: no folders, no control characters, not too long."""
    last = re.split(r"[/\\]", name)[-1]
    printable = "".join(c if c.isprintable() else "_" for c in last)
    return printable.encode()[-LONGEST:].decode(errors="ignore").strip(". ") or "image"


def told_apart(names: Mapping[Path, str]) -> dict[Path, str]:
    """The names of I1 and I2 for a person; with a folder in front where they are equal."""
    known = {path: shown(name) for path, name in names.items()}
    if len(known) > len({*known.values()}):
        return {path: f"I{i}/{name}" for i, (path, name) in enumerate(known.items(), 1)}
    return known


def suffix(name: str) -> str:
    """The suffix of an image file among those that are known, or ``.png``."""
    found = f".{name.rpartition('.')[2].lower()}"
    return found if found in SUFFIXES else ".png"


def stem(name: str) -> str:
    """The name without its suffix."""
    base = shown(name)
    return base.rpartition(".")[0] or base


def side(name: str) -> int | None:
    """0 if a name says that an image is I1, 1 if I2, None if it does not tell."""
    words = set(WORDS.findall(name.lower()))
    first, second = bool(words & FIRST), bool(words & SECOND)
    return None if first == second else int(second)


def paired(names: Mapping[str, str]) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Pairs the images of one or two folders.

    Images of two folders are paired by equal names. Otherwise, names differ in one word, such as
    ``vis`` and ``ir``, or the name of a folder. Which is I1 is told by the words, or by the order.

    Args:
        names: names as the browser gives them, with folders, by keys.

    Returns:
        Keys of I1 and of I2, and the name of the scene; then the names of files without a partner.
    """
    folders: dict[str, list[str]] = defaultdict(list)
    for key, name in names.items():
        folders[name.rpartition("/")[0]].append(key)
    if len(folders) == 2:
        one, two = (
            {stem(names[key]).lower(): key for key in reversed(folders[folder])}
            for folder in _in_order(*folders)
        )
        pairs = [(one[scene], two[scene], scene) for scene in sorted(one.keys() & two.keys())]
    else:
        pairs = _by_one_word(names)
    used = {key for one, two, _ in pairs for key in (one, two)}
    return pairs, [shown(name) for key, name in names.items() if key not in used]


def _in_order(one: str, two: str) -> tuple[str, str]:
    """Two names or words, that of I1 first, as far as they tell; else as they came."""
    swapped = (side(one), side(two)) in {(1, 0), (1, None), (None, 0)}
    return (two, one) if swapped else (one, two)


def _by_one_word(names: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Pairs of names that differ in the same word, which one of them may lack."""
    words = {
        key: tuple(WORDS.findall(f"{name.rpartition('/')[0]}/{stem(name)}".lower()))
        for key, name in names.items()
    }
    whole = {found: key for key, found in words.items()}
    slots: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)  # keys by the word left out
    for key, found in words.items():
        for i, word in enumerate(found):
            if not word.isdigit():
                slots[(*found[:i], "*", *found[i + 1 :])].setdefault(word, key)
    for slot, of in slots.items():
        if (without := tuple(word for word in slot if word != "*")) in whole:
            of[""] = whole[without]
    few = [of for of in slots.values() if len(of) <= OF_A_SCENE]
    differences = Counter(two for of in few for two in combinations(of, 2))
    differences += Counter({(b, a): n for (a, b), n in differences.items()})
    if not differences:
        return []
    one, two = max(differences, key=lambda two: (_tell(*two), differences[two]))
    one, two = _in_order(one, two)
    pairs: list[tuple[str, str, str]] = []
    used: set[str] = set()
    for slot, of in slots.items():
        if one in of and two in of and not used & {of[one], of[two]}:
            used |= {of[one], of[two]}
            scene = "_".join(word for word in slot if word != "*") or "pair"
            pairs.append((of[one], of[two], scene))
    return pairs


def _tell(one: str, two: str) -> int:
    """How well two words tell the modalities: 2 if both do, 1 if one does."""
    return len({side(one), side(two)} - {None})
