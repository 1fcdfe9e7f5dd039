"""The loss and the pictures of pairs that are kept out of training."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from fnet_jax.images.color import from_unit
from fnet_jax.sparse_coding.unrolled import Unrolled
from train.data.batches import unit
from train.run.steps import Loss, Metrics, Params

PAIRS_SHOWN = 4
PANELS = ("I1", "I2", "If", "u1", "u2", "c")
GAP = 4  # white pixels between panels


def center(pair: dict[str, Any], side: int) -> tuple[np.ndarray, np.ndarray]:
    """The central ``side``×``side`` pixels of I1 and I2 as a batch of one, in [0, 1]."""
    height, width = pair["I1"].shape
    y, x = (height - side) // 2, (width - side) // 2
    one, two = (unit(pair[name][y : y + side, x : x + side])[None] for name in ("I1", "I2"))
    return one, two


def validator(
    loss: Loss, fnet: Unrolled, pairs: Sequence[dict[str, Any]], *, crop: int
) -> Callable[..., tuple[Metrics, np.ndarray | None]]:
    """A function that measures parameters on the central ``crop``×``crop`` pixels of each pair.

    Returns:
        ``validate(params, picture=False)``, which returns the mean over the pairs of the loss and
        its terms, by names that start with ``validation_``, and a picture of the first pairs with a
        row each of I1, I2, If and the energies of u1, u2, c.
    """
    measure, look = _measure(loss), _look(fnet)

    def validate(params: Params, *, picture: bool = False) -> tuple[Metrics, np.ndarray | None]:
        crops = [center(pair, crop) for pair in pairs]
        values = [jax.device_get(measure(params, *images)) for images in crops]
        means = {f"validation_{n}": np.mean([v[n] for v in values]) for n in values[0]}
        if not picture:
            return means, None
        shown = [jax.device_get(look(params, *images)) for images in crops[:PAIRS_SHOWN]]
        return means, _grid(shown)

    return validate


@functools.lru_cache(maxsize=4)
def _measure(loss: Loss) -> Callable[..., Metrics]:
    """The loss and its terms of a batch, compiled once."""

    @jax.jit
    def measure(params: Params, I1: jax.Array, I2: jax.Array) -> Metrics:
        _, metrics = loss(params, I1, I2)
        return {n: v for n, v in metrics.items() if n == "loss" or n.startswith("loss/")}

    return measure


@functools.lru_cache(maxsize=4)
def _look(fnet: Unrolled) -> Callable[..., dict[str, jax.Array]]:
    """The panels of a pair, compiled once."""

    @jax.jit
    def look(params: Params, I1: jax.Array, I2: jax.Array) -> dict[str, jax.Array]:
        _, found = fnet.apply(params["fnet"], I1, I2)
        energies = {n: jax.numpy.linalg.norm(found[n][0], axis=-1) for n in ("u1", "u2", "c")}
        return {"I1": I1[0, ..., 0], "I2": I2[0, ..., 0], "If": found["If"][0, ..., 0]} | energies

    return look


def _grid(rows: list[dict[str, np.ndarray]]) -> np.ndarray:
    """A picture, uint8, with a row of six panels for each pair; u1, u2 and c share a scale."""
    lines = []
    for found in rows:
        energies = ("u1", "u2", "c")
        scale = max(float(np.quantile(found[name], 0.995)) for name in energies) or 1.0
        panels = [found[name] / (scale if name in energies else 1) for name in PANELS]
        lines.append(np.hstack([np.pad(p, GAP, constant_values=1) for p in panels]))
    picture = np.clip(np.nan_to_num(np.vstack(lines)), 0, 1)
    return from_unit(picture, np.dtype(np.uint8))
