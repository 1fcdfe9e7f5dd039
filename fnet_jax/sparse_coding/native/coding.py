"""Coding images and drawing them from their code with the compiled engine.

One call is one iteration: ``u = T(a u' + b u'' + correlate(images, filters))``, and the few images
that are read from u. Feature maps stay in the engine's own layout, tile by tile, and images are
planar (N, C, H, W). Filters of 5×5 and more come as the planes of their Fourier transforms along y.
"""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from fnet_jax.sparse_coding import momentum, thresholds
from fnet_jax.sparse_coding.lzsc import LZSC
from fnet_jax.sparse_coding.native import binding
from fnet_jax.sparse_coding.unrolled import Unrolled, keep_inside

# As in iteration.h.
ROWS, COLUMNS, POINTS = 24, 32, 32
BLOCK, FEW = 8, 4
LARGEST = POINTS - ROWS + 1
LEAST_TRANSFORMED = 5


def unable(coder: Unrolled) -> str:
    """Why the engine cannot compute a sparse coder here, in words; empty if it can."""
    if not isinstance(coder, LZSC):
        return f"it has no {type(coder).__name__}"
    if coder.kernel_size > LARGEST:
        return f"it has no filters larger than {LARGEST}×{LARGEST}"
    if coder.momentum not in momentum.LINEAR:
        return f"it has no {coder.momentum} momentum"
    return binding.missing()


def drawn(
    coder: LZSC,
    params: Mapping[str, jax.Array],
    e: jax.Array,
    filters: jax.Array,
    *,
    mask: jax.Array | None = None,
    theta_scale: jax.Array | float = 1.0,
    after: jax.Array | None = None,
) -> jax.Array:
    """Codes images and correlates the code with filters: ``correlate(coder(e)[0], filters)``.

    Args:
        coder: of whose settings :func:`unable` says nothing.
        params: of the coder, by name.
        e: images, shape (N, H, W, C), float32.
        filters: shape (size, size, K, O).
        mask: as for the coder.
        theta_scale: as for the coder.
        after: what XLA has to compute before it begins; two at a time would take twice the memory.

    Returns:
        Images (N, H, W, O), 0 outside the mask.

    Raises:
        ValueError: ``e`` is not float32.
    """
    if e.dtype != jnp.float32:
        raise ValueError(f"the compiled engine needs images of float32: got {e.dtype}")
    N, C = coder.iterations, e.shape[3]
    inside = jnp.ones(e.shape[:3], e.dtype) if mask is None else _as_image(mask, e)
    theta, rho = coder.schedule_of(params)
    call = _Iteration(coder, inside, theta_scale * theta)

    image = jnp.moveaxis(keep_inside(e, mask), 3, 1)
    read = [coder.readers(params, k) for k in range(N)] + [filters]
    first = momentum.Step(params[coder.parameter("W_e", 0)], jnp.zeros_like(rho[0]), None)
    before: list[jax.Array] = []  # uᵏ⁻¹ and, from k = 2 on, uᵏ⁻²
    u, found = call(0, [image], first, before, read[0], after=after)
    down_before: jax.Array | None = None
    for k in range(1, N + 1):
        down, ahead = found[:, :C], found[:, C:]
        images = [down, image] if down_before is None else [down, image, down_before]
        before = [u, *before[:1]]
        u, found = call(k, images, coder.step(params, k, rho[k]), before, read[k])
        down_before = ahead if ahead.shape[1] else None
    return jnp.moveaxis(found, 1, 3)


def _as_image(mask: jax.Array, e: jax.Array) -> jax.Array:
    """A mask as an image for each of a batch, (N, H, W)."""
    return jnp.broadcast_to(mask, (*e.shape[:3], 1))[..., 0].astype(e.dtype)


class _Iteration:
    """Calls the engine for one iteration."""

    def __init__(self, coder: LZSC, inside: jax.Array, theta: jax.Array) -> None:
        self._coder, self._inside, self._theta = coder, inside, theta

    def __call__(
        self,
        k: int,
        images: list[jax.Array],
        step: momentum.Step,
        before: list[jax.Array],
        read: jax.Array,
        after: jax.Array | None = None,
    ) -> tuple[jax.Array, jax.Array]:
        """uᵏ in the engine's layout, and the images that are read from it, 0 outside the mask."""
        coder, (count, height, width) = self._coder, self._inside.shape
        if step.of_before is None:
            before = before[:1]
        tiles = count * -(-height // ROWS) * -(-width // COLUMNS)
        results = (
            jax.ShapeDtypeStruct((tiles * coder.features * ROWS * COLUMNS,), jnp.float32),
            jax.ShapeDtypeStruct((count, read.shape[3], height, width), jnp.float32),
        )
        # The maps take the place of those of two iterations before, which nothing reads again.
        alias = {7: 0} if len(before) == 2 else {}
        call = jax.ffi.ffi_call(binding.TARGET, results, input_output_aliases=alias)
        of_before = jnp.zeros_like(step.of_u) if step.of_before is None else step.of_before
        scalars = [step.of_u, of_before, self._theta[k], coder.alpha, coder.gamma]
        unused = jnp.zeros(1, jnp.float32) if after is None else after
        new, found = call(
            jnp.concatenate(images, axis=1),
            self._inside,
            _leading(step.filters, FEW),
            _reading(read),
            *_spectra(step.filters, read),
            *before,
            *[unused] * (2 - len(before)),
            jnp.stack([jnp.asarray(x, jnp.float32) for x in scalars]),
            before=len(before),
            maps=coder.features,
            size=coder.kernel_size,
            kind=thresholds.KINDS.index(coder.threshold),
        )
        return new, found * self._inside[:, None]


def _leading(filters: jax.Array, block: int) -> jax.Array:
    """Filters (size, size, C, K) from images to maps, as (K / block, C, size, size, block)."""
    size, _, channels, maps = filters.shape
    filters = jnp.pad(filters, ((0, 0), (0, 0), (0, 0), (0, -maps % block)))
    return filters.reshape(size, size, channels, -1, block).transpose(3, 2, 0, 1, 4)


def _reading(filters: jax.Array) -> jax.Array:
    """Filters (size, size, K, C) from maps to images; large ones row by row."""
    if filters.shape[0] < LEAST_TRANSFORMED:
        return filters.transpose(3, 2, 0, 1)
    return filters.transpose(3, 0, 2, 1)


def _spectra(up: jax.Array, down: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Both kinds of filters as the planes of their transforms along y; nothing of small ones."""
    size = up.shape[0]
    if size < LEAST_TRANSFORMED:
        return jnp.zeros(1, up.dtype), jnp.zeros(1, up.dtype)
    einsum = functools.partial(jnp.einsum, precision="highest")
    leading = einsum("qi,kcijb->qkcjb", _planes(size, 1), _leading(up, BLOCK))
    return leading, einsum("qi,ijkc->qckj", _planes(size, -1), down[::-1])


def _planes(size: int, sign: int) -> np.ndarray:
    """What takes ``size`` values to the factors of the planes of a spectrum, (planes, size).

    A complex product (a + bi)(c + di) is made of the three real ones (a + b)c, a(d − c) and
    b(c + d): of X[k] = c + di = Σ w[n] exp(±2πi kn/32)/32 these are c, d − c and c + d, for
    k = 1…15; X[0] and X[16] are real and come first.
    """
    angles = 2 * np.pi * np.outer(np.arange(POINTS // 2 + 1), np.arange(size)) / POINTS
    real, imaginary = np.cos(angles), sign * np.sin(angles)
    inner = np.stack([real, imaginary - real, real + imaginary], axis=1)[1:-1]
    planes = np.concatenate([real[[0, -1]], inner.reshape(-1, size)])
    return (planes / POINTS).astype(np.float32)
