"""What fusing costs with an engine beside the arithmetic, from which :mod:`.plan` decides."""

from typing import NamedTuple

from fnet_jax.runtime.engines import NATIVE, XLA


class Costs(NamedTuple):
    """Measured on two cores.

    Attributes:
        whole: feature maps that a program holds at once for an image.
        tile: the same for a tile.
        images: images of one channel that it holds beside them.
        beside: bytes for each pixel that the engine holds beside the program.
        compilation: pixels that could be added to an array in the time of one compilation.
        spare: a compiled shape is used again if it has at most this many times the pixels needed.
    """

    whole: float
    tile: float
    images: int
    beside: int
    compilation: int
    spare: float


# The compiled engine skips what lies outside of an image, but for the images of few channels.
COSTS = {
    XLA: Costs(whole=6.3, tile=3.3, images=0, beside=0, compilation=150_000, spare=1.25),
    NATIVE: Costs(whole=2.1, tile=2.1, images=24, beside=120, compilation=6_000_000, spare=2.0),
}
