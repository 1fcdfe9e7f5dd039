"""The flags that name the images of a command: two files, two folders, or the samples."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fnet_jax.cli.flags import PATH, reads, unset
from fnet_jax.errors import InputError
from fnet_jax.images.range_rules import rule_of

if TYPE_CHECKING:
    from fnet_jax.pairs.match import Pair

COLORS = ("auto", "full", "grey", "limited")  # fnet_jax.images.color.MODES, which imports NumPy

RANGE, RANGE_UNSET = reads(rule_of, "RULE"), unset("type; folder for raw thermal images")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where pairs of images come from; each field is a flag."""

    # I1, the first modality: an image file, or a folder of them.
    i1: Annotated[Path | None, PATH, unset()] = None
    # I2, the second modality: a file if I1 is one, else a folder.
    i2: Annotated[Path | None, PATH, unset()] = None
    # Use the three synthetic pairs that come with the package instead of --i1 and --i2.
    samples: bool = False

    def __post_init__(self) -> None:
        """Raises InputError unless the flags name one source of images."""
        given = (self.i1 is not None, self.i2 is not None)
        if given != (not self.samples,) * 2:
            raise InputError("use either both --i1 and --i2, or --samples")

    def pairs(self) -> "tuple[list[Pair], list[str]]":
        """The pairs, and a line for each file without a partner; raises InputError."""
        from fnet_jax.pairs.match import SAMPLES, match  # slow to import: after --help

        return match(self.i1 or SAMPLES / "I1", self.i2 or SAMPLES / "I2")
