"""Metrics of grey-level histograms: EN, MI and CE.

Images are uint8 (H, W). Probabilities are shares of the pixels in each of 256 levels.
"""

import numpy as np

from fnet_jax.metrics.metric import OneOf, metric

LEVELS = 256
SUM_OR_MEAN = OneOf(("sum", "mean"))


@metric(
    "MI",
    title="Mutual information",
    higher_is_better=True,
    formula="I(I1; If) + I(I2; If), with I(X; F) = Σ p(x, f) log(p(x, f) / (p(x) p(f)))",
    unit="bits or nats",
    range="0 to the entropies of both sources, at most 16 bits (11.09 nats)",
    undefined="never; of a constant image it is 0",
    source=(
        'G. Qu, D. Zhang, P. Yan, "Information measure for performance of image fusion", '
        "Electronics Letters 38 (7), 2002"
    ),
    options={"base": OneOf(("bits", "nats")), "stretch": OneOf((False, True))},
)
def mi(
    I1: np.ndarray, I2: np.ndarray, If: np.ndarray, *, base: str = "bits", stretch: bool = False
) -> float:
    """How well the fused image predicts the grey levels of both sources.

    Images are uint8 (H, W). ``base`` is ``"bits"`` or ``"nats"``; ``stretch`` first spreads the
    values of each image over 0…255, rounded.
    """
    if stretch:
        I1, I2, If = (stretched(image).astype(np.uint8) for image in (I1, I2, If))
    nats = _mutual(I1, If) + _mutual(I2, If)
    return nats / float(np.log(2)) if base == "bits" else nats


@metric(
    "CE",
    title="Cross entropy",
    higher_is_better=False,
    formula=(
        "D(I1 ‖ If) + D(I2 ‖ If), or half of it, with D(X ‖ F) = Σ p(x) log₂(p(x) / q(x)) "
        "over the levels that occur in both images; the others would make it infinite"
    ),
    unit="bits",
    range="0 upwards (below 0 where many levels of a source are missing in the fused image)",
    undefined="never; of images without a common level it is 0",
    source=(
        'D. M. Bulanon, T. F. Burks, V. Alchanatis, "Image fusion of visible and thermal '
        'images for fruit detection", Biosystems Engineering 103 (1), 2009'
    ),
    options={"combine": SUM_OR_MEAN},
)
def ce(I1: np.ndarray, I2: np.ndarray, If: np.ndarray, *, combine: str = "mean") -> float:
    """How far the fused image's histogram is from those of the sources.

    Images are uint8 (H, W). ``combine`` takes the ``"sum"`` or the ``"mean"`` of the two
    divergences.
    """
    q = histogram(If)
    total = 0.0
    for image in (I1, I2):
        p = histogram(image)
        both = (p > 0) & (q > 0)
        total += float(np.sum(p[both] * np.log2(p[both] / q[both])))
    return combined(total, combine)


@metric(
    "EN",
    title="Entropy",
    higher_is_better=True,
    formula="−Σ p log₂ p over the levels of If",
    unit="bits",
    range="0 to 8",
    undefined="never; of a constant image it is 0",
    source=(
        'J. W. Roberts, J. van Aardt, F. Ahmed, "Assessment of image fusion procedures using '
        'entropy, image quality, and multispectral classification", J. Applied Remote Sensing'
        " 2, 2008"
    ),
)
def en(I1: np.ndarray, I2: np.ndarray, If: np.ndarray) -> float:
    """How evenly the fused image uses the grey levels; uint8 (H, W). Only ``If`` is used."""
    p = histogram(If)
    p = p[p > 0]
    return abs(float(np.sum(p * np.log2(p))))


def histogram(image: np.ndarray) -> np.ndarray:
    """Shares of the pixels in each grey level, shape (256,)."""
    return np.bincount(image.ravel(), minlength=LEVELS) / image.size


def stretched(image: np.ndarray) -> np.ndarray:
    """Values spread linearly over 0…255 and rounded, halves upwards; a constant image is 0."""
    values = image.astype(np.float64)
    low, high = values.min(), values.max()
    if low == high:
        return np.zeros_like(values)
    return np.floor((values - low) / (high - low) * 255 + 0.5)


def combined(total: float, combine: str) -> float:
    """The sum over two sources, or with ``combine="mean"`` half of it."""
    return total if combine == "sum" else total / 2


def _mutual(source: np.ndarray, fused: np.ndarray) -> float:
    """Mutual information of two images in nats."""
    levels = source.ravel().astype(np.intp) * LEVELS + fused.ravel()
    joint = np.bincount(levels, minlength=LEVELS**2).reshape(LEVELS, LEVELS) / source.size
    x, f = np.nonzero(joint)
    p = joint[x, f]
    nats = float(np.sum(p * np.log(p / (joint.sum(axis=1)[x] * joint.sum(axis=0)[f]))))
    return max(nats, 0.0)  # rounding
