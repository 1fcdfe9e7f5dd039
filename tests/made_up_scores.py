"""Scores and comparisons of made-up numbers."""

import numpy as np

from fnet_jax.scoring.compare import compare
from fnet_jax.scoring.run import Scores

RESAMPLES = 500  # enough for intervals of tests, and quick


NAN, INF = float("nan"), float("inf")


def scored(values, *, metrics=("MI", "CE"), methods=None):
    """Scores of an array (methods, images, metrics)."""
    values = np.asarray(values, np.float64)
    methods = methods or tuple("ABCDEFGHIJKL"[: values.shape[0]])
    names = tuple(f"{j:02d}" for j in range(values.shape[1]))
    return Scores("paper", tuple(metrics), tuple(methods), names, values)


def noisy(rng, means, *, images=20, metrics=("MI",), noise=0.1):
    """Methods whose values scatter about ``means``, on images that scatter more."""
    shape = (len(means), images, len(metrics))
    values = np.asarray(means)[:, None, None] + noise * rng.normal(size=shape)
    return scored(values + rng.normal(size=(1, *shape[1:])), metrics=metrics)


def compared(scores):
    return compare(scores, n_resamples=RESAMPLES)
