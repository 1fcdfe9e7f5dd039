"""SSIM: structural similarity of the fused image to both sources, by scikit-image."""

import math
from typing import Any

import numpy as np
from skimage.metrics import structural_similarity

from fnet_jax.metrics.information import SUM_OR_MEAN, combined
from fnet_jax.metrics.metric import OneOf, Positive, metric

WINDOWS: dict[str, tuple[int, dict[str, Any]]] = {  # side in pixels, options of scikit-image
    "uniform": (7, {"win_size": 7}),
    "gaussian": (11, {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}),
}


@metric(
    "SSIM",
    title="Structural similarity",
    higher_is_better=True,
    formula=(
        "mean over windows of (2 μ μ_F + C1)(2 σ_XF + C2) / ((μ² + μ_F² + C1)(σ² + σ_F² + "
        "C2)) for each source, C1 = (0.01 R)², C2 = (0.03 R)², R the range of the values"
    ),
    unit="none",
    range="−1 to 1 for each source; 1 for the source itself",
    undefined="NaN where a side is shorter than the window (7 or 11 pixels)",
    source=(
        'Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: '
        'from error visibility to structural similarity", IEEE Trans. Image Processing 13 '
        "(4), 2004"
    ),
    options={"window": OneOf(tuple(WINDOWS)), "data_range": Positive(), "combine": SUM_OR_MEAN},
)
def ssim(
    I1: np.ndarray,
    I2: np.ndarray,
    If: np.ndarray,
    *,
    window: str = "gaussian",
    data_range: float = 255,
    combine: str = "mean",
) -> float:
    """Luminance, contrast and structure of each source that the fused image keeps.

    Images are (H, W), values 0…255. ``window`` is ``"uniform"``: 7×7, covariances divided by
    N − 1, or ``"gaussian"``: 11×11, σ 1.5, divided by N. ``data_range`` is R. ``combine`` takes the
    ``"sum"`` or the ``"mean"`` over the two sources.
    """
    side, how = WINDOWS[window]
    if min(If.shape) < side:
        return math.nan
    fused = If.astype(np.float64)
    values = [
        structural_similarity(source.astype(np.float64), fused, data_range=data_range, **how)
        for source in (I1, I2)
    ]
    return combined(float(sum(values)), combine)
