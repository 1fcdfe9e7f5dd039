"""Applies a rule of :mod:`fnet_jax.images.range_rules` to deep images."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fnet_jax.images.frame import LEVELS, ROUNDING, Frame, full_range
from fnet_jax.images.range_rules import FOLDER, TYPE, ByUnit, Range, Rule

SMALL = 0.25  # images that fill less than this part of their range would look flat
PERCENTILES = 0.1, 99.9  # insensitive to a few dead pixels
GOLDEN = (5**0.5 - 1) / 2
SAMPLES = 16_384  # values per image that are examined, evenly spread


def is_deep(frame: Frame) -> bool:
    """Whether rules apply to an image: it has more than 8 bits, or floats."""
    return frame.pixels.dtype != np.uint8 and frame.white != 255


def within(frame: Frame, black_and_white: Range) -> np.ndarray:
    """The pixels clipped to a range whose ends become black and white.

    Integers become uint16, floats become float32 in [0, 1].

    Raises:
        ValueError: values are not finite.
    """
    pixels = frame.pixels
    if np.issubdtype(pixels.dtype, np.floating) and not np.isfinite(pixels).all():
        raise ValueError("contains NaN or infinity; replace those values")
    low, high = black_and_white.low, black_and_white.high
    # In place, to save memory; float32 holds 16 bits.
    exact = np.dtype(np.float32 if pixels.dtype.itemsize <= 2 else np.float64)
    unit: np.ndarray = pixels.astype(exact)
    unit -= low
    unit /= high - low
    np.clip(unit, 0, 1, out=unit)
    if np.issubdtype(pixels.dtype, np.integer):
        unit *= 65535
        np.rint(unit, out=unit)
        return unit.astype(np.uint16)
    return unit.astype(np.float32, copy=False)


def samples(frame: Frame) -> np.ndarray:
    """The finite ones among at most ``SAMPLES`` evenly spread values of an image.

    Steps of the golden ratio visit every row and column, whatever the width.
    """
    values = frame.pixels.reshape(-1)
    if values.size > SAMPLES:
        values = values[(np.arange(SAMPLES) * GOLDEN % 1 * values.size).astype(np.int64)]
    values = values.astype(np.float64)
    return values[np.isfinite(values)]


def robust(values: Iterable[np.ndarray], *, unit: str = "") -> Range:
    """The range of the percentiles of all values; widened by one if they are all equal."""
    pooled = np.concatenate([*values, np.empty(0)])
    if not pooled.size:
        return Range(0.0, 1.0, unit)
    low, high = map(float, np.percentile(pooled, PERCENTILES))
    return Range(low, high if high > low else low + 1, unit)


def range_of_job(
    frames: Iterable[tuple[Path, Frame]],
    rule: Rule | None,
    *,
    report: Callable[[str], None],
) -> Rule:
    """The rule for the deep images of one side of a job, with ``folder`` resolved to a range.

    ``rule`` None is the default; ``report`` gets a line about each unit for which that is not
    ``type``. The result is ``"type"``, ``"image"``, a range, or one of these for each unit.
    """
    if rule is not None and rule not in (FOLDER, TYPE):
        return rule if any(True for _ in frames) else TYPE
    looks: dict[str, list[_Look]] = {}
    for path, frame in frames:
        looks.setdefault(frame.unit, []).append(_look(path, frame))
    chosen = {unit: _chosen(unit, found, rule, report) for unit, found in looks.items()}
    if len(set(chosen.values())) > 1:
        return ByUnit(tuple(sorted(chosen.items())))
    return next(iter(chosen.values()), TYPE)


class _Look(NamedTuple):
    """What a job's range is chosen from: sampled values of an image and how they fill its range."""

    path: Path
    values: np.ndarray
    filled: float  # fraction of the range of the file's type
    outside: bool  # floats that are not levels
    bounded: bool


def _look(path: Path, frame: Frame) -> _Look:
    values = samples(frame)
    own = robust([values])
    outside = bool(
        np.issubdtype(frame.pixels.dtype, np.floating)
        and (own.low < frame.black - ROUNDING or own.high > frame.white + ROUNDING)
    )
    span = max(frame.white - frame.black, 1e-30)
    return _Look(path, values, (own.high - own.low) / span, outside, frame.bounded)


def _chosen(
    unit: str, looks: list[_Look], rule: Rule | None, report: Callable[[str], None]
) -> str | Range:
    """The range of the images of one unit, or ``type`` for levels that fill their range."""
    bounded = all(look.bounded for look in looks)
    if rule == TYPE and bounded:
        return TYPE
    measured = not bounded or any(look.outside for look in looks)
    if rule is None and not measured and max(look.filled for look in looks) >= SMALL:
        return TYPE
    found = robust((look.values for look in looks), unit="" if unit == LEVELS else unit)
    if rule != FOLDER:
        others = f" and {len(looks) - 1} more" if len(looks) > 1 else ""
        what = "contains measured values" if measured else "fills a small part of its range"
        another = "type or LOW,HIGH" if bounded else "LOW,HIGH"
        report(
            f"{looks[0].path}{others}: {what}; {found} is mapped to black…white (--range folder; "
            f"use --range {another} to change it)"
        )
    return found


def ranged(frame: Frame, rule: Rule) -> np.ndarray:
    """The pixels by a rule: uint8, uint16, or floats in [0, 1].

    For a single image, ``folder`` is the same as ``image``.

    Raises:
        ValueError: as :func:`within` and :func:`fnet_jax.images.frame.full_range`.
    """
    if isinstance(rule, ByUnit):
        rule = rule.of(frame.unit)
    if rule == TYPE or not is_deep(frame):
        return full_range(frame)
    return within(frame, rule if isinstance(rule, Range) else robust([samples(frame)]))


def misses(frame: Frame, rule: Rule) -> str | None:
    """A warning if a deep image lies outside the range of a job, else None."""
    if isinstance(rule, ByUnit):
        rule = rule.of(frame.unit)
    if not isinstance(rule, Range) or not is_deep(frame):
        return None
    own = robust([samples(frame)])
    if own.high > rule.low and own.low < rule.high:
        return None
    unit = "" if frame.unit == LEVELS else f" {frame.unit}"
    return f"all values ({own}{unit}) lie outside the range {rule}; the image becomes uniform"
