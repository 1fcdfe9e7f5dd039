"""Fusing an image in tiles, with the result of the whole.

A fused pixel depends on the sources within twice (2N + 2) r pixels, r = (kernel_size − 1) / 2.
Between the blocks that code I1 and I2 and the block that codes what they have in common, however,
the network holds only four images of one channel (D u and G u of both sources). These are kept
whole, and only the feature maps are cut: each block sees a tile with a margin of (2N + 2) r pixels,
40 by default, and its output is exact inside the margin.
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
    """Pixels around a tile on which its features, and what is drawn of them, depend."""
    return (2 * network.iterations + 2) * (network.kernel_size // 2)


def shape_of(tile: Size, size: Size, network: FNet) -> Size:
    """The (height, width) of the arrays that the tiles of an image of ``size`` are computed in.

    A margin lies on the sides where the image continues.
    """
    edge = margin(network)
    height, width = (
        t + edge * min(2, -(-whole // t) - 1) for t, whole in zip(tile, size, strict=True)
    )
    return round_up((height, width))


def cut(size: Size, network: FNet, *, pixels: float = math.inf, side: int | None = None) -> Size:
    """The (height, width) of the tiles with which the margins of an image are smallest.

    Args:
        size: (height, width) of the image.
        network: the FNet.
        pixels: largest number in a tile with its margin; if no tile can be that small, tiles have
            a side of 16.
        side: largest height and width of a tile, or None.

    Returns:
        Height and width of the tiles; those at the lower and right border may be smaller.
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


def fuse(programs: Programs, params: Any, I1: np.ndarray, I2: np.ndarray, tile: Size) -> np.ndarray:
    """Fuses two unit images with two programs, which all tiles of one shape share.

    Args:
        programs: of the network.
        params: of the network, on the programs' device, ``{"params": …}``.
        I1: luma of the visible, CT, PET or SPECT image, float32 (H, W), values in [0, 1].
        I2: infrared, near-infrared or MRI image, the same shape.
        tile: (height, width) of the tiles; see :func:`cut`.

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
    """The tiles of (H, W, C) images with their margins."""
    edge, (height, width, channels) = margin(network), images.shape
    shape = shape_of(tile, (height, width), network)
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
