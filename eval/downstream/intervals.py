"""The scores of trained models with intervals over seeds and test images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

RESAMPLES = 1000
CONFIDENCE = 0.95


class Scored(Protocol):
    """The predictions of one model for all test images, compared with the truth."""

    @property
    def images(self) -> int:
        """Number of test images."""

    def values(self, counts: np.ndarray | None = None) -> np.ndarray:
        """The score of each class, float64 (classes,); NaN if the truth has none of it.

        ``counts`` is how often each test image counts, int (images,); None for once.
        """

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that :meth:`values` needs, by name, to be stored in a file."""


@dataclass(frozen=True)
class Summary:
    """Scores of methods; the last column is the mean over the classes.

    Attributes:
        methods: their names.
        values: float64 (methods, classes + 1), means over the seeds.
        intervals: float64 (methods, classes + 1, 2), 95 % intervals, over images and seeds.
        seeds: number of models of each method.
        against: the method that differences refer to.
        differences: float64 (methods, classes + 1, 2), 95 % intervals of the difference to
            ``against``, on the same images.
    """

    methods: tuple[str, ...]
    values: np.ndarray
    intervals: np.ndarray
    seeds: tuple[int, ...]
    against: str
    differences: np.ndarray


def with_mean(values: np.ndarray) -> np.ndarray:
    """Adds the mean over the classes that have a score, (…, classes) → (…, classes + 1)."""
    defined = ~np.isnan(values)
    total, count = np.where(defined, values, 0).sum(-1), defined.sum(-1)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return np.concatenate([values, mean[..., None]], axis=-1)


def summary(
    scored: Mapping[str, Sequence[Scored]],
    *,
    against: str,
    same_models: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Summary:
    """Means over seeds, with intervals of a bootstrap over images and seeds.

    The same images are drawn for all methods, so that images that are difficult for all cancel in
    the differences. With one seed the intervals are over images only.

    Args:
        scored: the models of each method, one for each seed.
        against: a method of ``scored``.
        same_models: whether all methods have the same models, applied to other images; the same
            seeds are then drawn for all.
        resamples: number of draws.
        seed: seed of the draws.
    """
    dice = np.random.default_rng(seed)
    methods = tuple(scored)
    images = scored[methods[0]][0].images
    values = np.stack([_mean([with_mean(x.values()) for x in scored[m]]) for m in methods])
    drawn = []
    for _ in range(resamples):
        counts = np.bincount(dice.integers(0, images, images), minlength=images)
        row, seeds = [], np.empty(0, int)
        for method in methods:
            models = scored[method]
            if not (same_models and len(seeds)):
                seeds = dice.integers(0, len(models), len(models))
            found = {s: with_mean(models[s].values(counts)) for s in set(seeds.tolist())}
            row.append(_mean([found[s] for s in seeds.tolist()]))
        drawn.append(np.stack(row))
    samples = np.stack(drawn)  # (resamples, methods, classes + 1)
    base = samples[:, [methods.index(against)]]
    return Summary(
        methods=methods,
        values=values,
        intervals=_interval(samples),
        seeds=tuple(len(scored[method]) for method in methods),
        against=against,
        differences=_interval(samples - base),
    )


def _mean(values: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of the defined values."""
    stacked = np.stack(values)
    defined = ~np.isnan(stacked)
    count = defined.sum(0)
    return np.where(count > 0, np.where(defined, stacked, 0).sum(0) / np.maximum(count, 1), np.nan)


def _interval(samples: np.ndarray) -> np.ndarray:
    """The middle 95 % of samples on axis 0, (…, 2); NaN if fewer than half are defined."""
    ends = (1 - CONFIDENCE) / 2 * 100, (1 + CONFIDENCE) / 2 * 100
    flat = samples.reshape(len(samples), -1)
    found = np.full((flat.shape[1], 2), np.nan)
    for column, values in enumerate(flat.T):
        defined = values[~np.isnan(values)]
        if len(defined) >= len(values) / 2:
            found[column] = np.percentile(defined, ends)
    return found.reshape(*samples.shape[1:], 2)
