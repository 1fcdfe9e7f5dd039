"""Memory and compilation costs of each engine, for the decisions of :mod:`.plan`."""

from typing import NamedTuple

from fnet_jax.runtime.engines import NATIVE, XLA


class Costs(NamedTuple):
    """Measured on two cores.

    Attributes:
        whole: feature maps that a program keeps in memory for a whole image.
        tile: the same for a tile.
        images: additional images of one channel in memory.
        beside: additional bytes per pixel, outside the program.
        compilation: pixels that can be fused in the time of one compilation.
        spare: a compiled shape is reused if it has at most this many times the pixels needed.
    """

    whole: float
    tile: float
    images: int
    beside: int
    compilation: int
    spare: float


# The compiled engine skips pixels outside of an image, except in images of few channels.
COSTS = {
    XLA: Costs(whole=6.3, tile=3.3, images=0, beside=0, compilation=150_000, spare=1.25),
    NATIVE: Costs(whole=2.1, tile=2.1, images=24, beside=120, compilation=6_000_000, spare=2.0),
}
