"""Patterns of file names: ``{}D.png`` and ``{}N.png``, where ``{}`` stands for the scene."""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePath

from fnet_jax.errors import InputError
from fnet_jax.images.folders import READ


@dataclass(frozen=True)
class Pattern:
    """How the files of one modality are named.

    Attributes:
        text: a file name with one ``{}`` for the name of the scene. Without an image suffix, it
            matches all of them. Case is ignored if the result is unambiguous.
    """

    text: str

    def __post_init__(self) -> None:
        """Raises InputError unless the text has exactly one ``{}`` and no folder."""
        if self.text.count("{}") != 1 or "/" in self.text:
            raise InputError(
                f"{self.text!r} is not a pattern; use a file name with one {{}} for the name of "
                f"the scene, such as {{}}_T.JPG"
            )

    def scene(self, name: str) -> str | None:
        """What ``{}`` stands for in a file name; None if the name does not match."""
        found = self._match(name, re.IGNORECASE)
        return found[1] if found else None

    def fit(self, name: str) -> tuple[int, bool]:
        """How well a name matches: the number of letters, and whether their case matches too."""
        if self.scene(name) is None:
            return 0, False
        return len(self.text), self._match(name, re.NOFLAG) is not None

    def filled(self, scene: str) -> str:
        """The file name of a scene; with ``.*`` if any suffix is allowed."""
        return self.text.replace("{}", scene) + ("" if self._whole else ".*")

    @property
    def _whole(self) -> bool:
        """Whether the pattern has an image suffix."""
        return PurePath(self.text).suffix.lower() in READ

    def _match(self, name: str, flags: re.RegexFlag) -> re.Match[str] | None:
        before, after = unicodedata.normalize("NFC", self.text).split("{}")
        known = "" if self._whole else f"(?:{'|'.join(map(re.escape, READ))})"
        wanted = f"{re.escape(before)}(.+){re.escape(after)}"
        name = unicodedata.normalize("NFC", name)
        return re.fullmatch(f"{wanted}(?i:{known})", name, flags | re.DOTALL)


@dataclass(frozen=True)
class Patterns:
    """The patterns of I1 and of I2, which may lie in one folder.

    Attributes:
        i1: pattern of I1.
        i2: pattern of I2.
    """

    i1: Pattern
    i2: Pattern

    @classmethod
    def of(cls, i1: str, i2: str) -> "Patterns":
        """Makes the patterns from two texts; raises InputError."""
        return cls(Pattern(i1), Pattern(i2))

    def __getitem__(self, side: int) -> Pattern:
        return (self.i1, self.i2)[side]

    def scene(self, side: int, name: str) -> str | None:
        """The scene of a file name of I1 (0) or I2 (1); None if it does not match.

        A name that matches both patterns belongs to the closer one: ``1_T.jpg`` to ``{}_T.jpg``
        rather than to ``{}.jpg``.
        """
        if self[side].fit(name) < self[1 - side].fit(name):
            return None
        return self[side].scene(name)
