"""A step on all devices: each has the whole state and its part of the batch."""

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

    The devices know each other as :data:`AXIS`. This is all that depends on ``jax.pmap``. The same
    function gives the same program again.

    Args:
        function: of arrays without the axis of devices.
        options: ``donate_argnums``, as of ``jax.jit``.

    Returns:
        The function of arrays (local devices, …), whose results are such arrays.
    """
    return jax.pmap(function, axis_name=AXIS, **options)


def spread(step: Callable[..., Any]) -> Callable[..., Any]:
    """The step on all devices, in which the state gives its memory to the next one."""
    return mapped(step, donate_argnums=0)


def replicate(state: State) -> State:
    """The state on every local device, laid out as a step of :func:`spread` returns it.

    ``flax.jax_utils.replicate`` lays it out differently: the second step would be compiled again.
    """
    devices = jax.local_device_count()
    rows = jax.tree.map(lambda x: np.broadcast_to(x, (devices, *np.shape(x))), state)
    return mapped(_itself)(rows)


def _itself(state: State) -> State:
    return state


def divide(images: np.ndarray) -> np.ndarray:
    """A process's batch (N, …) as one part for each of its devices, (devices, N / devices, …)."""
    devices = jax.local_device_count()
    return images.reshape(devices, len(images) // devices, *images.shape[1:])


def first(tree: Any) -> Any:
    """The values on the first local device of a replicated tree, as NumPy arrays."""
    return jax.tree.map(lambda x: np.asarray(x.addressable_shards[0].data)[0], tree)
