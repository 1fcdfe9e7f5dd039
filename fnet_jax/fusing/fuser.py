"""The Fuser, which fuses images of any size and color with the weights of a network."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.core import unfreeze

from fnet_jax.fusing import inputs, plan, shapes, tiles
from fnet_jax.fusing.costs import COSTS
from fnet_jax.fusing.engine import chosen as choose_engine
from fnet_jax.fusing.inputs import Inputs
from fnet_jax.fusing.programs import MOST, Programs
from fnet_jax.fusing.shapes import Size
from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.sizes import BASE
from fnet_jax.runtime.engines import NATIVE, PRECISION, XLA
from fnet_jax.sparse_coding.unrolled import Intermediates

logger = logging.getLogger(__name__)


class Fuser:
    """Fuses pairs of images with the weights of one FNet; safe to use from several threads.

    Images of different sizes share compiled programs. Each is placed in a larger array that is
    zero elsewhere, which does not change the result (see :mod:`fnet_jax.fusing.shapes`)::

        from fnet_jax import Fuser

        fuser = Fuser.pretrained()
        fused = fuser.fuse(visible, infrared)

    Attributes:
        network: the FNet.
        params: its parameters, ``{"params": …}``, float32, on the device.
        tile: largest side of tiles, or None if the available memory decides.
        device: the device that computes.
        engine: what computes, ``"xla"`` or ``"native"``.
        precision: of products, ``"highest"``, ``"tf32"`` or ``"bf16"``.
    """

    def __init__(
        self,
        network: FNet,
        params: Any,
        *,
        tile: int | None = None,
        device: jax.Device | None = None,
        engine: str | None = None,
        precision: str = PRECISION,
    ) -> None:
        """Creates a Fuser from a network and its parameters; :meth:`pretrained` is simpler.

        Args:
            network: the FNet.
            params: its parameters, ``{"params": …}``, NumPy or JAX arrays; converted to float32.
            tile: images higher or wider than this, in pixels, are fused in tiles of at most this
                side. None: images that need more than 1.6 GB (on a CPU) or four fifths of the
                device's free memory are fused in tiles.
            device: the device that computes; None for the first local device.
            engine: ``"xla"``, ``"native"`` (the compiled engine for CPUs), or ``"auto"``, the
                fastest available; None for the value of ``FNET_ENGINE``, or auto.
            precision: of products: ``"highest"`` is float32; ``"tf32"`` keeps 10 bits on an NVIDIA
                GPU, which is twice as fast, and is float32 elsewhere; ``"bf16"`` keeps 7 bits.

        Raises:
            InputError: the engine cannot be used here, or not with this precision.
        """
        self.network = network
        self.tile = tile
        self.device = device or jax.local_devices()[0]
        single = jax.tree.map(lambda x: np.asarray(x, np.float32), unfreeze(params))
        self.params = jax.device_put(single, self.device)
        self._to_fuse = self.params
        self.precision = precision
        self.engine = choose_engine(network, self.device, engine, precision=precision)
        self._programs = Programs(network, self.device, engine=self.engine, precision=precision)
        if self.engine == NATIVE:
            self._to_fuse = jax.device_put(network.prepared(single), self.device)
        self._planned: dict[Size, Size] = {}
        logger.info("%s", network.settings())
        logger.info("fusing on %s", self.device)

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        *,
        tile: int | None = None,
        engine: str | None = None,
        precision: str = PRECISION,
    ) -> "Fuser":
        """Creates a Fuser from a checkpoint folder.

        Args:
            path: the folder.
            tile: as for the class.
            engine: as for the class.
            precision: as for the class.

        Raises:
            InputError: there is no checkpoint of FNet at ``path``, or it is damaged; or the engine
                cannot be used here.
        """
        from fnet_jax.weights import checkpoints  # Orbax is slow to import and needed here only

        network, params, _ = checkpoints.load(path, FNet)
        return cls(network, params, tile=tile, engine=engine, precision=precision)

    @classmethod
    def pretrained(
        cls,
        size: str = BASE,
        *,
        tile: int | None = None,
        engine: str | None = None,
        precision: str = PRECISION,
    ) -> "Fuser":
        """Creates a Fuser with the weights that ship with the package.

        Args:
            size: ``"base"`` is the paper's network; the others are cheaper (``docs/sizes.md``).
            tile: as for the class.
            engine: as for the class.
            precision: as for the class.

        Raises:
            InputError: there is no such size, the installed package is damaged, or the engine
                cannot be used here.
        """
        from fnet_jax.weights import checkpoints  # Orbax is slow to import and needed here only

        return cls.from_checkpoint(
            checkpoints.shipped(size), tile=tile, engine=engine, precision=precision
        )

    def on_local_devices(self, most: int) -> "list[Fuser]":
        """This Fuser and copies of it on other local devices, at most ``most`` in all."""
        others = [device for device in jax.local_devices() if device != self.device]
        return [
            self,
            *(
                Fuser(
                    self.network,
                    self.params,
                    tile=self.tile,
                    device=device,
                    engine=self.engine,
                    precision=self.precision,
                )
                for device in others[: most - 1]
            ),
        ]

    @property
    def compilations(self) -> int:
        """The number of programs compiled so far."""
        return self._programs.compiled

    @property
    def shapes(self) -> list[Size]:
        """The (height, width) of the compiled programs that :meth:`fuse` whole images.

        The most recently used is last. At most 16 programs of all kinds are kept; another one
        replaces the least recently used.
        """
        return self._programs.shapes("fuse")

    def prepare(self, sizes: Iterable[Size]) -> list[Size]:
        """Plans a few array shapes for images of the given (height, width); returns the shapes.

        Nothing is compiled until an image needs it. Without a plan, more programs are compiled.
        """
        limits = plan.limits(self.device)
        sizes = [
            size
            for size in sizes
            if not plan.cut(size, self.network, limits, side=self.tile, engine=self.engine)
        ]
        planned = shapes.shared(
            sizes,
            cost=COSTS[self.engine].compilation,
            most=MOST,
            largest=plan.whole_pixels(self.network, limits, self.engine),
        )
        self._planned = {
            size: min((s for s in planned if shapes.holds(s, size)), key=shapes.area)
            for size in sizes
        }
        return planned

    def fuse(self, i1: np.ndarray, i2: np.ndarray, *, color: str = "auto") -> np.ndarray:
        """Fuses two registered images of one scene.

        Args:
            i1: visible, CT, PET or SPECT image, shape (H, W), (H, W, 1) or (H, W, 3); uint8,
                uint16, or of any floating type with values in [0, 1].
            i2: infrared, near-infrared or MRI image of the same height and width; its type may
                differ, and a color image is converted to grey.
            color: ``"auto"`` keeps the color of a color ``i1``, ``"grey"`` fuses to grey,
                ``"full"`` and ``"limited"`` keep color in full- or limited-range Y'CbCr; see
                :func:`fnet_jax.images.color.separate`.

        Returns:
            The fused image in the type of ``i1``, clipped to its range and, for integers, rounded;
            shape (H, W), or (H, W, 3) in color.

        Raises:
            InputError: an image has a wrong shape, type or value, or the sizes differ.
            MemoryError: there is too little free memory for images of this size.
            ValueError: ``color`` is not one of the four.
        """
        pair = inputs.separate(i1, i2, color=color)
        planned = plan.to_fuse(
            pair.size,
            self.network,
            plan.limits(self.device),
            side=self.tile,
            choose=self._shape_for,
            engine=self.engine,
        )
        if planned.tile:
            logger.info("tiles of %d×%d (width×height)", planned.tile[1], planned.tile[0])
            tiled = tiles.fuse(self._programs, self._to_fuse, pair.I1, pair.I2, planned.tile)
            return pair.image(tiled)
        whole = self._programs("fuse", self._to_fuse, *self._arguments(pair, planned.shape))
        return pair.image(_cropped(whole, pair.size)[..., 0])

    def decompose(
        self, i1: np.ndarray, i2: np.ndarray, *, color: str = "auto", theta_scale: float = 1.0
    ) -> Intermediates:
        """Everything that the network computes on the way to the fused image.

        Args:
            i1: as for :meth:`fuse`.
            i2: as for :meth:`fuse`.
            color: as for :meth:`fuse`; it determines which luma of ``i1`` is fused.
            theta_scale: multiplies every threshold θᵏ of the three blocks, ≥ 0.

        Returns:
            The intermediates of :class:`~fnet_jax.networks.fnet.FNet` as NumPy arrays without the
            batch axis: feature maps (H, W, K), images (H, W, 1), not clipped; ``theta`` and ``rho``
            (N + 1,). Features of large images are large: about 8 kB per pixel in all.

        Raises:
            InputError: as for :meth:`fuse`.
            MemoryError: as for :meth:`fuse`; images are never cut into tiles.
            ValueError: as for :meth:`fuse`.
        """
        return self.intermediates(inputs.separate(i1, i2, color=color), theta_scale=theta_scale)

    def intermediates(self, pair: Inputs, *, theta_scale: float = 1.0) -> Intermediates:
        """The same as :meth:`decompose`, for images whose luma has been separated.

        Args:
            pair: of :func:`fnet_jax.fusing.inputs.separate`.
            theta_scale: as for :meth:`decompose`.

        Raises:
            MemoryError: as for :meth:`decompose`.
        """
        planned = plan.to_decompose(pair.size, self.network, plan.limits(self.device))
        arguments = (*self._arguments(pair, planned.shape), np.float32(theta_scale))
        return self._without_margins(self._programs("decompose", self.params, *arguments), pair)

    def _without_margins(self, found: Intermediates, pair: Inputs) -> Intermediates:
        """What a program found, as NumPy arrays of the size of the images."""
        return jax.tree.map(
            lambda x: _cropped(x, pair.size) if x.ndim == 4 else np.asarray(x), found
        )

    def codes(self, pair: Inputs, *, theta_scale: float = 1.0) -> Intermediates:
        """The part of :meth:`intermediates` that edits of the decoding need, in less memory.

        Memory is not checked in advance: the features alone take 12 (K + 2) bytes per pixel.

        Args:
            pair: as for :meth:`intermediates`.
            theta_scale: as for :meth:`decompose`.

        Returns:
            NumPy arrays: ``u1``, ``u2``, ``c`` (H, W, K); ``If_u1``, ``If_u2``, ``If_c`` and their
            sum ``If`` (H, W, 1), not clipped; and for each block ``theta`` and ``rho`` (N + 1,).
        """
        shape = self._shape_for(pair.size)
        arguments = (*self._arguments(pair, shape), np.float32(theta_scale))
        return self._without_margins(self._programs("codes", self.params, *arguments), pair)

    def flops(self, size: Size) -> float:
        """The number of floating-point operations of fusing images of (height, width) ``size``.

        Counted by XLA in a program compiled for it; NaN if XLA does not count them.
        """
        image = jax.ShapeDtypeStruct((1, *shapes.round_up(size), 1), np.float32)
        extent = np.array(size, np.int32)
        programs = self._programs if self.engine == XLA else Programs(self.network, self.device)
        program = programs.get("fuse", self.params, image, image, extent)
        return float((program.cost_analysis() or {}).get("flops", np.nan))

    def _shape_for(self, size: Size) -> Size:
        """The array shape for an image: planned, or compiled already, or new."""
        if size in self._planned:
            return self._planned[size]
        known = {*self.shapes, *self._planned.values()}
        return shapes.choose(size, known, full=self._programs.full, costs=COSTS[self.engine])

    def _arguments(self, pair: Inputs, shape: Size) -> tuple[Any, ...]:
        """What a program takes after parameters: both images as (1, *shape, 1), and their size."""
        images = (_padded(image, shape) for image in (pair.I1, pair.I2))
        return (*images, np.array(pair.size, np.int32))


def _padded(image: np.ndarray, shape: Size) -> np.ndarray:
    """A unit image (H, W) at the top left of a batch of one, (1, *shape, 1), with zeros around."""
    padded = np.zeros((1, *shape, 1), np.float32)
    padded[0, : image.shape[0], : image.shape[1], 0] = image
    return padded


def _cropped(batch: jax.Array, size: Size) -> np.ndarray:
    """The (H, W, C) of an image of ``size`` at the top left of a batch of one."""
    return np.asarray(batch)[0, : size[0], : size[1]]
