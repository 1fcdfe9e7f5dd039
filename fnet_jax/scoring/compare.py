"""Comparison of methods: means with intervals, tests between methods, and the best ones.

Arrays are (methods, images, metrics) and parts of it, in the order of
:class:`~fnet_jax.scoring.run.Scores`.
"""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from fnet_jax.artifacts.words import counted, listed
from fnet_jax.metrics import METRICS
from fnet_jax.scoring.run import Scores

CONFIDENCE = 0.95
SIGNIFICANT = 0.05
FEWEST_FOR_INTERVAL = 3
FEWEST_FOR_TEST = 6  # the smallest two-sided p of n images is 2 / 2ⁿ: 0.063 of 5, 0.031 of 6
MOST_FOR_PERMUTATIONS = 13
BATCH = 4_000_000  # values resampled at once: 32 MB


@dataclass(frozen=True)
class Comparison:
    """What the values of methods on the same images show.

    Attributes:
        means: float64 array (methods, metrics), over the images where the metric is defined for the
            method; NaN where there are none, infinite where a value is.
        counts: number of those images, int array (methods, metrics).
        intervals: float64 array (methods, metrics, 2), ends of the mean's 95 % interval; NaN for
            fewer than 3 images, or where a value is infinite.
        shared: number of images where both methods have a value, int array (methods, methods,
            metrics), symmetric.
        raw_p: two-sided p of the paired tests, float64 array (methods, methods, metrics),
            symmetric; NaN between a method and itself, and for fewer than 6 images.
        p: ``raw_p`` with Holm's correction over the pairs of methods within each metric.
        marks: ``"best"``, ``"second"`` or ``""``, array of str (methods, metrics).
        notes: remarks for the reader, a sentence each.
        how: how intervals and tests were computed, and what they mean.
    """

    means: np.ndarray
    counts: np.ndarray
    intervals: np.ndarray
    shared: np.ndarray
    raw_p: np.ndarray
    p: np.ndarray
    marks: np.ndarray
    notes: tuple[str, ...]
    how: str


def compare(scores: Scores, *, n_resamples: int = 9999, seed: int = 0) -> Comparison:
    """Compares methods in each metric.

    Means that are equal as printed share a mark. The second is the next mean as printed. The best
    is marked where at least two methods have a mean, the second where at least three have.

    Args:
        scores: values of at least one method on at least one image.
        n_resamples: number of resamples of the bootstrap.
        seed: seed of the bootstrap; equal seeds give equal intervals.
    """
    values = scores.values
    defined = ~np.isnan(values)
    counts = defined.sum(axis=1)
    with np.errstate(invalid="ignore"):  # 0 / 0 of no images, ∞ − ∞
        means = np.where(defined, values, 0).sum(axis=1) / counts
    higher = [METRICS[name].higher_is_better for name in scores.metrics]
    ranked = np.where(higher, -means, means)  # less is better
    intervals = _intervals(values, n_resamples, seed)
    raw_p, shared = _tests(values)
    p = _holm(raw_p)
    how = (
        f"Intervals: {CONFIDENCE:.0%}".replace("%", " %")
        + f", bootstrap over the images (BCa, or percentiles where that is"
        f" undefined; {n_resamples} resamples, seed {seed})."
    )
    if len(scores.methods) > 1:
        how += (
            " Tests: Wilcoxon's signed-rank test, paired and two-sided, on the images that both"
            " methods have, with Holm's correction over the pairs of methods in each metric. Two"
            f" methods do not differ if these images show no difference (p ≥ {SIGNIFICANT}); that"
            " does not prove that there is none."
        )
    notes = [
        *_missing(scores),
        *_undefined(scores),
        *_without_interval(counts, intervals),
        *_untested(scores, shared),
        *_alike(scores, ranked, p),
    ]
    marks = _marks(ranked)
    return Comparison(means, counts, intervals, shared, raw_p, p, marks, tuple(notes), how)


def digits(value: float) -> str:
    """A value as tables print it: 3 decimals below 10, 2 below 1000, else 1; – if undefined."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    text = f"{value:.1f}"
    for decimals, limit in ((2, 1000), (3, 10)):
        shorter = f"{value:.{decimals}f}"
        if abs(float(shorter)) < limit:
            text = shorter
    return text if float(text) else text.lstrip("-")


def p_value(p: float) -> str:
    """A p-value as text, such as ``p = 0.31`` or ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def _intervals(values: np.ndarray, n_resamples: int, seed: int) -> np.ndarray:
    """Intervals of the means over axis 1: (methods, images, metrics) → (methods, metrics, 2)."""
    series = values.swapaxes(1, 2)
    defined = ~np.isnan(series)
    counts = np.where(np.isinf(series).any(axis=-1), 0, defined.sum(axis=-1))
    intervals = np.full((*counts.shape, 2), np.nan)
    for count in np.unique(counts[counts >= FEWEST_FOR_INTERVAL]):
        which = counts == count
        data = series[which][defined[which]].reshape(-1, count)
        intervals[which] = _bootstrap(data, n_resamples, seed)
    return intervals


def _bootstrap(data: np.ndarray, n_resamples: int, seed: int) -> np.ndarray:
    """Intervals of the means of each row: (series, images) → (series, 2)."""
    batch = max(1, min(n_resamples, BATCH // data.size))
    ends = {}
    # BCa is undefined, with a warning, where all values of a series are equal, or so skewed that no
    # resample's mean is above (or below) the mean. Percentiles are used there.
    with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
        result = None
        for method in ("BCa", "percentile"):
            result = stats.bootstrap(
                (data,),
                np.mean,
                axis=-1,
                n_resamples=0 if result else n_resamples,
                batch=batch,
                confidence_level=CONFIDENCE,
                method=method,
                bootstrap_result=result,
                rng=np.random.default_rng(seed),
            )
            ends[method] = np.stack(result.confidence_interval, axis=-1)
    usable = np.isfinite(ends["BCa"]).all(axis=-1, keepdims=True)
    return np.where(usable, ends["BCa"], ends["percentile"])


def _tests(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two-sided p between methods, and the number of images: both (methods, methods, metrics)."""
    methods, _, metrics = values.shape
    p = np.full((methods, methods, metrics), np.nan)
    defined = ~np.isnan(values)
    shared = np.einsum("aik,bik->abk", defined.astype(int), defined.astype(int))
    for a, b in combinations(range(methods), 2):
        for k in range(metrics):
            if shared[a, b, k] >= FEWEST_FOR_TEST:
                both = defined[a, :, k] & defined[b, :, k]
                p[a, b, k] = p[b, a, k] = _wilcoxon(values[a, both, k], values[b, both, k])
    return p, shared


def _wilcoxon(one: np.ndarray, two: np.ndarray) -> float:
    # Equal values do not favor either method (Wilcoxon); ∞ equals ∞.
    unequal = one != two
    if not unequal.any():
        return 1.0
    differences = one[unequal] - two[unequal]
    # By default, SciPy tries all permutations of up to 13 differences if two are equal, which takes
    # up to a second; the distribution without ties gives nearly the same p in a millisecond.
    method = "exact" if len(differences) <= MOST_FOR_PERMUTATIONS else "auto"
    with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
        return float(stats.wilcoxon(differences, method=method).pvalue)


def _holm(p: np.ndarray) -> np.ndarray:
    """Holm's correction over the pairs of methods: (methods, methods, metrics), ignoring NaN."""
    corrected = np.full_like(p, np.nan)
    for k in range(p.shape[2]):
        pairs = [(a, b) for a, b in combinations(range(len(p)), 2) if not np.isnan(p[a, b, k])]
        largest = 0.0
        for done, (a, b) in enumerate(sorted(pairs, key=lambda pair: p[*pair, k])):
            largest = max(largest, min(1.0, (len(pairs) - done) * p[a, b, k]))
            corrected[a, b, k] = corrected[b, a, k] = largest
    return corrected


def _marks(ranked: np.ndarray) -> np.ndarray:
    """Marks of best and second means, less being better: (methods, metrics), as printed."""
    marks = np.full(ranked.shape, "", dtype="<U6")
    for k, column in enumerate(ranked.T):
        printed = np.array([digits(mean) for mean in column])
        left = ~np.isnan(column)
        there = int(left.sum())
        for mark, fewest in (("best", 2), ("second", 3)):
            if there >= fewest and left.any():
                first = left & (printed == printed[left][np.argmin(column[left])])
                marks[first, k] = mark
                left &= ~first
    return marks


def _missing(scores: Scores) -> Iterator[str]:
    lacking = np.isnan(scores.values).all(axis=2)
    for method, of_method in zip(scores.methods, lacking, strict=True):
        if of_method.any():
            names = [name for name, lacks in zip(scores.images, of_method, strict=True) if lacks]
            shown = ", ".join(names[:3] + ["…"] * (len(names) > 3))
            total = counted(len(scores.images), "image")
            yield f"{method} has no values for {len(names)} of {total} ({shown})"
    if (lacking != lacking[0]).any():
        yield "Means cover different images; tests cover the images that both methods have"


def _undefined(scores: Scores) -> Iterator[str]:
    there = ~np.isnan(scores.values).all(axis=2)
    for k, name in enumerate(scores.metrics):
        of_metric = scores.values[..., k]
        for word, found in (
            ("undefined", np.isnan(of_metric) & there),
            ("infinite", np.isinf(of_metric)),
        ):
            if not found.any():
                continue
            parts = [
                f"{counted(count, 'image')} of {method}"
                for method, count in zip(scores.methods, found.sum(axis=1).tolist(), strict=True)
                if count
            ]
            note = f"{name}: {word} for {listed(parts, last='and')}"
            if word == "infinite":
                note += ", and so is the mean"
            elif (found != found[0]).any():
                note += "; means cover different images"
            yield f"{note}: {METRICS[name].undefined}"


def _without_interval(counts: np.ndarray, intervals: np.ndarray) -> Iterator[str]:
    if (np.isnan(intervals[..., 0]) & (counts > 0)).any():
        few = f"fewer than {FEWEST_FOR_INTERVAL} images or of infinite values"
        yield f"Means of {few} have no interval"


def _untested(scores: Scores, shared: np.ndarray) -> Iterator[str]:
    pairs = list(combinations(range(len(scores.methods)), 2))
    metrics: dict[str, list[str]] = {}
    for k, name in enumerate(scores.metrics):
        few = [pair for pair in pairs if shared[*pair, k] < FEWEST_FOR_TEST]
        named = listed(
            (f"{scores.methods[a]} with {scores.methods[b]}" for a, b in few), last="and"
        )
        if few:
            metrics.setdefault("" if len(few) == len(pairs) else named, []).append(name)
    for named, names in metrics.items():
        where = "All metrics" if len(names) == len(scores.metrics) else ", ".join(names)
        what = f"no test compares {named}" if named else "no test compares the methods"
        yield f"{where}: {what} (with fewer than {FEWEST_FOR_TEST} images, p cannot be below 0.05)"


def _alike(scores: Scores, ranked: np.ndarray, p: np.ndarray) -> Iterator[str]:
    for k, name in enumerate(scores.metrics):
        if np.isnan(ranked[:, k]).all():
            continue
        best = int(np.nanargmin(ranked[:, k]))
        others = [
            (method, p_value(p[best, b, k]))
            for b, method in enumerate(scores.methods)
            if p[best, b, k] >= SIGNIFICANT
        ]
        if len(others) == 1:
            ((other, found),) = others
            yield f"{name}: {scores.methods[best]} and {other} do not differ (Wilcoxon, {found})"
        elif others:
            named = listed((f"{other} ({found})" for other, found in others), last="and")
            yield f"{name}: {scores.methods[best]} does not differ from {named} by Wilcoxon's test"
