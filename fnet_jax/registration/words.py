"""Descriptions of transforms."""

import math

import numpy as np

from fnet_jax.registration.estimation import Registration
from fnet_jax.registration.transforms import moved


def described(registration: Registration) -> str:
    """A transform at the center of I1, such as ``scale 0.41, rotated by 1.2°``."""
    height, width = registration.size1
    x, y = (width - 1) / 2, (height - 1) / 2
    center, right, below = moved(
        registration.matrix, np.array([[x, y], [x + 1, y], [x, y + 1]], np.float64)
    )
    across, down = right - center, below - center
    scale = math.sqrt(abs(across[0] * down[1] - across[1] * down[0]))
    degrees = math.degrees(math.atan2(across[1] - down[0], across[0] + down[1]))
    return (
        f"scale {scale:.4g}, rotated by {degrees:.2f}°, I1's center at "
        f"({center[0]:.1f}, {center[1]:.1f}) of I2"
    )
