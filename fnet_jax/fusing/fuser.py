"""Fuser: weights and two images of any size and colour give one fused image."""

import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from fnet_jax.errors import InputError
from fnet_jax.fusing import shapes, tiles
from fnet_jax.fusing.shapes import Size
from fnet_jax.images import color as colors
from fnet_jax.networks.fnet import FNet
from fnet_jax.runtime import compilation
from fnet_jax.sparse_coding.unrolled import Intermediates

MAPS_ALIVE = 6.3  # feature maps that the compiled program holds at once, as XLA reports it
BUDGET = 1.6e9  # bytes; an image that needs more is fused in tiles that need no more

logger = logging.getLogger(__name__)


class Fuser:
    """Fuses pairs of images, one at a time, with the weights of one FNet.

    Images of different sizes share compiled programs: each is fused inside a larger array whose
    outside is kept at zero, with the same result (see :mod:`fnet_jax.fusing.shapes`)::

        from fnet_jax import Fuser

        fuser = Fuser.pretrained()
        fused = fuser.fuse(visible, infrared)

    Attributes:
        network: the FNet.
        params: its parameters, ``{"params": …}``.
        shapes: the (height, width) of the arrays it has compiled :meth:`fuse` for, in that order.
        tile: largest side of tiles, or None where memory decides.
        device: where it fuses.
    """

    def __init__(
        self,
        network: FNet,
        params: Any,
        *,
        tile: int | None = None,
        device: jax.Device | None = None,
    ) -> None:
        """Makes a Fuser of a network and its parameters; :meth:`pretrained` is simpler.

        Args:
            network: the FNet.
            params: its parameters, ``{"params": …}``.
            tile: fuse images that are higher or wider than this, in pixels, in tiles no larger;
                None: those that need more than 1.6 GB, or four fifths of the free memory.
            device: where to fuse; None: the first local device.
        """
        self.network = network
        self.tile = tile
        self.device = device or jax.local_devices()[0]
        self._tiles = tiles.Tiles(network, device=self.device)
        self.params = jax.device_put(params, self.device)
        self.shapes: list[Size] = []
        self._compilations = 0
        self._planned: dict[Size, Size] = {}
        logger.info("%s", network.settings())
        logger.info("fusing on %s", self.device)
        options = compilation.options(self.device)
        self._fuse = jax.jit(self._fuse_inside, compiler_options=options)
        self._decompose = jax.jit(self._decompose_inside, compiler_options=options)

    @classmethod
    def from_checkpoint(cls, path: str | Path, *, tile: int | None = None) -> "Fuser":
        """Makes a Fuser of a checkpoint folder.

        Args:
            path: the folder.
            tile: as for the class.

        Raises:
            InputError: there is no checkpoint of FNet at ``path``, or it is damaged.
        """
        from fnet_jax.weights import checkpoints  # Orbax is slow to import and needed here only

        network, params, _ = checkpoints.load(path, network="FNet")
        assert isinstance(network, FNet)
        return cls(network, params, tile=tile)

    @classmethod
    def pretrained(cls, *, tile: int | None = None) -> "Fuser":
        """Makes a Fuser with the weights that are shipped, which this project has trained.

        Args:
            tile: as for the class.

        Raises:
            InputError: the installed package is damaged.
        """
        from fnet_jax.weights import checkpoints  # Orbax is slow to import and needed here only

        return cls.from_checkpoint(checkpoints.PRETRAINED, tile=tile)

    def on_local_devices(self, most: int) -> "list[Fuser]":
        """Itself and equal ones for the other local devices, ``most`` in all."""
        others = [device for device in jax.local_devices() if device != self.device]
        return [
            self,
            *(
                Fuser(self.network, self.params, tile=self.tile, device=device)
                for device in others[: most - 1]
            ),
        ]

    @property
    def compilations(self) -> int:
        """How many programs have been compiled, for :meth:`fuse` and :meth:`decompose`."""
        return self._compilations + self._tiles.compilations

    def prepare(self, sizes: Iterable[Size]) -> list[Size]:
        """Plans few array shapes for the (height, width) of the images to come; returns them.

        Nothing is compiled before an image needs it. Without a plan, sizes share shapes as they
        come, with more compilations.
        """
        sizes = [size for size in sizes if not self._tile_for(size)]
        planned = shapes.shared(sizes)
        self._planned = {
            size: min((s for s in planned if shapes.holds(s, size)), key=shapes.area)
            for size in sizes
        }
        return planned

    def fuse(self, i1: np.ndarray, i2: np.ndarray, *, color: str = "auto") -> np.ndarray:
        """Fuses two registered images of one scene.

        Args:
            i1: visible, CT, PET or SPECT image, shape (H, W), (H, W, 1) or (H, W, 3); uint8,
                uint16, or floating point in [0, 1].
            i2: infrared, near-infrared or MRI image of the same height and width; its type may
                differ, and a colour image is turned into grey.
            color: ``"auto"`` keeps the colour of a colour ``i1``, ``"grey"`` fuses to grey,
                ``"full"`` and ``"limited"`` keep colour in full- or limited-range Y'CbCr; see
                :func:`fnet_jax.images.color.separate`.

        Returns:
            The fused image in the type of ``i1``, clipped to its range and, for integers, rounded;
            shape (H, W), or (H, W, 3) in colour.

        Raises:
            InputError: an image has a wrong shape, type or value, or the sizes differ.
            MemoryError: the machine has too little memory left for images of this size.
            ValueError: ``color`` is not one of the four.
        """
        luma, recombine, inside = self.inputs(i1, i2, color=color)
        height, width = luma.shape
        tile = self._tile_for((height, width))
        if tile:
            shape = tiles.shape_of(tile, (height, width), self.network)
            self._check_memory(luma.shape, shape, maps=tiles.MAPS_ALIVE)
            logger.info("tiles of %d×%d (width×height)", tile[1], tile[0])
            fused = self._tiles.fuse(self.params, luma, inside, tile)
        else:
            shape = self._shape_for((height, width))
            self._check_memory(luma.shape, shape, maps=MAPS_ALIVE)
            padded = [_pad(image, shape) for image in (luma, inside)]
            whole = self._fuse(self.params, *padded, np.array(luma.shape, np.int32))
            fused = np.asarray(whole)[0, :height, :width, 0]
            if shape not in self.shapes:
                self.shapes.append(shape)
        return colors.from_unit(recombine(fused), np.asarray(i1).dtype)

    def decompose(
        self, i1: np.ndarray, i2: np.ndarray, *, color: str = "auto", theta_scale: float = 1.0
    ) -> Intermediates:
        """What the network found in two images on the way to the fused one.

        Args:
            i1: as for :meth:`fuse`.
            i2: as for :meth:`fuse`.
            color: as for :meth:`fuse`; it decides which luma of ``i1`` is fused.
            theta_scale: multiplies every threshold θᵏ of the three blocks, ≥ 0.

        Returns:
            The intermediates of :class:`~fnet_jax.networks.fnet.FNet` as NumPy arrays without the
            batch axis: feature maps (H, W, K), images (H, W, 1), not clipped; ``theta`` and ``rho``
            (N + 1,). Features of large images are large: about 8 kB per pixel in all.

        Raises:
            InputError: as for :meth:`fuse`.
            MemoryError: as for :meth:`fuse`.
            ValueError: as for :meth:`fuse`.
        """
        luma, _, inside = self.inputs(i1, i2, color=color)
        height, width = luma.shape
        shape = shapes.round_up((height, width))
        returned = 3 * 2 * (self.network.iterations + 1)  # every iterate of the three blocks
        self._check_memory(luma.shape, shape, maps=MAPS_ALIVE + returned)
        padded = [_pad(image, shape) for image in (luma, inside)]
        size, scale = np.array(luma.shape, np.int32), np.float32(theta_scale)
        found = self._decompose(self.params, *padded, size, scale)
        return jax.tree.map(
            lambda x: np.asarray(x)[0, :height, :width] if x.ndim == 4 else np.asarray(x), found
        )

    def flops(self, size: Size) -> float:
        """Floating-point operations of the program that fuses images of (height, width) ``size``.

        Counted by XLA in the compiled program, which is compiled for this; NaN where it does not
        tell.
        """
        image = jax.ShapeDtypeStruct((1, *shapes.round_up(size), 1), jnp.float32)
        program = self._fuse.lower(self.params, image, image, np.array(size, np.int32)).compile()
        return float((program.cost_analysis() or {}).get("flops", np.nan))

    def inputs(
        self, i1: np.ndarray, i2: np.ndarray, *, color: str = "auto"
    ) -> tuple[np.ndarray, colors.Recombine, np.ndarray]:
        """What the network gets of two images, and the way back.

        Args:
            i1: as for :meth:`fuse`.
            i2: as for :meth:`fuse`.
            color: as for :meth:`fuse`.

        Returns:
            The luma of ``i1``, shape (H, W), in [0, 1]; a function from a fused luma to the fused
            image, in [0, 1], with its colour; and ``i2`` in grey, shape (H, W), in [0, 1].

        Raises:
            InputError: as for :meth:`fuse`.
            ValueError: as for :meth:`fuse`.
        """
        i1, i2 = _checked("i1", i1), _checked("i2", i2)
        if i1.shape[:2] != i2.shape[:2]:
            (h1, w1), (h2, w2) = i1.shape[:2], i2.shape[:2]
            raise InputError(
                f"the sizes differ: i1 is {w1}×{h1}, i2 is {w2}×{h2}; register them to one size"
            )
        luma, recombine = colors.separate(i1, color)
        return luma, recombine, colors.grey(i2)

    def _shape_for(self, size: tuple[int, ...]) -> Size:
        """The array shape for an image: planned, or compiled already, or new."""
        height, width = size
        if (height, width) in self._planned:
            return self._planned[height, width]
        return shapes.choose((height, width), [*self.shapes, *self._planned.values()])

    def _tile_for(self, size: Size) -> Size | None:
        """The tiles that an image is fused in, or None where it is fused whole."""
        if self.tile:
            return tiles.cut(size, self.network, side=self.tile) if max(size) > self.tile else None
        available = _available_memory()
        if jax.default_backend() != "cpu":
            return None
        budget = min(BUDGET, np.inf if available is None else 0.8 * available)
        bytes_per_pixel = 4 * self.network.features
        if MAPS_ALIVE * bytes_per_pixel * shapes.area(shapes.round_up(size)) <= budget:
            return None
        return tiles.cut(size, self.network, pixels=budget / (tiles.MAPS_ALIVE * bytes_per_pixel))

    def _check_memory(self, size: tuple[int, ...], shape: Size, *, maps: float) -> None:
        """Raises MemoryError where the system would otherwise kill the process (on CPUs only)."""
        available = _available_memory()
        if available is None or jax.default_backend() != "cpu":
            return
        needed = maps * 4 * self.network.features * shapes.area(shape)
        if needed > available:
            raise MemoryError(
                f"{size[1]}×{size[0]} pixels need about {needed / 1e9:.1f} GB of memory and "
                f"{available / 1e9:.1f} GB are free"
            )

    def _fuse_inside(self, params: Any, I1: jax.Array, I2: jax.Array, size: jax.Array) -> jax.Array:
        return self._decompose_inside(params, I1, I2, size)["If"]

    def _decompose_inside(
        self,
        params: Any,
        I1: jax.Array,
        I2: jax.Array,
        size: jax.Array,
        theta_scale: jax.Array | float = 1.0,
    ) -> Intermediates:
        # This runs when JAX traces it: once for each shape that is compiled.
        self._compilations += 1
        _, height, width, _ = I1.shape
        logger.info("compilation %d: %d×%d (width×height)", self.compilations, width, height)
        mask = tiles.inside(I1, size)
        fuse = cast(Any, self.network.apply)
        return fuse(params, I1, I2, mask=mask, theta_scale=theta_scale)[1]


def _available_memory() -> int | None:
    """Bytes that can be allocated without swapping, or None where the system does not tell."""
    free = []
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free += [next(int(x.split()[1]) * 1024 for x in lines if x.startswith("MemAvailable:"))]
    with suppress(OSError, ValueError):  # the limit of a container; "max" where there is none
        limit, used = (
            int(Path(f"/sys/fs/cgroup/memory.{name}").read_text()) for name in ("max", "current")
        )
        free += [limit - used]
    return min(free, default=None)


def _checked(name: str, image: np.ndarray) -> np.ndarray:
    """The image as (H, W) or (H, W, 3); raises InputError if it is no image."""
    image = np.asarray(image)
    image = image.astype(image.dtype.newbyteorder("="), copy=False)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3) or not image.size:
        raise InputError(
            f"{name} has shape {image.shape}; give an image (H, W), (H, W, 1) or (H, W, 3)"
        )
    if image.dtype in (np.uint8, np.uint16):
        return image
    if not np.issubdtype(image.dtype, np.floating):
        raise InputError(f"{name} is {image.dtype}; give uint8, uint16, or floats in [0, 1]")
    low, high = float(image.min()), float(image.max())
    if not np.isfinite([low, high]).all():
        raise InputError(f"{name} holds NaN or infinity; replace those values")
    if low < -1e-6 or high > 1 + 1e-6:
        raise InputError(
            f"{name} holds values from {low:g} to {high:g}; scale them to [0, 1], or give uint8"
        )
    return image


def _pad(image: np.ndarray, shape: Size) -> np.ndarray:
    """A unit image (H, W) at the top left of a batch of one, (1, *shape, 1), with zeros around."""
    padded = np.zeros((1, *shape, 1), np.float32)
    padded[0, : image.shape[0], : image.shape[1], 0] = image
    return padded
