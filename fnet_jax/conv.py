"""'Same' correlation between few image channels and many feature maps.

Arrays are NHWC, kernels HWIO, of odd size and stride 1, with zeros outside the image and no bias:
the only convolution of FNet and IFNet. Three things are done differently from a plain call of XLA,
because on a CPU they decide the speed:

* A correlation with one or two outputs is computed for blocks of 2×2 or 2×1 output pixels at once,
  which become channels (the kernel is copied with one-pixel shifts). The result is the same.
* The gradient with respect to the input is this correlation again, with the kernel turned around.
* The gradient with respect to the kernel is a matrix product of shifted copies of whichever side
  has few channels, in strips of rows that stay in the cache.

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
STRIP_PIXELS = 4096  # per strip of the kernel gradient: 81 copies of it fill about the L2 cache


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
    return correlate(cotangent, adjoint(kernel)), kernel_gradient


correlate.defvjp(_forward, _backward)


def _shifted_products(few: jax.Array, many: jax.Array, size: int) -> jax.Array:
    """``out[i, j, a, b] = Σ_{n,y,x} few[n, y + i − r, x + j − r, a] · many[n, y, x, b]``."""
    batch, height, width, a = few.shape
    b = many.shape[3]
    r = size // 2
    rows = max(1, min(height, STRIP_PIXELS // width))
    strips = -(-height // rows)
    below = strips * rows - height
    few = jnp.pad(few.transpose(0, 3, 1, 2), ((0, 0), (0, 0), (r, r + below), (r, r)))
    many = jnp.pad(many, ((0, 0), (0, below), (0, 0), (0, 0)))

    def strip_product(index: jax.Array) -> jax.Array:
        n, y = index // strips, index % strips * rows
        source = lax.dynamic_slice(few, (n, 0, y, 0), (1, a, rows + 2 * r, width + 2 * r))[0]
        target = lax.dynamic_slice(many, (n, y, 0, 0), (1, rows, width, b))
        copies = jnp.stack(
            [source[:, i : i + rows, j : j + width] for i in range(size) for j in range(size)]
        )
        return jnp.matmul(
            copies.reshape(size * size * a, rows * width),
            target.reshape(rows * width, b),
            precision=PRECISION,
        )

    products = lax.map(strip_product, jnp.arange(batch * strips))
    return products.sum(axis=0).reshape(size, size, a, b)
