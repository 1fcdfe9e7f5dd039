"""The flags that name input images: files, folders, globs, a table, or the samples."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.constructors import PrimitiveConstructorSpec

from fnet_jax.cli.flags import FILE, PATH, reads, unset
from fnet_jax.errors import InputError
from fnet_jax.images.range_rules import rule_of
from fnet_jax.pairs.patterns import Patterns

if TYPE_CHECKING:
    from fnet_jax.pairs.match import Pair

COLORS = ("auto", "full", "grey", "limited")  # fnet_jax.images.color.MODES, which imports NumPy

RANGE, RANGE_UNSET = reads(rule_of, "RULE"), unset("type; folder for raw thermal images")
WAYS = """\
--i1 and --i2 may also be globs in quotes; files are paired if everything that *
matches is equal. --pattern is for names with prefixes or suffixes, and for both
modalities in one folder. --pairs reads a CSV file whose first line is i1,i2 or
i1,i2,name (a name for the result), with paths relative to the file:

  --i1 "nir/*_rgb.png" --i2 "nir/*_nir.png"
  --i1 "set*/visible/*.jpg" --i2 "set*/lwir/*.jpg"
  --i1 FLIR/ --i2 FLIR/ --pattern "{}_RGB.jpg" "{}_PreviewData.jpeg"
  --pairs pairs.csv
"""


def _patterns(texts: list[str]) -> Patterns:
    try:
        return Patterns.of(*texts)
    except InputError as error:
        raise ValueError(str(error)) from error


PATTERN = PrimitiveConstructorSpec[Patterns | None](
    nargs=2,
    metavar="I1 I2",
    instance_from_str=_patterns,
    is_instance=lambda _: True,
    str_from_instance=lambda value: ["", ""] if value is None else [value.i1.text, value.i2.text],
)


@dataclass(frozen=True, kw_only=True)
class Images:
    """Sources of the user's own pairs; each field is a flag."""

    # I1, the first modality: an image file, a folder of them, or a glob.
    i1: Annotated[Path | None, PATH, unset()] = None
    # I2, the second modality: a file if I1 is one, else a folder or a glob.
    i2: Annotated[Path | None, PATH, unset()] = None
    # Patterns of the file names of I1 and I2, in two folders or one: {} stands for the name of the
    # scene, which also names the result.
    pattern: Annotated[Patterns | None, PATTERN, unset()] = None
    # CSV file with the columns i1, i2 and, optionally, name, instead of --i1 and --i2.
    pairs: Annotated[Path | None, FILE, unset()] = None

    @property
    def complete(self) -> bool:
        """Whether the flags name a source of images.

        Raises:
            InputError: they name more than one, or half of one.
        """
        given = (self.i1 is not None, self.i2 is not None)
        for path in (self.i1, self.i2):
            if path is not None and path.suffix.lower() == ".csv":
                raise InputError(f"{path} is a table; use --pairs {path} instead of --i1 and --i2")
        if self.pattern and not all(given):
            raise InputError("--pattern needs --i1 and --i2, which may be the same folder")
        if self.pairs and any(given):
            raise InputError("use either both --i1 and --i2, or --pairs")
        return self.pairs is not None or all(given)

    def find(self) -> "tuple[list[Pair], list[str]]":
        """Finds the pairs; also returns a line for each file without a partner."""
        from fnet_jax.pairs import match, table  # slow to import: after --help

        if self.pairs:
            return table.read(self.pairs)
        assert self.i1 is not None
        assert self.i2 is not None
        return match.match(self.i1, self.i2, patterns=self.pattern)


@dataclass(frozen=True, kw_only=True)
class Sources(Images):
    """Sources of pairs, including the samples; each field is a flag."""

    # Use the three synthetic pairs that come with the package.
    samples: bool = False

    def __post_init__(self) -> None:
        """Raises InputError unless the flags name exactly one source of images."""
        some = any(x is not None for x in (self.i1, self.i2, self.pairs, self.pattern))
        if some == self.samples or (not self.samples and not self.complete):
            raise InputError("use either both --i1 and --i2, or --samples, or --pairs")

    def find(self) -> "tuple[list[Pair], list[str]]":
        """Finds the pairs; also returns a line for each file without a partner."""
        if not self.samples:
            return super().find()
        from fnet_jax.pairs.match import SAMPLES, match  # slow to import: after --help

        return match(SAMPLES / "I1", SAMPLES / "I2")
