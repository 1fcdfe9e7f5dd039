"""Filter banks as linear operators on images: their adjoint and their norm."""

import math
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

Kernel = TypeVar("Kernel", jax.Array, np.ndarray)

MIN_GRID, MAX_GRID = 64, 512  # frequencies in each direction, for the norm


def adjoint(kernel: Kernel) -> Kernel:
    """The filters A of the adjoint: ⟨correlate(x, kernel), y⟩ = ⟨x, correlate(y, A)⟩.

    Args:
        kernel: shape (size, size, C, O).

    Returns:
        Array (size, size, O, C): rotated by half a turn, inputs and outputs exchanged.
    """
    return kernel[::-1, ::-1].swapaxes(2, 3)


def operator_norm(kernel: Kernel, *, side: int | None = None) -> Kernel:
    """Largest factor by which correlation with ``kernel`` increases the norm of images.

    This is the largest singular value of the filters' transfer function (C×O) over a grid of n
    frequencies per direction. On a torus of n×n pixels it is the norm itself. Images with zeros
    outside and sides of up to n + 1 − size pixels are part of such a torus, so none exceeds it.
    n is at most 512 or twice the size, whichever is larger; where more would be needed, the largest
    value of the grid is divided by cos(π(size − 1) / n), which bounds the values between grid
    points: the square is a trigonometric polynomial of degree size − 1 in each direction.

    Args:
        kernel: shape (size, size, C, O), NumPy or JAX array; works inside ``jax.jit``.
        side: larger side in pixels of the images for which the result is a bound. None takes
            n = 64 or twice the size; large images can exceed that by the spacing of the grid: by up
            to 2 % for 9×9 random filters, by more for larger ones.

    Returns:
        A scalar, of the same library as ``kernel``.
    """
    xp = jnp if isinstance(kernel, jax.Array) else np
    size = kernel.shape[0]
    least = max(MIN_GRID, 2 * size)
    whole = max(least, (side or 0) + size - 1)
    grid = min(whole, max(least, MAX_GRID))
    transfer = xp.fft.fft2(kernel, s=(grid, grid), axes=(0, 1))
    if kernel.shape[2] < kernel.shape[3]:
        transfer = transfer.swapaxes(2, 3)
    gram = transfer.conj().swapaxes(2, 3) @ transfer  # the smaller one: faster than the SVD
    largest = xp.sqrt(xp.linalg.eigvalsh(gram)[..., -1].max())
    return largest if grid == whole else largest / math.cos(math.pi * (size - 1) / grid)
