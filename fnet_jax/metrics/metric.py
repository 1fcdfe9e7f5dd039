"""The description of a metric, and the check of its options."""

import functools
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ParamSpec

import numpy as np

from fnet_jax.errors import InputError

P = ParamSpec("P")


@dataclass(frozen=True)
class OneOf:
    """An option with a few allowed values."""

    values: tuple[str | bool, ...]

    def allows(self, value: Any) -> bool:
        """Whether the option can have that value."""
        return isinstance(value, str | bool | np.bool_) and value in self.values

    def __str__(self) -> str:
        return " or ".join(map(repr, self.values))


@dataclass(frozen=True)
class Positive:
    """An option that is a finite number above 0."""

    def allows(self, value: Any) -> bool:
        """Whether the option can have that value."""
        number = isinstance(value, int | float | np.integer | np.floating)
        # 1 / value is 0 for infinity, and for a whole number that is too large for a float.
        return number and not isinstance(value, bool) and value > 0 and 1 / value > 0

    def __str__(self) -> str:
        return "a finite number above 0"


@dataclass(frozen=True)
class Metric:
    """A metric: a function and its description.

    Attributes:
        name: its name in tables.
        title: meaning of the abbreviation.
        higher_is_better: the direction.
        formula: how it is computed.
        unit: its unit, which may depend on an option.
        range: its possible values.
        undefined: when it is NaN or infinite.
        source: the article that introduced it.
        options: the allowed values of each keyword option of the function, by name.
        function: of I1, I2 and If, each (H, W), with those options, which it checks.
    """

    name: str
    title: str
    higher_is_better: bool
    formula: str
    unit: str
    range: str
    undefined: str
    source: str
    options: Mapping[str, OneOf | Positive]
    function: Callable[..., float] = field(repr=False)

    @property
    def arrow(self) -> str:
        """↑ if more is better, ↓ if less is."""
        return "↑" if self.higher_is_better else "↓"

    def check(self, chosen: Mapping[str, Any]) -> None:
        """Raises InputError if an option has a value that is not allowed."""
        for name, option in self.options.items():
            if name in chosen and not option.allows(chosen[name]):
                value = " ".join(reprlib.repr(chosen[name]).split())
                raise InputError(f"{self.name}: {name} is {value}; use {option}")


_DESCRIBED: dict[Callable[..., float], Metric] = {}


def metric(
    name: str, *, options: Mapping[str, OneOf | Positive] | None = None, **stated: Any
) -> Callable[[Callable[P, float]], Callable[P, float]]:
    """Describes a function as a :class:`Metric` and makes it check its options.

    Args:
        name: name of the metric.
        options: as in :class:`Metric`; None if the function has none.
        **stated: the other attributes of :class:`Metric`.
    """

    def describe(function: Callable[P, float]) -> Callable[P, float]:
        @functools.wraps(function)
        def checked(*images: P.args, **chosen: P.kwargs) -> float:
            about.check(chosen)
            return function(*images, **chosen)

        about = Metric(name=name, options=options or {}, function=checked, **stated)
        _DESCRIBED[checked] = about
        return checked

    return describe


def described(function: Callable[..., float]) -> Metric:
    """The description of a function that :func:`metric` decorates."""
    return _DESCRIBED[function]
