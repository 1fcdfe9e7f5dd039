"""Which values of deep images are black and white: one explicit rule for all commands.

Images of 8 bits always use their whole range. For deeper images and floats, the rule is one of

``type``
    0 to the white of the stored bits, floats 0 to 1; for temperatures, which have neither, the same
    as ``folder``;
``LOW,HIGH``
    these values, in the unit of the file;
``folder``
    one range for all images of a side of the job, from robust percentiles of their values;
``image``
    each image by its own percentiles, which invents hot spots in cold scenes.

The default is ``type``, or ``folder`` if the images fill a small part of their range, as raw counts
of thermal cameras do, or if their values have a unit.
"""

import math
from dataclasses import dataclass, field

TYPE, FOLDER, IMAGE = "type", "folder", "image"


@dataclass(frozen=True)
class Range:
    """The values that are black and white, in the file's unit; ``unit`` is for display only."""

    low: float
    high: float
    unit: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.low:g}…{self.high:g}{self.unit and ' '}{self.unit}"


@dataclass(frozen=True)
class ByUnit:
    """A rule per unit, for jobs whose files differ in unit, such as °C and counts of a camera."""

    rules: tuple[tuple[str, "str | Range"], ...]

    def of(self, unit: str) -> "str | Range":
        """The rule for images of this unit."""
        return dict(self.rules).get(unit, TYPE)

    def __str__(self) -> str:
        return ", ".join(f"{unit}: {rule}" for unit, rule in self.rules)


Rule = str | Range | ByUnit
"""``"type"``, ``"folder"``, ``"image"``, a :class:`Range`, or a rule for each unit."""


def text_of(rule: "Rule") -> str:
    """The text from which :func:`rule_of` makes the same rule."""
    return f"{rule.low!r},{rule.high!r}" if isinstance(rule, Range) else str(rule)


def rule_of(text: str) -> Rule:
    """Parses a rule such as ``folder`` or ``20,35.5``; raises ValueError."""
    if text in (TYPE, FOLDER, IMAGE):
        return text
    parts = text.split(",")
    try:
        low, high = map(float, parts)
    except ValueError:
        raise ValueError(
            f"{text!r} is neither type, folder, image nor two numbers LOW,HIGH"
        ) from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"{text!r} is not a range; LOW must be below HIGH")
    return Range(low, high)
