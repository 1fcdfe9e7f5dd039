"""Compiled programs of the network on one device: a limited number, each compiled on first use."""

import functools
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp

from fnet_jax.fusing.shapes import Size
from fnet_jax.networks.fnet import FNet
from fnet_jax.runtime import compilation
from fnet_jax.runtime.engines import PRECISION, XLA
from fnet_jax.runtime.precision import multiplying
from fnet_jax.sparse_coding.unrolled import Intermediates

MOST = 16  # programs that are held; each takes about 10 MB

logger = logging.getLogger(__name__)


def _fuse(
    network: FNet, engine: str, params: Any, I1: jax.Array, I2: jax.Array, size: jax.Array
) -> jax.Array:
    """If of images of (height, width) ``size`` in arrays (1, H, W, 1); of their shape."""
    return _apply(network, params, I1, I2, mask=inside(I1, size), engine=engine)[0]


def _decompose(
    network: FNet,
    engine: str,
    params: Any,
    I1: jax.Array,
    I2: jax.Array,
    size: jax.Array,
    theta_scale: jax.Array,
) -> Intermediates:
    """All that the network finds in the same, with its thresholds scaled; XLA keeps the maps."""
    return _apply(network, params, I1, I2, mask=inside(I1, size), theta_scale=theta_scale)[1]


def _codes(network: FNet, *arguments: Any) -> Intermediates:
    """The part of :func:`_decompose` that edits of the decoding need; XLA drops the rest."""
    found = _decompose(network, *arguments)
    kept = {name: found[name] for name in ("If", *(f"If_{code}" for code in FNet.CODES))}
    for code in FNet.CODES:
        block = network.block_name(code)
        kept |= {code: found[code], block: {name: found[block][name] for name in ("theta", "rho")}}
    return kept


def _unique(
    network: FNet, engine: str, params: Any, image: jax.Array, size: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Î1 and G u1 of an image or a tile (1, H, W, 1), each of its shape."""
    how = {"mask": inside(image, size), "method": FNet.unique, "engine": engine}
    I_hat, If_u, _ = _apply(network, params, image, **how)
    return I_hat, If_u


def _common(network: FNet, engine: str, params: Any, left: jax.Array, size: jax.Array) -> jax.Array:
    """G c of a tile of Î1 and Î2, (1, H, W, 2): (1, H, W, 1)."""
    how = {"mask": inside(left, size), "method": FNet.common, "engine": engine}
    return _apply(network, params, left, **how)[0]


def _apply(network: FNet, params: Any, *images: jax.Array, **how: Any) -> Any:
    return cast(Any, network.apply)(params, *images, **how)


def inside(array: jax.Array, size: jax.Array) -> jax.Array:
    """The mask (1, H, W, 1) of an image of (height, width) ``size`` in an array (1, H, W, C)."""
    rows = jnp.arange(array.shape[1]) < size[0]
    columns = jnp.arange(array.shape[2]) < size[1]
    return (rows[:, None] & columns[None, :])[None, :, :, None]


KINDS: dict[str, Callable[..., Any]] = {
    "fuse": _fuse,
    "decompose": _decompose,
    "codes": _codes,
    "unique": _unique,
    "common": _common,
}
"""Kinds of programs; each takes parameters, arrays (1, H, W, C) and then scalars."""


class Programs:
    """Programs by kind and by the (height, width) of their arrays; ``len()`` is how many are kept.

    At most ``most`` are kept; the least recently used are dropped. Safe to use from several
    threads.

    Attributes:
        network: the FNet.
        engine: what fuses, one of :data:`~fnet_jax.runtime.engines.ENGINES`.
        precision: of products, one of :data:`~fnet_jax.runtime.engines.PRECISIONS`.
        compiled: the number of programs compiled so far, including those dropped since.
    """

    def __init__(
        self,
        network: FNet,
        device: jax.Device,
        *,
        engine: str = XLA,
        precision: str = PRECISION,
        most: int = MOST,
    ) -> None:
        """Compiles nothing yet."""
        self.network, self.engine, self.precision = network, engine, precision
        self._device, self._most = device, most
        self._held: OrderedDict[tuple[str, Size], jax.stages.Compiled] = OrderedDict()
        self._lock = threading.Lock()
        self.compiled = 0

    def __len__(self) -> int:
        """The number of programs that are kept."""
        return len(self._held)

    @property
    def full(self) -> bool:
        """Whether another program would replace one."""
        return len(self) >= self._most

    def shapes(self, kind: str) -> list[Size]:
        """The (height, width) of the programs of a kind, the most recently used last."""
        with self._lock:
            return [shape for of, shape in self._held if of == kind]

    def __call__(self, kind: str, *arguments: Any) -> Any:
        """Runs a program.

        Args:
            kind: one of :data:`KINDS`.
            *arguments: parameters on the device, float32 arrays (1, H, W, C), and scalars.
        """
        with jax.disable_jit(False):  # even where it is set to debug something else
            return self.get(kind, *arguments)(*arguments)

    def get(self, kind: str, *arguments: Any) -> jax.stages.Compiled:
        """The program for arguments, of which only ``shape`` and ``dtype`` are needed."""
        height, width = arguments[1].shape[1:3]
        key = kind, (height, width)
        with self._lock:
            program = self._held.pop(key, None) or self._compile(kind, (height, width), arguments)
            self._held[key] = program
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        return program

    def _compile(self, kind: str, shape: Size, arguments: tuple[Any, ...]) -> jax.stages.Compiled:
        self.compiled += 1
        height, width = shape
        logger.info("compilation %d: %s, %d×%d (width×height)", self.compiled, kind, width, height)
        here = jax.sharding.SingleDeviceSharding(self._device)
        described = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=here), arguments
        )
        # A new function each time: JAX keeps what it compiled for a function as long as that lives.
        run = functools.partial(KINDS[kind], self.network, self.engine)
        jitted = jax.jit(run, compiler_options=compilation.options(self._device))
        with multiplying(self.precision):
            return jitted.lower(*described).compile()
