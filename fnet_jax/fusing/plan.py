"""How an image is computed: whole, or in tiles where memory or the user asks for them."""

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

BUDGET = 1.6e9  # bytes; on a CPU, an image that needs more is fused in tiles that need no more
SHARE = 0.8  # of the free memory, which an image may take before it is cut


@dataclass(frozen=True)
class Plan:
    """How an image is computed.

    Attributes:
        shape: (height, width) of the arrays that it, or each of its tiles, is computed in.
        tile: (height, width) of its tiles, or None where it is computed whole.
        bytes: about what the computation needs.
    """

    shape: Size
    tile: Size | None
    bytes: int


class Limits(NamedTuple):
    """What the memory of a device allows, in bytes; infinite where that is unknown.

    Attributes:
        free: what can be allocated.
        whole: what an image may need before it is cut into tiles.
    """

    free: float
    whole: float


def limits(device: jax.Device) -> Limits:
    """Asks a device, or for a CPU the system, for its memory."""
    available = memory.available(device)
    free = math.inf if available is None else available
    return Limits(free, min(SHARE * free, BUDGET if device.platform == "cpu" else math.inf))


def cut(
    size: Size, network: FNet, limits: Limits, *, side: int | None = None, engine: str = XLA
) -> Size | None:
    """The (height, width) of the tiles that an image is fused in; None where it is fused whole.

    Args:
        size: (height, width) of the image.
        network: the FNet.
        limits: of the device.
        side: largest height and width of what is fused whole, and of tiles; None where memory
            decides.
        engine: what computes it.
    """
    if side:
        return tiles.cut(size, network, side=side) if max(size) > side else None
    if area(round_up(size)) <= whole_pixels(network, limits, engine):
        return None
    costs = COSTS[engine]
    return tiles.cut(size, network, pixels=limits.whole / _bytes(network, costs.tile, costs))


def whole_pixels(network: FNet, limits: Limits, engine: str) -> float:
    """How many pixels an array may have that is fused whole.

    Args:
        network: the FNet.
        limits: of the device.
        engine: what computes it.
    """
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
    """Plans how to fuse an image.

    Args:
        size: (height, width) of the image.
        network: the FNet.
        limits: of the device.
        side: as for :func:`cut`.
        choose: gives the shape of the arrays for an image that is fused whole.
        engine: what computes it.

    Raises:
        MemoryError: more memory is needed than is free.
    """
    tile, costs = cut(size, network, limits, side=side, engine=engine), COSTS[engine]
    shape = tiles.shape_of(tile, size, network) if tile else choose(size)
    each = _bytes(network, costs.tile if tile else costs.whole, costs)
    return _checked(Plan(shape, tile, math.ceil(each * area(shape))), size, limits)


def to_decompose(size: Size, network: FNet, limits: Limits) -> Plan:
    """Plans how to compute an image whole with XLA, and return every iterate of the three blocks.

    Args:
        size: (height, width) of the image.
        network: the FNet.
        limits: of the device.

    Raises:
        MemoryError: more memory is needed than is free.
    """
    shape, returned = round_up(size), 3 * 2 * (network.iterations + 1)
    each = _bytes(network, COSTS[XLA].whole + returned, COSTS[XLA])
    return _checked(Plan(shape, None, math.ceil(each * area(shape))), size, limits)


def _bytes(network: FNet, maps: float, costs: Costs) -> float:
    """Bytes for each pixel."""
    return 4 * (maps * network.features + costs.images) + costs.beside


def _checked(plan: Plan, size: Size, limits: Limits) -> Plan:
    """The plan; raises MemoryError where the system would otherwise kill the process."""
    if plan.bytes > limits.free:
        raise MemoryError(
            f"{size[1]}×{size[0]} pixels need about {plan.bytes / 1e9:.1f} GB of memory and "
            f"{limits.free / 1e9:.1f} GB are free"
        )
    return plan
