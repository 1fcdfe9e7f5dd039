"""Phantoms of a head in two medical modalities, for tests and demos: drawn, not measured.

An axial slice is described by a map of its tissues; each modality then gives every tissue its own
level. The images are not anatomically correct and must not be mistaken for those of a patient.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

KINDS = ("ct", "pet", "spect")

# Levels of (fluid, grey matter, white matter, fat and skin, lesion) under common MRI weightings.
_MRI = {
    "T1": (0.08, 0.42, 0.6, 0.95, 0.3),
    "T2": (1.0, 0.55, 0.36, 0.5, 0.9),
    "PD": (0.7, 0.62, 0.48, 0.6, 0.85),
    "FLAIR": (0.06, 0.55, 0.42, 0.45, 0.95),
}
_CT = (0.2, 0.43, 0.38, 0.04, 0.33)  # the window that shows brain, as in the Harvard set

# Pseudo-colors from no activity to the most, evenly spaced.
_COLORS = {
    "pet": ((0, 0, 0), (0, 0, 130), (0, 90, 255), (90, 220, 160), (255, 235, 0), (255, 120, 0),
            (255, 0, 0)),
    "spect": ((0, 0, 0), (40, 70, 80), (75, 0, 140), (190, 60, 110), (255, 110, 30),
              (255, 165, 80), (255, 255, 255)),
}  # fmt: skip


@dataclass(frozen=True)
class _Head:
    """Coverage of each pixel by each tissue, (height, width) in [0, 1]; later ones are on top."""

    head: np.ndarray
    skull: np.ndarray
    brain: np.ndarray
    grey: np.ndarray
    fluid: np.ndarray
    lesion: np.ndarray
    calcified: np.ndarray


def phantom(
    height: int = 256, width: int = 256, *, seed: int = 0, kind: str = "ct"
) -> tuple[np.ndarray, np.ndarray]:
    """A head seen by CT, PET or SPECT and by MRI, registered, on a black background.

    CT shows a bright skull, nearly flat tissue and calcifications; PET and SPECT a smooth map of
    activity in pseudo-color with hot spots; MRI a dark skull, folds, ventricles and lesions.

    Args:
        height: of the images in pixels, at least 16.
        width: of the images in pixels, at least 16.
        seed: determines the head's shape, the slice, the MRI's weighting and the noise.
        kind: the first modality, ``"ct"``, ``"pet"`` or ``"spect"``.

    Returns:
        The first modality, uint8, (height, width) for CT and (height, width, 3) for the others,
        and the MRI, uint8 (height, width).

    Raises:
        ValueError: ``kind`` is unknown.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; use one of {', '.join(KINDS)}")
    dice = np.random.default_rng(seed)
    head = _head(height, width, dice)
    mri = _mri(head, dice)
    first = _ct(head, dice) if kind == "ct" else _activity(head, kind, dice)
    return first, mri


def _head(height: int, width: int, dice: np.random.Generator) -> _Head:
    size = min(height, width) * dice.uniform(0.38, 0.45)  # half the head's length in pixels
    y, x = np.mgrid[:height, :width].astype(np.float32)
    y, x = (y - (height - 1) / 2) / size, (x - (width - 1) / 2) / size
    turn = dice.normal(0, 0.05)
    x, y = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    angle = np.arctan2(x, -y)  # 0 at the forehead, ±π at the back
    narrow, pear = dice.uniform(0.74, 0.86), dice.uniform(0, 0.12)
    outline = 1 + sum(a * np.cos(k * angle + p) for k, a, p in _waves(dice, range(2, 6), 0.007))
    depth = np.hypot(x / (narrow * (1 + pear * y)), y) / outline  # 1 at the skin

    def inside(distance: np.ndarray) -> np.ndarray:
        return np.clip(0.5 + size * distance, 0, 1)

    skin, bone = dice.uniform(0.02, 0.06), dice.uniform(0.05, 0.11)
    thicker = 1 + 0.35 * np.cos(2 * angle) * dice.uniform(0, 1)
    outer, inner = 1 - skin, 1 - skin - bone * thicker
    brain = inside(inner - 0.015 - depth)
    skull = inside(outer - depth) * inside(depth - inner)

    # Folds: zero lines of waves around the brain, of random depth.
    folds = sum(
        a * np.cos(k * angle + 9 * r * depth + p)
        for (k, a, p), r in zip(
            _waves(dice, range(10, 32, 2), 1), dice.normal(size=11), strict=True
        )
    )
    folds = folds + 0.8 * np.cos(14 * depth + 3 * np.sin(5 * angle + dice.uniform(0, 6)))
    rim = np.clip((depth - dice.uniform(0.45, 0.6)) * 5, 0, 1)
    ribbon = np.clip(1.6 - 1.4 * np.abs(folds), 0, 1) * rim
    surface = np.clip((depth - inner + 0.09) * 25, 0, 1)
    gape = dice.uniform(0.15, 0.6)  # wide in an old brain
    sulci = np.clip(1 - np.abs(folds) / gape, 0, 1)
    sulci *= np.clip((depth - dice.uniform(0.45, 0.65)) * 5, 0, 1)

    side = np.abs(x - 0.01 * np.sin(6 * y))
    falx = inside(0.009 - side) * np.clip((np.abs(y) - 0.42) * 8, 0, 1)
    fluid, nuclei = np.zeros_like(x), np.zeros_like(x)
    if dice.random() < 0.75:  # a slice low enough to cut the ventricles
        large, low, spread = dice.uniform(0.03, 0.09), dice.uniform(0, 1), dice.uniform(0.3, 0.9)
        skew = 1 + 0.12 * dice.normal() * np.sign(x)
        center = 0.05 + large * 0.7 + spread * (y - 0.02) ** 2
        along = 1 - (y / (0.38 + 0.8 * large)) ** 2
        waist = 0.35 + 2.2 * y**2
        horns = large * skew * waist * 1.6 * np.sqrt(np.clip(along, 0, 1)) - np.abs(side - center)
        fluid = inside(horns) * (along > 0)
        if low > 0.5:  # between the nuclei the third ventricle takes the middle's place
            fluid = np.maximum(
                fluid * inside(np.abs(y) - 0.12), inside(1 - np.hypot(side / 0.02, y / 0.16))
            )
        for rank, (u, v, a, b) in enumerate([(0.17, 0.08, 0.09, 0.15), (0.27, -0.08, 0.06, 0.2)]):
            tilt = side - u - (0.25 - 0.5 * rank) * (y - v)
            nuclei = np.maximum(nuclei, inside((1 - np.hypot(tilt / a, (y - v) / b)) * a))
    grey = np.maximum.reduce([ribbon, surface, nuclei]) * brain
    fluid = np.maximum.reduce([fluid, sulci, falx, inside(depth - inner + 0.02)]) * brain

    lesion, calcified = np.zeros_like(x), np.zeros_like(x)
    for _ in range(dice.integers(0, 4)):
        u, v, radius = dice.uniform(-0.45, 0.45), dice.uniform(-0.6, 0.6), dice.uniform(0.02, 0.14)
        bearing = np.arctan2(y - v, x - u)
        bumps = 1 + 0.1 * np.sin(dice.integers(2, 5) * bearing + dice.uniform(0, 6))
        blob = inside(radius * bumps - np.hypot(x - u, (y - v) * dice.uniform(0.7, 1.4)))
        lesion = np.maximum(lesion, blob * brain)
    for _ in range(dice.integers(1, 5)):
        u, v, radius = dice.uniform(-0.4, 0.4), dice.uniform(-0.4, 0.5), dice.uniform(0.008, 0.035)
        calcified = np.maximum(calcified, inside(radius - np.hypot(x - u, y - v)) * brain)
    return _Head(inside(1 - depth), skull, brain, grey, fluid, lesion, calcified)


def _waves(
    dice: np.random.Generator, numbers: range, strength: float
) -> list[tuple[int, float, float]]:
    """A random amplitude and phase for each wave number."""
    return [(k, strength * dice.normal(), dice.uniform(0, 2 * np.pi)) for k in numbers]


def _tissue(head: _Head, levels: tuple[float, ...]) -> np.ndarray:
    """Each pixel's level, given those of fluid, grey and white matter, skin and lesion."""
    fluid, grey, white, skin, lesion = levels
    image = skin * head.head
    for cover, level in (
        (head.brain, white),
        (head.grey, grey),
        (head.fluid, fluid),
        (head.lesion, lesion),
    ):
        image += cover * (level - image)
    return image


def _mri(head: _Head, dice: np.random.Generator) -> np.ndarray:
    weighting = list(_MRI)[dice.integers(len(_MRI))]
    image = _tissue(head, _MRI[weighting])
    marrow = dice.uniform(0.05, 0.3) * np.clip(head.skull * 2 - 1, 0, 1) ** 3
    image = image * (1 - head.skull) + 0.4 * marrow * head.skull
    image *= 1 - 0.9 * head.calcified
    image *= 1 + 0.12 * _smooth(image.shape, 2.5, dice)  # the coil's uneven field
    image += head.head * dice.normal(0, dice.uniform(0.01, 0.04), image.shape)
    return _levels(image * dice.uniform(0.75, 1.05))


def _ct(head: _Head, dice: np.random.Generator) -> np.ndarray:
    image = _soft(_tissue(head, _CT), 0.004)
    image += head.brain * dice.normal(0, dice.uniform(0.004, 0.02), image.shape)
    image += np.maximum(head.skull, head.calcified) * (1 - image)
    return _levels(image * (head.head > 0))


def _activity(head: _Head, kind: str, dice: np.random.Generator) -> np.ndarray:
    """PET or SPECT: uptake of the tissues, blurred by the camera, in pseudo-color."""
    image = _tissue(head, (0.05, 0.85, 0.35, 0.06, dice.choice((0.1, 1.4))))
    image *= np.clip(1 + 0.3 * _smooth(image.shape, 6, dice), 0.2, 1.6)  # regions at work
    image = _soft(image * (1 - 0.7 * head.skull), 0.014 if kind == "pet" else 0.024)
    image = np.clip((image - 0.04) / max(float(np.quantile(image, 0.995)), 0.1), 0, 1)
    table = np.array(_COLORS[kind], np.float32)
    steps = np.linspace(0, 1, len(table))
    colored = [np.interp(image, steps, channel) for channel in table.T]
    return np.rint(np.stack(colored, axis=2)).astype(np.uint8)


def _smooth(shape: tuple[int, ...], spots: float, dice: np.random.Generator) -> np.ndarray:
    """Noise of about unit variance with about ``spots`` spots along each side."""
    coarse = dice.normal(size=(int(spots) + 2, int(spots) + 2)).astype(np.float32)
    size = (shape[1], shape[0])
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))


def _soft(image: np.ndarray, width: float) -> np.ndarray:
    """Blurs ``image`` in [0, 2] by a Gaussian whose deviation is ``width`` of the shorter side."""
    blur = ImageFilter.GaussianBlur(width * min(image.shape))
    return np.asarray(Image.fromarray(_levels(image / 2)).filter(blur)) / np.float32(127.5)


def _levels(unit: np.ndarray) -> np.ndarray:
    return np.rint(255 * np.clip(unit, 0, 1)).astype(np.uint8)
