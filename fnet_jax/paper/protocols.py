"""The eight sets of the paper's Table I: how each is fused, and where it is in a data folder."""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from fnet_jax.artifacts.files import resolved
from fnet_jax.errors import InputError, reason
from fnet_jax.pairs.match import Pair
from fnet_jax.pairs.public_sets import SETS, find


@dataclass(frozen=True)
class Protocol:
    """How the paper fuses a set.

    Attributes:
        task: kind of images, in the paper's words.
        color: mode of :func:`fnet_jax.images.color.separate`.
        folders: possible names of its folder, without regard to case and punctuation.
    """

    task: str
    color: str
    folders: tuple[str, ...]


@dataclass(frozen=True)
class Located:
    """A set that was found: its folder, its pairs by name, and a line for each bad file."""

    folder: Path
    pairs: Mapping[str, Pair]
    problems: tuple[str, ...]

    def spread(self, number: int) -> "Located":
        """The set with only ``number`` ≥ 1 of its pairs, spread evenly over their names.

        Raises:
            InputError: it has no pairs.
        """
        names = sorted(self.pairs)
        if not names:
            raise InputError(
                f"{self.folder} has no pairs: {'; '.join(self.problems) or 'no files'}"
            )
        count = min(number, len(names))
        chosen = [names[(2 * i + 1) * len(names) // (2 * count)] for i in range(count)]
        return dataclasses.replace(self, pairs={name: self.pairs[name] for name in chosen})


PROTOCOLS = {
    "tno": Protocol("VIS-IR", "grey", ("TNO",)),
    "roadscene": Protocol("VIS-IR", "grey", ("RoadScene",)),
    "cats": Protocol("VIS-IR", "grey", ("CATS", "CATS_Release")),
    "kaist": Protocol("VIS-IR", "grey", ("KAIST", "KAIST-RGBT")),
    "rgb_nir_scene": Protocol("VIS-NIR", "grey", ("NIR", "RGB-NIR", "RGB-NIR Scene", "nirscene1")),
    "harvard_ct": Protocol("CT-MRI", "limited", ("MRI_CT", "CT-MRI", "Harvard_CT")),
    "harvard_pet": Protocol("PET-MRI", "limited", ("MRI_PET", "PET-MRI", "Harvard_PET")),
    "harvard_spect": Protocol("SPECT-MRI", "limited", ("MRI_SPECT", "SPECT-MRI", "Harvard_SPECT")),
}
"""By the names of :data:`fnet_jax.pairs.public_sets.SETS`, in the order of the paper's table."""

BELOW = ("", "test_img")  # subfolders of the sets in several downloads


def paper() -> dict[str, Any]:
    """The paper's Table I: ``methods``, and lists with a number for each of them.

    ``sets`` has the means by set and metric; the other entries are parameters in thousands, FLOPs
    in billions and runtime in seconds.
    """
    return json.loads(files("fnet_jax.paper").joinpath("table1.json").read_text("utf-8"))


def locate(data: Path, names: tuple[str, ...] = tuple(PROTOCOLS)) -> dict[str, Located]:
    """The sets in a data folder, by name, in the order of the paper's table.

    A set's folder is recognized by its name (``TNO``, ``RoadScene``, ``MRI_CT`` …). It is in the
    data folder or in its ``test_img``, or is the data folder itself.

    Raises:
        InputError: the folder cannot be read, or contains none of the sets ``names``.
    """
    try:
        folders = {_plain(path.name): path for path in _folders(data)}
    except OSError as error:
        raise InputError(
            f"{data} cannot be read ({reason(error)}); use a folder with {_examples(names)}"
        ) from error
    located = {}
    for name, protocol in PROTOCOLS.items():
        known = [_plain(folder) for folder in protocol.folders]
        folder = next((folders[plain] for plain in known if plain in folders), None)
        if name in names and folder is not None:
            found = find(folder, SETS[name])
            pairs = {pair: p for split in found.pairs.values() for pair, p in split.items()}
            located[name] = Located(folder, pairs, tuple(found.problems))
    if not located:
        raise InputError(f"{data} contains none of the sets; their folders are {_examples(names)}")
    return located


def _folders(data: Path) -> Iterator[Path]:
    """Folders that may be those of a set; of equal names, the last one counts."""
    for below in reversed(BELOW):
        if not below or (data / below).is_dir():
            yield from sorted(path for path in (data / below).iterdir() if path.is_dir())
    yield resolved(data)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _examples(names: tuple[str, ...]) -> str:
    return ", ".join(PROTOCOLS[name].folders[0] for name in names)
