"""Qcb: the Chen–Blum metric, contrast as the human visual system perceives it."""

import math

import numpy as np
from scipy import fft
from scipy.ndimage import correlate1d

from fnet_jax.metrics.information import stretched
from fnet_jax.metrics.metric import OneOf, metric

NARROW, WIDE, DEPTH = 15.3870, 1.3456, 0.7622  # f0, f1, a of the contrast sensitivity
DEGREES = 30  # pixels per degree of viewing angle
SIGMAS = (2, 4)  # pixels; of the Gaussians whose ratio is the local contrast
RADIUS = 15  # pixels; of their windows
P, Q, Z = 3, 2, 0.0001  # of the masked contrast C^p / (C^q + Z)


@metric(
    "Qcb",
    title="Chen–Blum metric",
    higher_is_better=True,
    formula=(
        "mean of (C₁² Q₁ + C₂² Q₂) / (C₁² + C₂²), where C = c³ / (c² + 0.0001) of the "
        "contrast c = |G₂∗x / G₄∗x − 1| of each image x after the eye's contrast sensitivity,"
        " and Qᵢ is the smaller of Cᵢ and C_F divided by the larger"
    ),
    unit="none",
    range="0 to 1",
    undefined="NaN where an image is constant; pixels where no source has contrast are left out",
    source=(
        'Y. Chen, R. S. Blum, "A new automated quality assessment algorithm for image '
        'fusion", Image and Vision Computing 27 (10), 2009, with the constants of '
        "Z. Liu's "
        "metricChenBlum"
    ),
    options={"border": OneOf(("mirror", "zero")), "stretch": OneOf((False, True))},
)
def qcb(
    I1: np.ndarray, I2: np.ndarray, If: np.ndarray, *, border: str = "mirror", stretch: bool = False
) -> float:
    """How much of the sources' contrast, as an eye perceives it, the fused image keeps.

    Images are (H, W), values 0…255. ``border`` is what lies outside them for the Gaussians:
    ``"zero"``, with windows whose sum is slightly off 1, or ``"mirror"``, with windows that sum
    to 1. ``stretch`` first spreads the values of each image over 0…255, rounded.
    """
    if any(image.min() == image.max() for image in (I1, I2, If)):
        return math.nan
    sensitivity = _sensitivity(If.shape)
    one, two, fused = (
        _contrast(stretched(x) if stretch else x.astype(np.float64), sensitivity, border)
        for x in (I1, I2, If)
    )
    weight1, weight2 = one * one, two * two
    kept = weight1 * _smaller_share(one, fused) + weight2 * _smaller_share(two, fused)
    weight = weight1 + weight2
    seen = (weight > 0) & np.isfinite(weight)
    return float(np.mean(kept[seen] / weight[seen])) if seen.any() else math.nan


def _smaller_share(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """The smaller of two values ≥ 0 divided by the larger; 0 where both are 0."""
    larger = np.maximum(one, two)
    return np.minimum(one, two) / np.where(larger > 0, larger, 1)


def _sensitivity(shape: tuple[int, ...]) -> np.ndarray:
    """Contrast sensitivity at the frequencies of ``rfft2`` of an image of that shape."""
    height, width = shape
    y = fft.fftfreq(height)[:, None] * 2 * height / DEGREES
    x = fft.rfftfreq(width)[None, :] * 2 * width / DEGREES
    squares = y * y + x * x
    return np.exp(-squares / NARROW**2) - DEPTH * np.exp(-squares / WIDE**2)


def _contrast(image: np.ndarray, sensitivity: np.ndarray, border: str) -> np.ndarray:
    """Masked local contrast C′ of an image, the same shape."""
    seen = fft.irfft2(fft.rfft2(image) * sensitivity, image.shape)
    near, far = (_blurred(seen, sigma, border) for sigma in SIGMAS)
    with np.errstate(divide="ignore", invalid="ignore"):
        contrast = np.abs(near / far - 1)
        return contrast**P / (contrast**Q + Z)


def _blurred(image: np.ndarray, sigma: float, border: str) -> np.ndarray:
    x = np.arange(-RADIUS, RADIUS + 1)
    window = np.exp(-(x**2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)
    if border == "mirror":
        window /= window.sum()
    mode = "reflect" if border == "mirror" else "constant"
    return correlate1d(correlate1d(image, window, axis=0, mode=mode), window, axis=1, mode=mode)
