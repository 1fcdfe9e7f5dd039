"""Fusing an image in tiles, with the result of the whole.

A fused pixel depends on the sources within twice (2N + 2) r pixels, r = (kernel_size − 1) / 2. But
between the blocks that code I1 and I2 and the one that codes what they have in common, the network
holds four images of one channel alone (D u and G u of either). Those are kept whole, and only the
feature maps are cut: each block sees a tile with a margin of (2N + 2) r pixels, 40 by default, and
what it gives is exact inside the margin.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from fnet_jax.fusing.shapes import STEP, Size, area, round_up
from fnet_jax.networks.fnet import FNet
from fnet_jax.runtime import compilation

MAPS_ALIVE = 3.3  # feature maps that a program for tiles holds at once, as XLA reports it


def margin(network: FNet) -> int:
    """Pixels around a tile that a block and the filters that read its features look at."""
    return (2 * network.iterations + 2) * (network.kernel_size // 2)


def shape_of(tile: Size, size: Size, network: FNet) -> Size:
    """The (height, width) of the arrays that the tiles of an image of ``size`` are computed in.

    A margin lies on the sides where the image goes on.
    """
    edge = margin(network)
    height, width = (
        t + edge * min(2, -(-whole // t) - 1) for t, whole in zip(tile, size, strict=True)
    )
    return round_up((height, width))


def cut(size: Size, network: FNet, *, pixels: float = math.inf, side: int | None = None) -> Size:
    """The (height, width) of tiles, so that an image is computed with the least margins.

    Args:
        size: (height, width) of the image.
        network: the FNet.
        pixels: largest number in a tile with its margin; where that is too few for any tile, tiles
            have a side of 16.
        side: largest height and width of a tile, or None.

    Returns:
        Height and width of all tiles but those at the lower and right border, which are smaller.
    """
    height, width = size
    side = side or max(size)
    best, least = (min(height, STEP, side), min(width, STEP, side)), math.inf
    for rows in range(-(-height // side), height + 1):
        tall = -(-height // rows)
        for columns in range(-(-width // side), width + 1):
            tile = tall, -(-width // columns)
            shape = shape_of(tile, size, network)
            if area(shape) <= pixels:
                if rows * columns * area(shape) < least:
                    best, least = tile, rows * columns * area(shape)
                break  # more columns have more margins
        if rows * rows * margin(network) > 4 * height:  # and so have more rows
            break
    return best


@dataclass(frozen=True)
class Piece:
    """A tile with its margin.

    Attributes:
        where: rows and columns of the tile in the image.
        kept: rows and columns of the tile in ``pixels``.
        pixels: float32 (1, h, w, C), the piece at the top left and zeros around it.
        size: height and width of the piece.
    """

    where: tuple[slice, slice]
    kept: tuple[slice, slice]
    pixels: np.ndarray
    size: np.ndarray


class Tiles:
    """Fuses images with two programs, compiled for each shape of tiles that is used.

    Attributes:
        network: the FNet.
        compilations: how many programs have been compiled.
    """

    def __init__(self, network: FNet, *, device: jax.Device | None = None) -> None:
        """Compiles nothing yet, later for ``device``, or where it is None the first local one."""
        self.network, self.compilations = network, 0
        options = compilation.options(device or jax.local_devices()[0])
        self._unique = jax.jit(self._unique_inside, compiler_options=options)
        self._common = jax.jit(self._common_inside, compiler_options=options)

    def fuse(self, params: Any, I1: np.ndarray, I2: np.ndarray, tile: Size) -> np.ndarray:
        """Fuses two unit images.

        Args:
            params: of the network, ``{"params": …}``.
            I1: luma of the visible, CT, PET or SPECT image, float32 (H, W), values in [0, 1].
            I2: infrared, near-infrared or MRI image, the same shape.
            tile: (height, width) of the tiles; see :func:`cut`.

        Returns:
            If, float32 (H, W), not clipped: that of :class:`~fnet_jax.networks.fnet.FNet` up to
            rounding.
        """
        images = np.stack([I1, I2], axis=2)
        left, fused = np.empty_like(images), np.zeros_like(I1)
        for i, of_source in enumerate((params, self.network.exchanged(params))):
            for piece in self._pieces(images[..., i : i + 1], tile):
                found = self._unique(of_source, piece.pixels, piece.size)
                I_hat, If_u = (np.asarray(x)[0][piece.kept][..., 0] for x in found)
                left[(*piece.where, i)] = I_hat
                fused[piece.where] += If_u
        for piece in self._pieces(left, tile):
            found = self._common(params, piece.pixels, piece.size)
            fused[piece.where] += np.asarray(found)[0][piece.kept][..., 0]
        return fused

    def _pieces(self, images: np.ndarray, tile: Size) -> Iterator["Piece"]:
        """The tiles of (H, W, C) images with their margins."""
        edge, (height, width, channels) = margin(self.network), images.shape
        shape = shape_of(tile, (height, width), self.network)
        for y in range(0, height, tile[0]):
            for x in range(0, width, tile[1]):
                # As far inside the image as the array fits, so that nothing is computed outside.
                top = max(0, min(y - edge, height - shape[0]))
                start = max(0, min(x - edge, width - shape[1]))
                there = images[top : top + shape[0], start : start + shape[1]]
                pixels = np.zeros((1, *shape, channels), np.float32)
                pixels[0, : there.shape[0], : there.shape[1]] = there
                bottom, end = min(y + tile[0], height), min(x + tile[1], width)
                yield Piece(
                    where=(slice(y, bottom), slice(x, end)),
                    kept=(slice(y - top, bottom - top), slice(x - start, end - start)),
                    pixels=pixels,
                    size=np.array(there.shape[:2], np.int32),
                )

    def _unique_inside(
        self, params: Any, image: jax.Array, size: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Î1 and G u1 of a tile (1, h, w, 1), each of its shape."""
        self.compilations += 1  # JAX runs this when it traces: once for each shape
        how = {"mask": inside(image, size), "method": FNet.unique}
        I_hat, If_u, _ = cast(Any, self.network.apply)(params, image, **how)
        return I_hat, If_u

    def _common_inside(self, params: Any, left: jax.Array, size: jax.Array) -> jax.Array:
        """G c of a tile of both images less what is unique to them, (1, h, w, 2): (1, h, w, 1)."""
        self.compilations += 1
        how = {"mask": inside(left, size), "method": FNet.common}
        If_c, _ = cast(Any, self.network.apply)(params, left, **how)
        return If_c


def inside(array: jax.Array, size: jax.Array) -> jax.Array:
    """The mask (1, H, W, 1) of an image of (height, width) ``size`` in an array (1, H, W, C)."""
    rows = jnp.arange(array.shape[1]) < size[0]
    columns = jnp.arange(array.shape[2]) < size[1]
    return (rows[:, None] & columns[None, :])[None, :, :, None]
