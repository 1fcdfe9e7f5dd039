"""The losses of the two training stages: eq. 25 (stage I) and eq. 26 (stage II).

Images are (N, H, W, 1), values in about [0, 1]; I1 is the visible, CT, PET or SPECT image, I2 the
infrared, near-infrared or MRI image. Each loss returns ``(total, terms)``; the weighted terms sum
to the total. ``axis_name`` names a mapped axis (``jax.pmap``) over which a batch is split: the
losses are then those of this device's part, and their mean over the axis is the loss of the batch.
"""

import functools
from collections.abc import Collection

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

INTENSITY_WEIGHT, GRADIENT_WEIGHT, SSIM_WEIGHT = 20.0, 20.0, 15.0  # eq. 26
SSIM_SIGMA, SSIM_WINDOW = 1.5, 11  # pixels
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2

Terms = dict[str, jax.Array]
"""Parts of a loss, scalars, by name."""


def stage1(
    I1: jax.Array, I2: jax.Array, I1_again: jax.Array, I2_again: jax.Array
) -> tuple[jax.Array, Terms]:
    """How well IFNet recovers the sources from the fused images (eq. 25).

    Σᵢ mean |Iᵢ′ − Iᵢ| + mean |∇Iᵢ′ − ∇Iᵢ|, with ∇ of :func:`sobel` and Iᵢ′ (``I1_again``,
    ``I2_again``) the outputs of IFNet. Terms: ``I1_intensity``, ``I1_gradient``, ``I2_intensity``,
    ``I2_gradient``.
    """
    terms = {
        "I1_intensity": jnp.mean(jnp.abs(I1_again - I1)),
        "I1_gradient": jnp.mean(jnp.abs(sobel(I1_again) - sobel(I1))),
        "I2_intensity": jnp.mean(jnp.abs(I2_again - I2)),
        "I2_gradient": jnp.mean(jnp.abs(sobel(I2_again) - sobel(I2))),
    }
    return sum(terms.values(), jnp.zeros((), I1.dtype)), terms


def stage2(
    If: jax.Array,
    I1: jax.Array,
    I2: jax.Array,
    *,
    without: Collection[str] = (),
    axis_name: str | None = None,
) -> tuple[jax.Array, Terms]:
    """How well fused images keep the brighter pixel, the stronger edge and the structure (eq. 26).

    20 mean |If − max(I1, I2)| + 20 mean |g(If) − max(g(I1), g(I2))|
    + 15 (1 − w1 ssim(I1, If) − w2 ssim(I2, If)), with g of :func:`edges` and wᵢ the share of g(Iᵢ)
    in the edges of both sources over the batch; w1 = w2 = ½ where no source has an edge.
    Terms: ``intensity``, ``gradient``, ``ssim``.

    Args:
        If: fused images.
        I1: sources, the same shape.
        I2: sources, the same shape.
        without: names of terms to leave out (AE13 to AE15 of Table III).
        axis_name: mapped axis over which the batch is split, for wᵢ; None if there is none.

    Raises:
        ValueError: ``without`` names an unknown term.
    """
    edges1, edges2 = edges(I1), edges(I2)
    strength = jnp.stack([jnp.mean(edges1), jnp.mean(edges2)])
    if axis_name is not None:
        strength = lax.pmean(strength, axis_name)
    both = jnp.sum(strength)
    w1, w2 = jnp.where(both > 0, strength / jnp.where(both > 0, both, 1), 0.5)
    similarity = w1 * ssim(I1, If) + w2 * ssim(I2, If)
    strongest = jnp.maximum(edges1, edges2)
    terms = {
        "intensity": INTENSITY_WEIGHT * jnp.mean(jnp.abs(If - jnp.maximum(I1, I2))),
        "gradient": GRADIENT_WEIGHT * jnp.mean(jnp.abs(edges(If) - strongest)),
        "ssim": SSIM_WEIGHT * (1 - similarity),
    }
    if not terms.keys() >= set(without):
        raise ValueError(f"unknown term in {', '.join(without)}: use some of {', '.join(terms)}")
    terms = {name: term for name, term in terms.items() if name not in without}
    return sum(terms.values(), jnp.zeros((), If.dtype)), terms


def sobel(images: jax.Array) -> jax.Array:
    """∇ of eq. 25: Sobel's ∂x and ∂y as channels (N, H, W, 2).

    Kernels are divided by 8; border pixels are repeated.
    """
    x, y = _sobel(images, border="edge")
    return jnp.concatenate([x, y], axis=3) / 8


def edges(images: jax.Array) -> jax.Array:
    """Edge strength g = |Sobel_x| + |Sobel_y| of eq. 26; kernels not scaled, zeros outside."""
    x, y = _sobel(images, border="constant")
    return jnp.abs(x) + jnp.abs(y)


def ssim(one: jax.Array, other: jax.Array) -> jax.Array:
    """Mean structural similarity (Wang et al., 2004) of two batches of images of range 1.

    Windows are 11×11 Gaussians of σ = 1.5 pixels with zeros outside the images; C1 = 0.01²,
    C2 = 0.03²; variances are those of the window's distribution (no n − 1).
    """
    products = [one, other, one * one, other * other, one * other]
    mu1, mu2, square1, square2, product = jnp.split(
        _separable(jnp.concatenate(products, axis=0), _gaussian(), _gaussian()), 5, axis=0
    )
    variance1, variance2 = square1 - mu1**2, square2 - mu2**2
    covariance = product - mu1 * mu2
    luminance = (2 * mu1 * mu2 + SSIM_C1) / (mu1**2 + mu2**2 + SSIM_C1)
    structure = (2 * covariance + SSIM_C2) / (variance1 + variance2 + SSIM_C2)
    return jnp.mean(luminance * structure)


def _gaussian() -> np.ndarray:
    x = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    weights = np.exp(-(x**2) / (2 * SSIM_SIGMA**2))
    return weights / weights.sum()


def _sobel(images: jax.Array, *, border: str) -> tuple[jax.Array, jax.Array]:
    """The Sobel derivatives in x and y; ``border`` is a mode of ``jnp.pad``."""
    padded = jnp.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode=border)
    difference, smooth = np.array([-1.0, 0.0, 1.0]), np.array([1.0, 2.0, 1.0])
    height, width = images.shape[1:3]
    x = _separable(padded, smooth, difference)[:, 1 : 1 + height, 1 : 1 + width]
    y = _separable(padded, difference, smooth)[:, 1 : 1 + height, 1 : 1 + width]
    return x, y


def _separable(images: jax.Array, column: np.ndarray, row: np.ndarray) -> jax.Array:
    """Correlates each channel with ``column`` along y and ``row`` along x, zeros outside."""
    return _correlate(images, tuple(column.tolist()), tuple(row.tolist()))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _correlate(images: jax.Array, column: tuple[float, ...], row: tuple[float, ...]) -> jax.Array:
    """Computes the correlation as sums of shifted images.

    XLA on a CPU fuses these for short kernels, and its one-channel convolution is slow. The
    gradient is a correlation with reversed kernels; JAX's own would store an image per shift.
    """
    for axis, taps in ((1, column), (2, row)):
        reach, length = len(taps) // 2, images.shape[axis]
        widths = [(0, 0)] * 4
        widths[axis] = (reach, reach)
        padded = jnp.pad(images, widths)
        images = sum(
            (
                tap * lax.slice_in_dim(padded, i, i + length, axis=axis)
                for i, tap in enumerate(taps)
                if tap != 0
            ),
            jnp.zeros_like(images),
        )
    return images


def _correlate_forward(
    images: jax.Array, column: tuple[float, ...], row: tuple[float, ...]
) -> tuple[jax.Array, None]:
    return _correlate(images, column, row), None


def _correlate_backward(
    column: tuple[float, ...], row: tuple[float, ...], _: None, cotangent: jax.Array
) -> tuple[jax.Array]:
    return (_correlate(cotangent, column[::-1], row[::-1]),)


_correlate.defvjp(_correlate_forward, _correlate_backward)
