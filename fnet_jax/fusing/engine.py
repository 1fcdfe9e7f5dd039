"""The choice of the engine: XLA or, on a CPU, the compiled one."""

import logging
import os
import platform

import jax

from fnet_jax.errors import InputError
from fnet_jax.networks.fnet import FNet
from fnet_jax.runtime.engines import (
    AUTO,
    BF16,
    CHOICES,
    NATIVE,
    PRECISION,
    PRECISIONS,
    VARIABLE,
    XLA,
)
from fnet_jax.sparse_coding.native import binding, coding

SLOW, X86 = "baseline", "x86_64"

logger = logging.getLogger(__name__)


def chosen(
    network: FNet, device: jax.Device, asked: str | None = None, *, precision: str = PRECISION
) -> str:
    """The engine to use for a network on a device.

    Args:
        network: the FNet.
        device: where it fuses.
        asked: ``"xla"``, ``"native"``, or ``"auto"`` for the fastest available; None for the value
            of the environment variable ``FNET_ENGINE``, or ``"auto"`` if it is not set.
        precision: of products. The compiled engine multiplies in float32, which is also what
            ``"tf32"`` means on a CPU.

    Raises:
        InputError: there is no such engine or precision, or the engine cannot be used here.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r}: use {', '.join(PRECISIONS)}")
    where = "engine" if asked else VARIABLE
    asked = asked or os.environ.get(VARIABLE) or AUTO
    if asked not in CHOICES:
        raise InputError(f"{where} {asked!r}: use {', '.join(CHOICES)}")
    if asked == XLA or (asked == AUTO and device.platform != "cpu"):
        return XLA
    why = unable(network, device)
    if not why and precision == BF16:
        why = f"it multiplies in float32, and the precision is {BF16}"
    if not why and asked == AUTO and binding.instructions() == SLOW and platform.machine() == X86:
        why = "without AVX2 it is slower"
    if not why:
        logger.info("compiled engine (%s)", binding.instructions())
        return NATIVE
    if asked == NATIVE:
        raise InputError(f"the compiled engine cannot be used: {why}")
    broken = binding.library() is not None and binding.missing()  # it was built to be used
    level = logging.WARNING if broken else logging.INFO
    logger.log(level, "using XLA, because the compiled engine cannot be used: %s", why)
    return XLA


def unable(network: FNet, device: jax.Device) -> str:
    """The reason why the compiled engine cannot be used; empty if it can."""
    if device.platform != "cpu":
        return f"{device} is not a CPU"
    return coding.unable(network.coder(parent=None))
