"""What FNet and IFNet have in common: the sparse coders that they are made of."""

import dataclasses
from typing import Any

import jax
from flax import linen as nn

from fnet_jax.sparse_coding.lcsc import LCSC
from fnet_jax.sparse_coding.lzsc import LZSC, Unrolled

BLOCKS: dict[str, type[LZSC] | type[LCSC]] = {"lzsc": LZSC, "lcsc": LCSC}


class Network(Unrolled):
    """A network of sparse coders that have one setting.

    Attributes:
        block: ``"lzsc"`` (:class:`~fnet_jax.lzsc.LZSC`) or ``"lcsc"``
            (:class:`~fnet_jax.sparse_coding.lcsc.LCSC`). Parameters and intermediates are named
            ``lzsc_…`` in either case.
    """

    block: str = "lzsc"

    @nn.nowrap
    def check(self) -> None:
        """Raises ValueError, naming the setting, if one of them makes no network."""
        if self.block not in BLOCKS:
            raise ValueError(f"unknown block {self.block!r}: use {' or '.join(map(repr, BLOCKS))}")
        self.coder().check()

    @nn.nowrap
    def coder(self, name: str | None = None) -> LZSC | LCSC:
        """A block with the settings of the network, which has that name inside a network."""
        names = {field.name for field in dataclasses.fields(Unrolled)}
        settings = {n: value for n, value in self.settings().items() if n in names}
        return BLOCKS[self.block](**settings, name=name)


def filter_products(params: Any, *, iterations: int) -> int:
    """Products of a filter weight and a pixel that a network needs for each pixel.

    Every weight meets every pixel once, those that iterations share once in each.

    Args:
        params: of a network or a block, or several networks.
        iterations: N of all of them.
    """
    N = iterations
    times = {"W_e": N + 1, "W_d": N, "W_u": N, "W_d_prime": N - 1, "W_u_prime": N - 1}
    leaves = jax.tree.leaves_with_path(params)
    return sum(x.size * times.get(path[-1].key, 1) for path, x in leaves if x.ndim == 4)
