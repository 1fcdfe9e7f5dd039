"""'Same' correlation between few image channels and many feature maps.

Arrays are NHWC, kernels HWIO, of odd size and stride 1, with zeros outside the image and no bias:
the only convolution of FNet and IFNet. Three things are done differently from a plain call of XLA,
because on a CPU they decide the speed:

* A correlation with one or two outputs is computed for blocks of 2×2 or 2×1 output pixels at once,
  which become channels (the kernel is copied with one-pixel shifts). The result is the same.
* The gradient with respect to the input is this correlation again, with the kernel turned around.
  With few outputs it is computed along rows, for each row of the kernel at once, then shifted.
* The gradient with respect to the kernel is summed over tiles that stay in the cache, two at once.

Products and sums are done in full float32 on every platform; on a GPU the default would be a format
with 10 bits of mantissa.
"""

from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Filters = TypeVar("Filters", jax.Array, np.ndarray)

PRECISION = lax.Precision.HIGHEST
FEW = 8  # outputs; with more, the plain form of a gradient is as fast
AT_ONCE = 4  # outputs per row of the kernel, in neighbouring pixels, of a gradient with few outputs
TILE_ROWS, TILE_COLUMNS = 32, 64  # of the kernel gradient: its copies fill about the L2 cache
LANES = 2  # tiles at once: while one is multiplied, the next is copied


@jax.custom_vjp
def correlate(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Correlates images with a bank of filters, keeping height and width.

    ``out[n, y, x, o] = Σ_{i,j,c} image[n, y + i − r, x + j − r, c] · kernel[i, j, c, o]`` with
    r = (size − 1) / 2 and zeros outside the image. Differentiable in reverse mode.

    Args:
        x: images or feature maps, shape (N, H, W, C).
        kernel: filters, shape (size, size, C, O), size odd.

    Returns:
        Array of shape (N, H, W, O).

    Raises:
        ValueError: shapes do not fit, or the size is even or not square.
    """
    _check(x, kernel)
    outputs = kernel.shape[3]
    if outputs == 1:
        return _correlate_in_blocks(x, kernel, rows=2, columns=2)
    if outputs == 2:
        return _correlate_in_blocks(x, kernel, rows=2, columns=1)
    return _correlate_in_blocks(x, kernel, rows=1, columns=1)


def adjoint(kernel: Filters) -> Filters:
    """The filters A of the adjoint map: ⟨correlate(x, kernel), y⟩ = ⟨x, correlate(y, A)⟩.

    Args:
        kernel: shape (size, size, C, O).

    Returns:
        Array (size, size, O, C): turned by half a turn, inputs and outputs exchanged.
    """
    return kernel[::-1, ::-1].swapaxes(2, 3)


def _check(x: jax.Array, kernel: jax.Array) -> None:
    if x.ndim != 4 or kernel.ndim != 4 or x.shape[3] != kernel.shape[2]:
        raise ValueError(
            f"correlate needs images (N, H, W, C) and a kernel (size, size, C, O): "
            f"got {x.shape} and {kernel.shape}"
        )
    if kernel.shape[0] != kernel.shape[1] or kernel.shape[0] % 2 == 0:
        raise ValueError(f"the kernel must be square with an odd side: got {kernel.shape}")


def _correlate_in_blocks(x: jax.Array, kernel: jax.Array, *, rows: int, columns: int) -> jax.Array:
    """Computes ``rows``×``columns`` neighbouring output pixels as channels of one stride."""
    batch, height, width, _ = x.shape
    size, _, _, outputs = kernel.shape
    before, after = size // 2, size - 1 - size // 2
    shifted = [
        jnp.pad(kernel, ((i, rows - 1 - i), (j, columns - 1 - j), (0, 0), (0, 0)))
        for i in range(rows)
        for j in range(columns)
    ]
    blocks_y, blocks_x = -(-height // rows), -(-width // columns)
    y = lax.conv_general_dilated(
        x,
        jnp.concatenate(shifted, axis=3),
        window_strides=(rows, columns),
        padding=(
            (before, after + blocks_y * rows - height),
            (before, after + blocks_x * columns - width),
        ),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=PRECISION,
    )
    y = y.reshape(batch, blocks_y, blocks_x, rows, columns, outputs).transpose(0, 1, 3, 2, 4, 5)
    y = y.reshape(batch, blocks_y * rows, blocks_x * columns, outputs)
    return y[:, :height, :width]


def _forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return correlate(x, kernel), (x, kernel)


def _backward(
    residuals: tuple[jax.Array, jax.Array], cotangent: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    size = kernel.shape[0]
    if x.shape[3] <= cotangent.shape[3]:
        kernel_gradient = _shifted_products(x, cotangent, size)
    else:  # shift the cotangent instead of the input: the same sums, met from the other side
        kernel_gradient = adjoint(_shifted_products(cotangent, x, size))
    backwards = adjoint(kernel)
    few_outputs = backwards.shape[3] <= FEW and backwards.shape[3] < backwards.shape[2]
    gradient = (_to_few if few_outputs else correlate)(cotangent, backwards)
    return gradient, kernel_gradient


correlate.defvjp(_forward, _backward)


def _along_rows(
    x: jax.Array, kernel: jax.Array, *, stride: int = 1, before: int = 0, after: int = 0
) -> jax.Array:
    """Correlates rows (N, W, C) with filters (size, C, O), with zeros ``before`` and ``after``."""
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride,),
        ((before, after),),
        dimension_numbers=("NHC", "HIO", "NHC"),
        precision=PRECISION,
    )


def _to_few(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """One correlation along rows with each row of the kernel, whose results are then shifted."""
    batch, height, width, inputs = x.shape
    size, _, _, outputs = kernel.shape
    r = size // 2
    pixels = max(1, AT_ONCE // outputs)  # neighbours in a row, computed at once
    steps = -(-width // pixels)
    rows = kernel.transpose(1, 2, 0, 3).reshape(size, inputs, size * outputs)
    shifted = [jnp.pad(rows, ((j, pixels - 1 - j), (0, 0), (0, 0))) for j in range(pixels)]
    y = _along_rows(
        x.reshape(batch * height, width, inputs),
        jnp.concatenate(shifted, axis=2),
        stride=pixels,
        before=r,
        after=r + steps * pixels - width,
    )
    y = y.reshape(batch, height, steps * pixels, size, outputs)[:, :, :width]
    y = jnp.pad(y, ((0, 0), (r, r), (0, 0), (0, 0), (0, 0)))
    total = y[:, :height, :, 0]
    for i in range(1, size):
        total += y[:, i : i + height, :, i]
    return total


def _shifted_products(few: jax.Array, many: jax.Array, size: int) -> jax.Array:
    """``out[i, j, a, b] = Σ_{n,y,x} few[n, y + i − r, x + j − r, a] · many[n, y, x, b]``.

    For each shift j, a tile of ``many`` is a filter that is as high as the tile, has its columns
    for inputs, and is correlated with ``few`` down the columns: its results are the shifts i.
    """
    batch, height, width, a = few.shape
    b = many.shape[3]
    r = size // 2
    rows, columns = min(height, TILE_ROWS), min(width, TILE_COLUMNS)
    down, across = -(-height // rows), -(-width // columns)
    below, right = down * rows - height, across * columns - width
    few = jnp.pad(few.transpose(0, 3, 1, 2), ((0, 0), (0, 0), (r, r + below), (r, r + right)))
    many = jnp.pad(many, ((0, 0), (0, below), (0, right), (0, 0)))

    def product(tile: jax.Array) -> jax.Array:
        n, y, x = tile // (down * across), tile // across % down * rows, tile % across * columns
        source = lax.dynamic_slice(few, (n, 0, y, x), (1, a, rows + 2 * r, columns + 2 * r))[0]
        target = lax.dynamic_slice(many, (n, y, x, 0), (1, rows, columns, b))[0]
        copies = jnp.stack([source[:, :, j : j + columns] for j in range(size)])
        return _along_rows(copies.reshape(size * a, rows + 2 * r, columns), target)

    def products(
        sums: tuple[jax.Array, ...], tiles: jax.Array
    ) -> tuple[tuple[jax.Array, ...], None]:
        return tuple(total + product(tile) for total, tile in zip(sums, tiles, strict=True)), None

    tiles = batch * down * across
    together = tiles - tiles % LANES
    zeros = (jnp.zeros((size * a, size, b), few.dtype),) * LANES
    sums, _ = lax.scan(products, zeros, jnp.arange(together).reshape(-1, LANES))
    total = jnp.stack(sums).sum(axis=0)
    for tile in range(together, tiles):
        total += product(jnp.asarray(tile))
    return total.reshape(size, a, size, b).transpose(2, 0, 1, 3)
