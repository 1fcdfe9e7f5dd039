"""Forms of the 'same' correlation that are faster than XLA's own; see :mod:`.correlation`.

XLA's convolutions are slow where few channels meet many (``docs/speed.md`` has the measurements).
On a CPU:

* Few outputs, alone: they are computed for blocks of 2×2 or 2×1 output pixels at once, which become
  channels (the kernel is copied with one-pixel shifts).
* In a training step, where every map is kept for the gradient anyway, forms that need more memory:
  few outputs are computed along rows, for each row of the kernel at once, then shifted and added;
  of few inputs, copies shifted by rows become channels of one correlation along rows (with up to
  32 outputs always).
* The gradient with respect to the kernel is summed over tiles that stay in the cache, two at once.
* Of few maps and small kernels: sums of shifted copies with the pixels of a map side by side; few
  outputs along rows outside of training too; XLA's own gradient of the kernel, met from the side
  of the few.

On a GPU both few inputs and few outputs are computed along rows.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from fnet_jax.runtime import precision
from fnet_jax.sparse_coding.operators import adjoint

Form = Callable[[jax.Array, jax.Array], jax.Array]

FEW = 8  # channels; the forms for few were measured with up to 6
NARROW = 32  # maps; to so few, XLA's kernel for two dimensions is slow
SMALL = 12  # maps, up to which a faster form is worth the memory
SMALL_IN_TRAINING = 32  # maps, likewise; there every map is kept anyway
SMALL_KERNEL = 5  # pixels, up to which a plain sum of shifted copies is fast
SMALL_GRADIENT = 160  # side of the kernel × maps, up to which XLA's own gradient is faster
TAPS_AT_ONCE = 54  # terms of a sum up to which XLA computes it in one fast loop
AT_ONCE = 4  # outputs per row of the kernel, in neighboring pixels, of a gradient with few outputs
TILE_ROWS, TILE_COLUMNS = 32, 64  # of the kernel gradient: its copies fill about the L2 cache
LANES = 2  # tiles at once: while one is multiplied, the next is copied


def form(shape: tuple[int, ...]) -> Form | None:
    """The form for a kernel (size, size, C, O) outside of training; None where XLA's is best."""
    _, _, inputs, outputs = shape
    if inputs <= FEW and inputs < outputs <= NARROW:
        return _from_few_form(shape, SMALL)
    if outputs <= 2 and outputs < inputs <= SMALL:
        return _to_few
    if outputs == 1:
        return functools.partial(_correlate_in_blocks, rows=2, columns=2)
    if outputs == 2:
        return functools.partial(_correlate_in_blocks, rows=2, columns=1)
    return None


def form_for_training(shape: tuple[int, ...]) -> Form | None:
    """The same where a gradient will be taken, and every map is kept."""
    _, _, inputs, outputs = shape
    if outputs <= FEW and outputs < inputs:
        return _to_few
    if inputs <= FEW:
        return _from_few_form(shape, SMALL_IN_TRAINING)
    return form(shape)


def _from_few_form(shape: tuple[int, ...], small: int) -> Form:
    size, _, inputs, outputs = shape
    by_maps = inputs < outputs <= small and size <= SMALL_KERNEL
    return _from_few_by_maps if by_maps else _from_few


def form_on_gpu(shape: tuple[int, ...]) -> Form | None:
    """The form on a GPU, in training and outside of it; None where XLA's is best."""
    _, _, inputs, outputs = shape
    if min(inputs, outputs) > FEW:
        return None
    return _to_few if outputs < inputs else _from_few


def kernel_gradient(x: jax.Array, kernel: jax.Array, cotangent: jax.Array) -> jax.Array:
    """The gradient of ``correlate(x, kernel)`` with respect to the kernel, for a cotangent."""
    size = kernel.shape[0]
    if x.shape[3] > cotangent.shape[3]:
        # Shift the cotangent instead of the input: the same sums, met from the other side.
        return adjoint(kernel_gradient(cotangent, adjoint(kernel), x))
    if size * cotangent.shape[3] <= SMALL_GRADIENT:
        return plain_kernel_gradient(x, kernel, cotangent)
    return _shifted_products(x, cotangent, size)


def plain(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The correlation as one convolution of XLA."""
    return _convolved(x, kernel, (1, 1), "SAME", ("NHWC", "HWIO", "NHWC"))


def _convolved(
    x: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    padding: Any,
    axes: tuple[str, str, str],
) -> jax.Array:
    """``lax.conv_general_dilated`` with the precision that is set, and sums in the type of x."""
    total = x.dtype
    if total == jnp.float32 and precision.rounds_to_bfloat16():
        x, kernel = x.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16)
    return lax.conv_general_dilated(
        x,
        kernel,
        strides,
        padding,
        dimension_numbers=axes,
        precision=precision.of_products(),
        preferred_element_type=total,
    )


def plain_kernel_gradient(x: jax.Array, kernel: jax.Array, cotangent: jax.Array) -> jax.Array:
    """The gradient of ``plain(x, kernel)`` with respect to the kernel, for a cotangent."""
    r = kernel.shape[0] // 2
    return _convolved(x, cotangent, (1, 1), ((r, r), (r, r)), ("CHWN", "IHWO", "HWNC"))


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
        return _along_rows(_shifted_copies(source, size, along=2, to=0), target)

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


def _correlate_in_blocks(x: jax.Array, kernel: jax.Array, *, rows: int, columns: int) -> jax.Array:
    """Computes ``rows``×``columns`` neighboring output pixels as channels of one stride."""
    batch, height, width, _ = x.shape
    size, _, _, outputs = kernel.shape
    before, after = size // 2, size - 1 - size // 2
    shifted = [
        jnp.pad(kernel, ((i, rows - 1 - i), (j, columns - 1 - j), (0, 0), (0, 0)))
        for i in range(rows)
        for j in range(columns)
    ]
    blocks_y, blocks_x = -(-height // rows), -(-width // columns)
    y = _convolved(
        x,
        jnp.concatenate(shifted, axis=3),
        (rows, columns),
        (
            (before, after + blocks_y * rows - height),
            (before, after + blocks_x * columns - width),
        ),
        ("NHWC", "HWIO", "NHWC"),
    )
    y = y.reshape(batch, blocks_y, blocks_x, rows, columns, outputs).transpose(0, 1, 3, 2, 4, 5)
    y = y.reshape(batch, blocks_y * rows, blocks_x * columns, outputs)
    return y[:, :height, :width]


def _along_rows(
    x: jax.Array, kernel: jax.Array, *, stride: int = 1, before: int = 0, after: int = 0
) -> jax.Array:
    """Correlates rows (N, W, C) with filters (size, C, O), with zeros ``before`` and ``after``."""
    return _convolved(x, kernel, (stride,), ((before, after),), ("NHC", "HIO", "NHC"))


def _to_few(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """One correlation along rows with each row of the kernel, whose results are then shifted."""
    batch, height, width, inputs = x.shape
    size, _, _, outputs = kernel.shape
    r = size // 2
    pixels = max(1, AT_ONCE // outputs)  # neighbors in a row, computed at once
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
    # out[h, w] = Σᵢ y[h + i − r, w, i]: with h, w and i in one axis, a sum with one stride.
    row = width * size
    total = lax.reduce_window(
        y.reshape(batch, height * row, outputs),
        np.zeros((), y.dtype)[()],
        lax.add,
        window_dimensions=(1, size, 1),
        window_strides=(1, size, 1),
        window_dilation=(1, row + 1, 1),
        padding=((0, 0), (r * row, r * row), (0, 0)),
    )
    return total.reshape(batch, height, width, outputs)


def _from_few(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Copies of the input, shifted by rows, become channels of one correlation along rows."""
    batch, height, width, inputs = x.shape
    size, _, _, outputs = kernel.shape
    r = size // 2
    padded = jnp.pad(x, ((0, 0), (r, r), (0, 0), (0, 0)))
    y = _along_rows(
        _shifted_copies(padded, size, along=1, to=3).reshape(batch * height, width, -1),
        kernel.swapaxes(0, 1).reshape(size, size * inputs, outputs),
        before=r,
        after=r,
    )
    return y.reshape(batch, height, width, outputs)


def _from_few_by_maps(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Sums of shifted copies, for each map; the pixels of a row are what XLA computes at once."""
    batch, height, width, inputs = x.shape
    size, _, _, outputs = kernel.shape
    r = size // 2
    padded = jnp.pad(x.transpose(3, 0, 1, 2), ((0, 0), (0, 0), (r, r), (r, r)))
    filters = kernel.transpose(2, 0, 1, 3)

    def add(total: jax.Array, channel: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        image, taps = channel
        for i in range(size):
            for j in range(size):
                copy = lax.slice(image, (0, i, j), (batch, i + height, j + width))
                total += taps[i, j][:, None, None] * copy[:, None]
        return total, None

    total = jnp.zeros((batch, outputs, height, width), x.dtype)
    if inputs * size**2 <= TAPS_AT_ONCE:
        for channel in zip(padded, filters, strict=True):
            total, _ = add(total, channel)
    else:
        total, _ = lax.scan(add, total, (padded, filters))
    # Else XLA would compute in the order of the channels, a number at a time.
    return lax.optimization_barrier(total).transpose(0, 2, 3, 1)


def _shifted_copies(x: jax.Array, size: int, *, along: int, to: int) -> jax.Array:
    """The windows that start at 0…size − 1 on axis ``along``, side by side on axis ``to``.

    Copies of three shifts are copied again: each slice is a program of its own to compile.
    """
    inner = 3 if size % 3 == 0 else 1
    length = x.shape[along] - size + 1

    def windows(x: jax.Array, starts: range, length: int) -> jax.Array:
        slices = [lax.slice_in_dim(x, i, i + length, axis=along) for i in starts]
        return jnp.concatenate(slices, axis=to)

    return windows(windows(x, range(inner), length + size - inner), range(0, size, inner), length)
