"""Qabf: how much of the sources' edges the fused image keeps."""

import math

import numpy as np

from fnet_jax.metrics.metric import OneOf, metric

GAIN_STRENGTH, SLOPE_STRENGTH, MIDDLE_STRENGTH = 0.9994, 15.0, 0.5  # Γg, −κg, σg
GAIN_ANGLE, SLOPE_ANGLE, MIDDLE_ANGLE = 0.9879, 22.0, 0.8  # Γα, −κα, σα


@metric(
    "Qabf",
    title="Edge preservation",
    higher_is_better=True,
    formula=(
        "Σ (Q₁ g₁ + Q₂ g₂) / Σ (g₁ + g₂), Qᵢ = Q_g(G) Q_α(A), where G is the smaller of the "
        "edge strengths g (Sobel) of source and If divided by the larger, A = 1 − |αᵢ − α_F| "
        "/ (π/2) compares directions, and Q_g and Q_α are sigmoids"
    ),
    unit="none",
    range="0 to 0.975",
    undefined="NaN where both sources are 0 everywhere",
    source=(
        'C. S. Xydeas, V. Petrović, "Objective image fusion performance measure", Electronics'
        " Letters 36 (4), 2000"
    ),
    options={"equal": OneOf(("one", "strength"))},
)
def qabf(I1: np.ndarray, I2: np.ndarray, If: np.ndarray, *, equal: str = "one") -> float:
    """How well the fused image keeps the strength and direction of the sources' edges.

    Images are (H, W), values 0…255. Where both strengths are ``equal``, G is ``"one"``, or the
    ``"strength"`` itself.
    """
    strength_f, angle_f = _edges(If)
    kept = total = 0.0
    for image in (I1, I2):
        strength, angle = _edges(image)
        larger = np.maximum(strength, strength_f)
        ratio = np.minimum(strength, strength_f) / np.where(larger > 0, larger, 1)
        same = strength == strength_f
        ratio[same] = 1.0 if equal == "one" else strength_f[same]
        likeness = 1 - np.abs(angle - angle_f) / (np.pi / 2)
        quality = 1 + np.exp(-SLOPE_STRENGTH * (ratio - MIDDLE_STRENGTH))
        quality *= 1 + np.exp(-SLOPE_ANGLE * (likeness - MIDDLE_ANGLE))
        kept += GAIN_STRENGTH * GAIN_ANGLE * float(np.sum(strength / quality))
        total += float(strength.sum())
    return kept / total if total else math.nan


def _edges(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strength and orientation, in −π/2…π/2, of the Sobel gradient; zero outside the image."""
    x = np.pad(image.astype(np.float64), 1)
    columns = x[:-2] + 2 * x[1:-1] + x[2:]
    rows = x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]
    # The signs matter where sx is 0: the orientation is then π/2 in either direction.
    sx = columns[:, :-2] - columns[:, 2:]
    sy = rows[2:] - rows[:-2]
    flat = sx == 0
    angle = np.arctan(sy / np.where(flat, 1, sx))
    angle[flat] = np.pi / 2
    return np.sqrt(sx * sx + sy * sy), angle
