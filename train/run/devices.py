"""Runs a step on all devices: each has the whole state and its part of the batch."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from train.run.steps import State

AXIS = "devices"


@functools.lru_cache(maxsize=8)
def mapped(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """A function on all devices at once, each with its row of every argument.

    :data:`AXIS` is the mapped axis. Only this function depends on ``jax.pmap``. The same function
    and options (``donate_argnums`` of ``jax.jit``) return the same program. It maps arrays
    (local devices, …) to such arrays.
    """
    return jax.pmap(function, axis_name=AXIS, **options)


def spread(step: Callable[..., Any]) -> Callable[..., Any]:
    """The step on all devices; the state donates its memory to the next one."""
    return mapped(step, donate_argnums=0)


def replicate(state: State) -> State:
    """The state on every local device, laid out as a step of :func:`spread` returns it.

    ``flax.jax_utils.replicate`` has another layout, with which the second step would be recompiled.
    """
    devices = jax.local_device_count()
    rows = jax.tree.map(lambda x: np.broadcast_to(x, (devices, *np.shape(x))), state)
    return mapped(_itself)(rows)


def _itself(state: State) -> State:
    return state


def divide(images: np.ndarray) -> np.ndarray:
    """Splits a process's batch (N, …) over its devices, (devices, N / devices, …)."""
    devices = jax.local_device_count()
    return images.reshape(devices, len(images) // devices, *images.shape[1:])


def first(tree: Any) -> Any:
    """The values on the first local device of a replicated tree, as NumPy arrays."""
    return jax.tree.map(lambda x: np.asarray(x.addressable_shards[0].data)[0], tree)
