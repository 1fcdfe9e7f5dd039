"""Plain statistics: SD, SF and AG of the fused image; SCD, CC, MSE and PSNR to the sources.

Images are (H, W), values 0…255; computations are in float64.
"""

import math

import numpy as np

from fnet_jax.metrics.metric import OneOf, metric


@metric(
    "SD",
    title="Standard deviation",
    higher_is_better=True,
    formula="√(mean (If − mean If)²)",
    unit="grey levels",
    range="0 to 127.5",
    undefined="never; of a constant image it is 0",
    source=(
        'Y.-J. Rao, "In-fibre Bragg grating sensors", Measurement Science and Technology 8 '
        "(4), 1997, which the field cites for it"
    ),
)
def sd(I1: np.ndarray, I2: np.ndarray, If: np.ndarray) -> float:
    """Contrast of the fused image, (H, W), values 0…255. Only ``If`` is used."""
    return float(np.std(If, dtype=np.float64))


@metric(
    "SF",
    title="Spatial frequency",
    higher_is_better=True,
    formula="√(mean (If(i, j) − If(i, j−1))² + mean (If(i, j) − If(i−1, j))²)",
    unit="grey levels",
    range="0 to 360.6",
    undefined="never; a direction of one pixel has no differences and adds 0",
    source=(
        'A. M. Eskicioglu, P. S. Fisher, "Image quality measures and their performance", IEEE'
        " Trans. Communications 43 (12), 1995"
    ),
    options={"over": OneOf(("pixels", "differences"))},
)
def sf(I1: np.ndarray, I2: np.ndarray, If: np.ndarray, *, over: str = "pixels") -> float:
    """Fine detail of the fused image, (H, W), values 0…255. Only ``If`` is used.

    ``over`` divides the sums of squares by the number of ``"differences"`` or of ``"pixels"``.
    """
    fused = If.astype(np.float64)
    squares = 0.0
    for differences in (fused[1:] - fused[:-1], fused[:, 1:] - fused[:, :-1]):
        count = fused.size if over == "pixels" else differences.size
        squares += float(np.sum(differences**2)) / max(count, 1)
    return math.sqrt(squares)


@metric(
    "AG",
    title="Average gradient",
    higher_is_better=True,
    formula="mean √((∇x² + ∇y²) / 2) of If",
    unit="grey levels per pixel",
    range="0 to 255",
    undefined="NaN for images of one row or one column",
    source=(
        'G. Cui, H. Feng, Z. Xu, Q. Li, Y. Chen, "Detail preserved fusion of visible and '
        "infrared images using regional saliency extraction and multi-scale image "
        'decomposition", Optics Communications 341, 2015'
    ),
    options={"gradient": OneOf(("forward", "central")), "over": OneOf(("cells", "pixels"))},
)
def ag(
    I1: np.ndarray,
    I2: np.ndarray,
    If: np.ndarray,
    *,
    gradient: str = "forward",
    over: str = "cells",
) -> float:
    """Sharpness of the fused image, (H, W), values 0…255. Only ``If`` is used.

    ``gradient`` takes ``"central"`` differences at each pixel (one-sided at the border), or
    ``"forward"`` differences at each pixel that has a right and a lower neighbor. ``over`` divides
    the sum by the number of ``"pixels"`` or of ``"cells"``, (H − 1)(W − 1).
    """
    fused = If.astype(np.float64)
    if min(fused.shape) < 2:
        return math.nan
    if gradient == "central":
        dy, dx = np.gradient(fused)
    else:
        dy, dx = np.diff(fused, axis=0)[:, :-1], np.diff(fused, axis=1)[:-1]
    count = dx.size if over == "pixels" else (fused.shape[0] - 1) * (fused.shape[1] - 1)
    return float(np.sum(np.sqrt((dx * dx + dy * dy) / 2)) / count)


@metric(
    "SCD",
    title="Sum of the correlations of differences",
    higher_is_better=True,
    formula="r(If − I2, I1) + r(If − I1, I2), r being Pearson's correlation",
    unit="none",
    range="−2 to 2",
    undefined="NaN where a source is constant, or differs from If by a constant",
    source=(
        'V. Aslantas, E. Bendes, "A new image quality metric for image fusion: the sum of the'
        ' correlations of differences", AEU International J. Electronics and Communications '
        "69 (12), 2015"
    ),
)
def scd(I1: np.ndarray, I2: np.ndarray, If: np.ndarray) -> float:
    """How well what If adds to one source correlates with the other; (H, W), values 0…255."""
    one, two, fused = (image.astype(np.float64) for image in (I1, I2, If))
    return _correlation(fused - two, one) + _correlation(fused - one, two)


@metric(
    "CC",
    title="Correlation coefficient",
    higher_is_better=True,
    formula="(r(I1, If) + r(I2, If)) / 2, r being Pearson's correlation",
    unit="none",
    range="−1 to 1",
    undefined="NaN where an image is constant",
    source=(
        'S. Deshmukh, R. Bhosale, "Image fusion and image quality assessment of fused '
        'images", International J. Image Processing 4 (5), 2010'
    ),
)
def cc(I1: np.ndarray, I2: np.ndarray, If: np.ndarray) -> float:
    """How linearly the fused image follows the sources; (H, W), values 0…255."""
    fused = If.astype(np.float64)
    return (
        _correlation(I1.astype(np.float64), fused) + _correlation(I2.astype(np.float64), fused)
    ) / 2


@metric(
    "MSE",
    title="Mean squared error",
    higher_is_better=False,
    formula="mean of ((I1 − If)² + (I2 − If)²) / 2",
    unit="squared grey levels",
    range="0 to 65,025",
    undefined="never",
    source=(
        'P. Jagalingam, A. V. Hegde, "A review of quality metrics for fused image", Aquatic '
        "Procedia 4, 2015"
    ),
)
def mse(I1: np.ndarray, I2: np.ndarray, If: np.ndarray) -> float:
    """How far the fused image is from both sources; (H, W), values 0…255."""
    return (_squares(I1, If) + _squares(I2, If)) / (2 * If.size)


@metric(
    "PSNR",
    title="Peak signal-to-noise ratio",
    higher_is_better=True,
    formula="10 log₁₀(peak² / error)",
    unit="decibels",
    range='usually 5 to 40, or 50 to 70 with error "root"',
    undefined="infinite where both sources equal If; NaN where the peak is 0",
    source=(
        'P. Jagalingam, A. V. Hegde, "A review of quality metrics for fused image", Aquatic '
        "Procedia 4, 2015"
    ),
    options={"peak": OneOf(("type", "image")), "error": OneOf(("mse", "root"))},
)
def psnr(
    I1: np.ndarray,
    I2: np.ndarray,
    If: np.ndarray,
    *,
    peak: str = "type",
    error: str = "mse",
) -> float:
    """How well the fused image estimates both sources; (H, W), values 0…255.

    ``peak`` is 255 for ``"type"``, the largest value of If for ``"image"``. ``error`` is that of
    :func:`mse` for ``"mse"``; for ``"root"`` it is the mean over both sources of
    √(Σ (Iᵢ − If)²) / (H W).
    """
    high = 255.0 if peak == "type" else float(If.max())
    if error == "mse":
        noise = mse(I1, I2, If)
    else:
        noise = (math.sqrt(_squares(I1, If)) + math.sqrt(_squares(I2, If))) / (2 * If.size)
    if high == 0:
        return math.nan
    return 10 * math.log10(high**2 / noise) if noise else math.inf


def _squares(one: np.ndarray, two: np.ndarray) -> float:
    """Σ (one − two)²; exact for 8-bit images."""
    difference = one.astype(np.float64) - two
    return float(np.sum(difference**2))


def _correlation(one: np.ndarray, two: np.ndarray) -> float:
    """Pearson's coefficient of two float64 arrays; NaN where one is constant."""
    one, two = one - one.mean(), two - two.mean()
    scale = math.sqrt(np.sum(one**2) * np.sum(two**2))
    return float(np.sum(one * two)) / scale if scale else math.nan
