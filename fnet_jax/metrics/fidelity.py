"""VIF: visual information fidelity in the pixel domain."""

import math

import numpy as np
from scipy.ndimage import correlate1d

from fnet_jax.metrics.information import SUM_OR_MEAN, combined
from fnet_jax.metrics.metric import metric

SCALES = (17, 9, 5, 3)  # window in pixels at each scale; its σ is a fifth of it
NOISE = 2.0  # variance of the visual noise, in squared grey levels
SMALLEST = 41  # pixels a side; smaller images have no pixels at the fourth scale
TINY = 1e-10


@metric(
    "VIF",
    title="Visual information fidelity",
    higher_is_better=True,
    formula=(
        "for each source X, Σ log(1 + g² σ²_X / (σ²_V + 2)) / Σ log(1 + σ²_X / 2) over all "
        "windows of four scales (pixel domain), with g = σ_XF / σ²_X and σ²_V = σ²_F − g σ_XF"
    ),
    unit="none",
    range="0 upwards for each source; 1 for the source itself, more where contrast is enhanced",
    undefined="NaN where a source is constant or a side is below 41 pixels",
    source=(
        'H. R. Sheikh, A. C. Bovik, "Image information and visual quality", IEEE Trans. Image'
        " Processing 15 (2), 2006"
    ),
    options={"combine": SUM_OR_MEAN},
)
def vif(I1: np.ndarray, I2: np.ndarray, If: np.ndarray, *, combine: str = "mean") -> float:
    """How much of the visible information of the sources the fused image keeps.

    Images are (H, W), values 0…255. ``combine`` takes the ``"sum"`` or the ``"mean"`` over the two
    sources.
    """
    if min(If.shape) < SMALLEST:
        return math.nan
    sources, fused = [image.astype(np.float64) for image in (I1, I2)], If.astype(np.float64)
    kept, there = np.zeros(2), np.zeros(2)
    for scale, size in enumerate(SCALES):
        window = _gaussian(size)
        if scale:
            *sources, fused = (_filtered(x, window)[::2, ::2] for x in (*sources, fused))
        mean_f = _filtered(fused, window)
        variance_f = np.maximum(_filtered(fused * fused, window) - mean_f * mean_f, 0)
        for i, source in enumerate(sources):
            mean = _filtered(source, window)
            variance = np.maximum(_filtered(source * source, window) - mean * mean, 0)
            covariance = _filtered(source * fused, window) - mean * mean_f
            kept[i] += _information(variance, variance_f, covariance)
            there[i] += float(np.sum(np.log1p(np.where(variance < TINY, 0, variance) / NOISE)))
    if not there.all():
        return math.nan
    return combined(float(np.sum(kept / there)), combine)


def _information(variance: np.ndarray, variance_f: np.ndarray, covariance: np.ndarray) -> float:
    """What a fused image shows of a source, in nats, from local (co)variances; all (h, w)."""
    seen = (variance >= TINY) & (variance_f >= TINY)
    gain = np.where(seen, covariance / (variance + TINY), 0)
    rest = variance_f - gain * covariance
    # An inverted window shows nothing, and all of the fused image is noise there.
    rest = np.maximum(np.where(gain < 0, variance_f, rest), TINY)
    gain = np.maximum(gain, 0)
    return float(np.sum(np.log1p(gain * gain * variance / (rest + NOISE))))


def _gaussian(size: int) -> np.ndarray:
    """One-dimensional window that sums to 1, shape (size,)."""
    x = np.arange(size) - size // 2
    window = np.exp(-(x**2) / (2 * (size / 5) ** 2))
    return window / window.sum()


def _filtered(image: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Weighted mean of each window inside the image: (H, W) → (H − n + 1, W − n + 1)."""
    edge = len(window) // 2
    rows = correlate1d(image, window, axis=0, mode="constant")[edge : image.shape[0] - edge]
    return correlate1d(rows, window, axis=1, mode="constant")[:, edge : image.shape[1] - edge]
