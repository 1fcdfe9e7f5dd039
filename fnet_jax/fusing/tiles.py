"""Fusing an image in tiles, with the same result as fusing it whole.

A fused pixel depends on the sources within twice (2N + 2) r pixels, r = (kernel_size − 1) / 2.
Between the blocks that code I1 and I2 and the block that codes what they have in common, however,
there are only four images of one channel (D u and G u of both sources). These are kept whole, and
only the feature maps are tiled: each block sees a tile with a margin of (2N + 2) r pixels, 40 by
default, and its output is exact inside the margin.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fnet_jax.fusing.programs import Programs
from fnet_jax.fusing.shapes import STEP, Size, area, round_up
from fnet_jax.networks.fnet import FNet


def margin(network: FNet) -> int:
    """Pixels around a tile on which its features and their reconstruction depend."""
    return (2 * network.iterations + 2) * (network.kernel_size // 2)


def shape_of(tile: Size, size: Size, network: FNet) -> Size:
    """The (height, width) of the arrays for an image's tiles, with margins inside the image."""
    edge = margin(network)
    height, width = (
        t + edge * min(2, -(-whole // t) - 1) for t, whole in zip(tile, size, strict=True)
    )
    return round_up((height, width))


def cut(size: Size, network: FNet, *, pixels: float = math.inf, side: int | None = None) -> Size:
    """The (height, width) of the tiles that minimize the margins of an image.

    Tiles at the lower and right border may be smaller. A tile with its margin has at most
    ``pixels`` pixels, or a side of 16 if that is too few for any tile; ``side`` is the largest
    height and width of a tile.
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
                break  # more columns only add margins
        if rows * rows * margin(network) > 4 * height:  # as do more rows
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


def fuse(programs: Programs, params: Any, I1: np.ndarray, I2: np.ndarray, tile: Size) -> np.ndarray:
    """Fuses two unit images with two programs, which all tiles share.

    ``params`` are on the programs' device, ``{"params": …}``; images are as in
    :class:`~fnet_jax.fusing.inputs.Inputs`; the tiles are those of :func:`cut`.

    Returns:
        If, float32 (H, W), not clipped: that of :class:`~fnet_jax.networks.fnet.FNet` up to
        rounding.
    """
    network, images = programs.network, np.stack([I1, I2], axis=2)
    left, fused = np.empty_like(images), np.zeros_like(I1)
    for i, of_source in enumerate((params, network.exchanged(params))):
        for piece in _pieces(images[..., i : i + 1], tile, network):
            found = programs("unique", of_source, piece.pixels, piece.size)
            I_hat, If_u = (np.asarray(x)[0][piece.kept][..., 0] for x in found)
            left[(*piece.where, i)] = I_hat
            fused[piece.where] += If_u
    for piece in _pieces(left, tile, network):
        found = programs("common", params, piece.pixels, piece.size)
        fused[piece.where] += np.asarray(found)[0][piece.kept][..., 0]
    return fused


def _pieces(images: np.ndarray, tile: Size, network: FNet) -> Iterator[Piece]:
    """Yields the tiles of images (H, W, C) with their margins."""
    edge, (height, width, channels) = margin(network), images.shape
    shape = shape_of(tile, (height, width), network)
    for y in range(0, height, tile[0]):
        for x in range(0, width, tile[1]):
            # Moved inside the image as far as possible, so that nothing outside is computed.
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
