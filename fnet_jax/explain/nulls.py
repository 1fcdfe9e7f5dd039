"""How many values the thresholds make null, and their effect on the others (Sec. IV-E, Fig. 10).

The sigmoidal threshold (eq. 6) makes small values but no zeros, so a value counts as null if its
magnitude is below some ε. The paper reads the nulls off the peak of a histogram at 0 and does not
state its bin width. A thousand bins from 0 to the largest magnitude of the block reproduce its
numbers within 7 % on one of its images (``docs/explain.md``); this is the ε of :func:`epsilon`.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

PART = 1000  # a value below this part of the largest magnitude is null
BINS = 200
NEAR, NEAR_BINS = 4, 60  # end of the enlarged histogram in units of θ, and number of its bins
GATE = 5  # its end is at least this many widths 1/γ beyond θ, where the sigmoid is 0.993


class Histogram(NamedTuple):
    """Numbers of magnitudes per bin before and after one threshold.

    Attributes:
        edges: shape (bins + 1,), from 0.
        before: shape (bins,).
        after: shape (bins,).
    """

    edges: np.ndarray
    before: np.ndarray
    after: np.ndarray


def epsilon(code: np.ndarray) -> float:
    """A thousandth of the largest magnitude; the smallest normal number if all values are zero."""
    return float(np.abs(code).max()) / PART or float(np.finfo(np.float32).tiny)


def count(values: Iterable[np.ndarray], epsilon: float) -> np.ndarray:
    """Number of values of magnitude below ``epsilon`` > 0 in each array; integers, (arrays,)."""
    return np.array([np.count_nonzero(np.abs(array) < epsilon) for array in values], np.int64)


def increase(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Increase of the nulls by a threshold in percent, ``100 (after − before) / before``.

    NaN where there were none before.
    """
    before, after = np.asarray(before, np.float64), np.asarray(after, np.float64)
    return 100 * (after - before) / np.where(before > 0, before, np.nan)


def near(theta: float, *, gamma: float | None) -> float:
    """Where the enlarged histogram ends: at 4θ, or beyond the sigmoid of width 1/γ if that is more.

    ``gamma`` is None for thresholds without a transition.
    """
    return max(NEAR * theta, theta + GATE / gamma if gamma else 0.0)


def histogram(
    before: np.ndarray, after: np.ndarray, *, bins: int = BINS, upper: float | None = None
) -> Histogram:
    """Histograms of the magnitudes of one map before and after its threshold.

    Bins have equal width and end at ``upper``, beyond which magnitudes are dropped; None is the
    largest magnitude.
    """
    before, after = np.abs(before), np.abs(after)
    upper = upper or max(float(before.max()), float(after.max())) or 1.0
    counts = [np.histogram(x, bins, range=(0.0, upper))[0] for x in (before, after)]
    return Histogram(np.linspace(0, upper, bins + 1), *counts)
