"""Decides whether an image is computed whole or in tiles, by memory and the user's settings."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax

from fnet_jax.fusing import tiles
from fnet_jax.fusing.costs import COSTS, Costs
from fnet_jax.fusing.shapes import Size, area, round_up
from fnet_jax.networks.fnet import FNet
from fnet_jax.runtime import memory
from fnet_jax.runtime.engines import XLA

BUDGET = 1.6e9  # bytes; on a CPU, larger images are fused in tiles that need at most this
SHARE = 0.8  # of the free memory that an image may need before it is tiled


@dataclass(frozen=True)
class Plan:
    """How an image is computed.

    Attributes:
        shape: (height, width) of the array for the image, or for each of its tiles.
        tile: (height, width) of its tiles, or None if it is computed whole.
        bytes: approximate memory of the computation.
    """

    shape: Size
    tile: Size | None
    bytes: int


class Limits(NamedTuple):
    """Memory limits of a device in bytes; infinite if unknown.

    ``free`` can be allocated; an image that needs more than ``whole`` is tiled.
    """

    free: float
    whole: float


def limits(device: jax.Device) -> Limits:
    """Queries the memory of a device, or of the system for a CPU."""
    available = memory.available(device)
    free = math.inf if available is None else available
    return Limits(free, min(SHARE * free, BUDGET if device.platform == "cpu" else math.inf))


def cut(
    size: Size, network: FNet, limits: Limits, *, side: int | None = None, engine: str = XLA
) -> Size | None:
    """The (height, width) of the tiles of an image of ``size``; None to fuse it whole.

    ``side`` is the largest height and width of tiles and of images fused whole; None to decide by
    memory.
    """
    if side:
        return tiles.cut(size, network, side=side) if max(size) > side else None
    if area(round_up(size)) <= whole_pixels(network, limits, engine):
        return None
    costs = COSTS[engine]
    return tiles.cut(size, network, pixels=limits.whole / _bytes(network, costs.tile, costs))


def whole_pixels(network: FNet, limits: Limits, engine: str) -> float:
    """The largest number of pixels of an array that is fused whole."""
    costs = COSTS[engine]
    return limits.whole / _bytes(network, costs.whole, costs)


def to_fuse(
    size: Size,
    network: FNet,
    limits: Limits,
    *,
    side: int | None = None,
    choose: Callable[[Size], Size] = round_up,
    engine: str = XLA,
) -> Plan:
    """Plans how to fuse an image; arguments are as for :func:`cut`.

    ``choose`` gives the array shape for an image that is fused whole.

    Raises:
        MemoryError: there is not enough free memory.
    """
    tile, costs = cut(size, network, limits, side=side, engine=engine), COSTS[engine]
    shape = tiles.shape_of(tile, size, network) if tile else choose(size)
    each = _bytes(network, costs.tile if tile else costs.whole, costs)
    return _checked(Plan(shape, tile, math.ceil(each * area(shape))), size, limits)


def to_decompose(size: Size, network: FNet, limits: Limits) -> Plan:
    """Plans how to compute an image of (height, width) ``size`` whole by XLA, with every iterate.

    Raises:
        MemoryError: there is not enough free memory.
    """
    shape, returned = round_up(size), 3 * 2 * (network.iterations + 1)
    each = _bytes(network, COSTS[XLA].whole + returned, COSTS[XLA])
    return _checked(Plan(shape, None, math.ceil(each * area(shape))), size, limits)


def _bytes(network: FNet, maps: float, costs: Costs) -> float:
    """Bytes per pixel."""
    return 4 * (maps * network.features + costs.images) + costs.beside


def _checked(plan: Plan, size: Size, limits: Limits) -> Plan:
    """The plan; raises MemoryError where the system would kill the process."""
    if plan.bytes > limits.free:
        raise MemoryError(
            f"{size[1]}×{size[0]} pixels need about {plan.bytes / 1e9:.1f} GB of memory, but "
            f"only {limits.free / 1e9:.1f} GB are free"
        )
    return plan
