"""The parts that FNet and IFNet share: their sparse coders and decoders."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from fnet_jax.runtime.engines import NATIVE
from fnet_jax.sparse_coding.correlation import correlate
from fnet_jax.sparse_coding.lcsc import LCSC
from fnet_jax.sparse_coding.lzsc import LZSC
from fnet_jax.sparse_coding.native import coding as native
from fnet_jax.sparse_coding.operators import adjoint
from fnet_jax.sparse_coding.unrolled import Intermediates, Unrolled, keep_inside, xavier

BLOCKS: dict[str, type[LZSC] | type[LCSC]] = {"lzsc": LZSC, "lcsc": LCSC}


class Decoder(NamedTuple):
    """Filters that decode a code to one image.

    Attributes:
        code: name of the code.
        share: share of the coded image that they return in a tied start.
    """

    code: str
    share: float


class Network(Unrolled):
    """A network of sparse coders with common settings.

    Its parameters are those of a block, ``lzsc_<code>``, for each code, and the filters of each
    decoder by name, shape (size, size, K, 1).

    Attributes:
        block: ``"lzsc"`` (:class:`~fnet_jax.lzsc.LZSC`) or ``"lcsc"``
            (:class:`~fnet_jax.lzsc.LCSC`); parameters and intermediates are named ``lzsc_…`` in
            either case.
        CODES: number of input channels of each code, by name.
        DECODERS: decoders by name of their filters.
    """

    block: str = "lzsc"

    CODES: ClassVar[Mapping[str, int]] = {}
    DECODERS: ClassVar[Mapping[str, Decoder]] = {}

    @nn.nowrap
    def check(self) -> None:
        """Raises ValueError, naming the setting, if one has a wrong type or range."""
        if not isinstance(self.block, str) or self.block not in BLOCKS:
            raise ValueError(f"unknown block {self.block!r}: use {' or '.join(map(repr, BLOCKS))}")
        self.coder(parent=None).check()

    @nn.nowrap
    def coder(self, **where: Any) -> LZSC | LCSC:
        """A block with the settings of the network; ``where`` is linen's ``name`` or ``parent``."""
        names = {field.name for field in dataclasses.fields(Unrolled)}
        settings = {n: value for n, value in self.settings().items() if n in names}
        return BLOCKS[self.block](**settings, **where)

    @nn.nowrap
    def shapes(self) -> dict[str, Any]:
        """Shapes and types of the parameters, nested as they are, as ``jax.ShapeDtypeStruct``."""
        coder = self.coder()
        decoder = jax.ShapeDtypeStruct(coder.down_shape(1), np.float32)
        blocks = {self.block_name(c): coder.shapes(n)["params"] for c, n in self.CODES.items()}
        return {"params": dict.fromkeys(self.DECODERS, decoder) | blocks}

    @nn.nowrap
    def products(self) -> int:
        """Multiplications of a filter weight and a value that the network needs per pixel."""
        coder = self.coder()
        decoders = len(self.DECODERS) * math.prod(coder.down_shape(1))
        return decoders + sum(coder.products(channels) for channels in self.CODES.values())

    @nn.nowrap
    def tied(self, dictionaries: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Parameters in which each code has one dictionary and is decoded by its adjoint.

        A decoder of a code that was found in several images returns their sum.

        Args:
            dictionaries: by code, shape (size, size, C, K).
        """
        coder = self.coder()
        blocks = {self.block_name(code): coder.tied(W) for code, W in dictionaries.items()}
        return blocks | {
            name: share * adjoint(dictionaries[code]).sum(axis=3, keepdims=True)
            for name, (code, share) in self.DECODERS.items()
        }

    @staticmethod
    def block_name(code: str) -> str:
        """The name of a code's block among the parameters and the intermediates."""
        return f"lzsc_{code}"

    @nn.nowrap
    def dictionaries(self, params: Any, code: str) -> dict[str, np.ndarray]:
        """The filters of a code by the paper's names, each (K, C, size, size).

        These are W_eᵏ and W_dᵏ of its block, and its decoders, named without the code (D, G).
        """
        p = params["params"]
        found = self.coder().dictionaries(p[self.block_name(code)])
        return found | {
            name.removesuffix(f"_{code}"): np.asarray(p[name]).transpose(2, 3, 0, 1)
            for name, decoder in self.DECODERS.items()
            if decoder.code == code
        }

    @nn.nowrap
    def prepared(self, params: Any) -> dict[str, Any]:
        """Adds what the compiled engine precomputes from NumPy parameters ``{"params": …}``.

        Returns ``{"params": …, "native": …}``, for ``engine="native"``.
        """
        p, coder, found = params["params"], self.coder(parent=None), {}
        assert isinstance(coder, LZSC)
        for code in self.CODES:
            decoders = [p[name] for name, decoder in self.DECODERS.items() if decoder.code == code]
            name = self.block_name(code)
            found[name] = native.prepared(coder, p[name], np.concatenate(decoders, axis=3))
        return {**params, NATIVE: found}

    def _drawn(
        self,
        block: LZSC | LCSC,
        code: str,
        e: jax.Array,
        *names: str,
        mask: jax.Array | None,
        theta_scale: jax.Array | float,
        engine: str,
        after: jax.Array | None = None,
    ) -> tuple[jax.Array, Intermediates]:
        """Codes images ``e`` (N, H, W, C) and decodes the code with the decoders ``names``.

        The decoders read the same features, so they are one correlation. Returns an image for each
        decoder, as channels, and with XLA the code and the intermediates of its block.
        """
        how: dict[str, Any] = {"mask": mask, "theta_scale": theta_scale}
        name = self.block_name(code)
        if engine == NATIVE:
            assert isinstance(block, LZSC)
            params, filters = (self.variables[kind][name] for kind in ("params", NATIVE))
            return native.drawn(block, params, filters, e, after=after, **how), {}
        u, found = block(e, **how)
        decoders = jnp.concatenate([self.decoders[name] for name in names], axis=3)
        return keep_inside(correlate(u, decoders), mask), {code: u, name: found}

    @nn.nowrap
    def _decoders(self) -> dict[str, jax.Array]:
        """Creates the decoders' parameters; call once, in ``setup``."""
        shape = self.coder(parent=None).down_shape(1)
        return {name: self.param(name, xavier, shape) for name in self.DECODERS}
