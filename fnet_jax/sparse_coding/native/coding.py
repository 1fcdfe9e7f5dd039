"""Coding and decoding images with the compiled engine.

One call is one iteration (:class:`.momentum.Step`), its threshold, and the few images that are read
from it. Feature maps stay in the engine's own tiled layout, and images are planar (N, C, H, W).
Filters of 5×5 and more are passed as the planes of their Fourier transforms along y.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fnet_jax.sparse_coding import momentum, thresholds
from fnet_jax.sparse_coding.lzsc import LZSC
from fnet_jax.sparse_coding.native import binding
from fnet_jax.sparse_coding.unrolled import Unrolled, keep_inside

# The same as in iteration.h.
ROWS, COLUMNS, POINTS = 24, 32, 32
BLOCK, FEW = 8, 4
LARGEST = POINTS - ROWS + 1
LEAST_TRANSFORMED = 5


def unable(coder: Unrolled) -> str:
    """Why the engine cannot compute a sparse coder here; empty if it can."""
    if not isinstance(coder, LZSC):
        return f"it does not support {type(coder).__name__}"
    if coder.kernel_size > LARGEST:
        return f"it does not support filters larger than {LARGEST}×{LARGEST}"
    if coder.momentum not in momentum.LINEAR:
        return f"it does not support {coder.momentum} momentum"
    return binding.missing()


class Filters(NamedTuple):
    """The filters of one iteration, in the layout of the engine.

    Attributes:
        up: from images to maps, (K / FEW, C, size, size, FEW).
        down: from maps to images, (C, K, size, size); large ones row by row, (C, size, K, size).
        planes_up: transforms of ``up`` along y, (planes, K / BLOCK, C, size, BLOCK); empty for
            small filters.
        planes_down: transforms of ``down``, (planes, C, K, size).
    """

    up: np.ndarray
    down: np.ndarray
    planes_up: np.ndarray
    planes_down: np.ndarray


def prepared(coder: LZSC, params: Mapping[str, np.ndarray], filters: np.ndarray) -> list[Filters]:
    """What :func:`drawn` needs for k = 0…N, computed with NumPy once for all images.

    Args:
        coder: a coder that is not :func:`unable`.
        params: parameters of the coder, by name.
        filters: decoder, shape (size, size, K, O).
    """
    found = []
    for k in range(coder.iterations + 1):
        up = np.concatenate(coder.leaders(params, k), axis=2)
        read = coder.readers(params, k) if k < coder.iterations else [filters]
        down = np.concatenate(read, axis=3)
        found.append(Filters(*map(np.ascontiguousarray, _filters(up, down))))
    return found


def _filters(up: np.ndarray, down: np.ndarray) -> Filters:
    """Filters (size, size, C, K) and (size, size, K, C) in the layout of the engine."""
    size = len(up)
    if size < LEAST_TRANSFORMED:
        none = np.zeros(1, np.float32)
        return Filters(_in_blocks(up, FEW), down.transpose(3, 2, 0, 1), none, none)
    planes_up = np.einsum("qi,kcijb->qkcjb", _planes(size, 1), _in_blocks(up, BLOCK))
    planes_down = np.einsum("qi,ijkc->qckj", _planes(size, -1), down[::-1])
    return Filters(_in_blocks(up, FEW), down.transpose(3, 0, 2, 1), planes_up, planes_down)


def _in_blocks(filters: np.ndarray, block: int) -> np.ndarray:
    """Filters (size, size, C, K) as (K / block, C, size, size, block)."""
    size, _, channels, maps = filters.shape
    filters = np.pad(filters, ((0, 0), (0, 0), (0, 0), (0, -maps % block)))
    return filters.reshape(size, size, channels, -1, block).transpose(3, 2, 0, 1, 4)


def drawn(
    coder: LZSC,
    params: Mapping[str, jax.Array],
    filters: Sequence[Filters],
    e: jax.Array,
    *,
    mask: jax.Array | None = None,
    theta_scale: jax.Array | float = 1.0,
    after: jax.Array | None = None,
) -> jax.Array:
    """Codes images and decodes the code: ``correlate(coder(e)[0], filters)``.

    Args:
        coder: a coder that is not :func:`unable`.
        params: parameters of the coder, by name, for θ and ρ.
        filters: result of :func:`prepared`.
        e: images, shape (N, H, W, C), float32.
        mask: as for the coder.
        theta_scale: as for the coder.
        after: array that XLA computes before it begins; two at a time would take twice the memory.

    Returns:
        Images (N, H, W, O), 0 outside the mask.

    Raises:
        ValueError: ``e`` is not float32.
    """
    if e.dtype != jnp.float32:
        raise ValueError(f"the compiled engine needs float32 images: got {e.dtype}")
    C = e.shape[3]
    inside = jnp.ones(e.shape[:3], e.dtype) if mask is None else _as_image(mask, e)
    theta, rho = coder.schedule_of(params)
    theta = theta_scale * theta
    iterate = functools.partial(_iterate, coder, inside)

    image = jnp.moveaxis(keep_inside(e, mask), 3, 1)
    step = momentum.Step((1.0,), jnp.zeros_like(rho[0]), None)  # u⁰ depends on W_e alone
    before: list[jax.Array] = []  # uᵏ⁻¹ and, from k = 2 on, uᵏ⁻²
    u, found = iterate([image], step, theta[0], before, filters[0], after)
    down_before: jax.Array | None = None
    for k in range(1, coder.iterations + 1):
        down, ahead = found[:, :C], found[:, C:]
        images = [down, image] if down_before is None else [down, image, down_before]
        step = momentum.step(coder.momentum, rho[k], k)
        before = [u, *before[:1]] if step.of_before is not None else [u]
        u, found = iterate(images, step, theta[k], before, filters[k])
        down_before = ahead if ahead.shape[1] else None
    return jnp.moveaxis(found, 1, 3)


def _as_image(mask: jax.Array, e: jax.Array) -> jax.Array:
    """The mask as an image for each of the batch, (N, H, W)."""
    return jnp.broadcast_to(mask, (*e.shape[:3], 1))[..., 0].astype(e.dtype)


def _iterate(
    coder: LZSC,
    inside: jax.Array,
    images: list[jax.Array],
    step: momentum.Step,
    theta: jax.Array,
    before: list[jax.Array],
    filters: Filters,
    after: jax.Array | None = None,
) -> Sequence[jax.Array]:
    """Calls the engine for one iteration, on stacked ``images``, each (N, C, H, W).

    ``inside`` is the mask (N, H, W), ``before`` uᵏ⁻¹ and, if the step uses it, uᵏ⁻², in the
    engine's layout. Returns uᵏ in that layout, and the images that are read from it,
    (N, C, H, W), 0 outside the mask.
    """
    count, height, width = inside.shape
    tiles = count * -(-height // ROWS) * -(-width // COLUMNS)
    results = (
        jax.ShapeDtypeStruct((tiles * coder.features * ROWS * COLUMNS,), jnp.float32),
        jax.ShapeDtypeStruct((count, filters.down.shape[0], height, width), jnp.float32),
    )
    of_before = 0.0 if step.of_before is None else step.of_before
    scalars = [step.of_u, of_before, theta, coder.alpha, coder.gamma]
    for scale, image in zip(step.of_images, images, strict=True):
        scalars += [scale] * image.shape[1]
    unused = jnp.zeros(1, jnp.float32) if after is None else after
    # The maps overwrite those of two iterations before, which are no longer needed.
    alias = {7: 0} if len(before) == 2 else {}
    return jax.ffi.ffi_call(binding.TARGET, results, input_output_aliases=alias)(
        jnp.concatenate(images, axis=1),
        inside,
        *filters,
        *before,
        *[unused] * (2 - len(before)),
        jnp.stack([jnp.asarray(x, jnp.float32) for x in scalars]),
        before=len(before),
        maps=coder.features,
        size=coder.kernel_size,
        kind=thresholds.KINDS.index(coder.threshold),
    )


def _planes(size: int, sign: int) -> np.ndarray:
    """Matrix (planes, size) from ``size`` values to the factors of the planes of their spectrum.

    A complex product (a + bi)(c + di) is computed by three real ones, (a + b)c, a(d − c) and
    b(c + d). For X[k] = c + di = Σ w[n] exp(±2πi kn/32)/32, the factors are c, d − c and c + d,
    k = 1…15; X[0] and X[16] are real and come first.
    """
    angles = 2 * np.pi * np.outer(np.arange(POINTS // 2 + 1), np.arange(size)) / POINTS
    real, imaginary = np.cos(angles), sign * np.sin(angles)
    inner = np.stack([real, imaginary - real, real + imaginary], axis=1)[1:-1]
    planes = np.concatenate([real[[0, -1]], inner.reshape(-1, size)])
    return (planes / POINTS).astype(np.float32)
