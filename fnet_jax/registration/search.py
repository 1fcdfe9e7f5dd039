"""An exhaustive search over rotations, scales and shifts at a small size.

For each rotation and scale, the normalized correlation of edge directions at all shifts is one
product of Fourier transforms. It is weighted by the square root of the overlap, which makes scores
of small and large overlaps comparable: by chance, both have the same variance.
"""

import itertools
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
from scipy import fft

from fnet_jax.registration.directions import HIGH, inside, pooled, raw_directions
from fnet_jax.registration.resampling import BILINEAR, resized, warped
from fnet_jax.registration.transforms import Size, corners, moved, normal, shift, turn

SIDE = 128  # pixels of the longer side of I1 after reduction
NARROW = 16  # least pixels of the shorter side of I1
TURNS = np.arange(-16.0, 17.0, 4.0)  # degrees
SCALES = np.exp(0.085 * np.arange(-6, 7))  # relative to the one at which the longer sides match
LEAST_OVERLAP = 0.25  # of the smaller image
SOFT = 1.0  # pixels of blur, to find transforms between grid points
APART = 0.06  # of the longer side: candidates with closer corners are merged
EACH = 2  # shifts that are kept per rotation and scale


class Candidate(NamedTuple):
    """A transform from I1 to I2, and the agreement of directions under it."""

    score: float
    matrix: np.ndarray


def candidates(i1: np.ndarray, i2: np.ndarray, most: int, pool: Executor) -> list[Candidate]:
    """Up to ``most`` similarity transforms of float32 images (H, W) and (h, w), best first."""
    factor = max(SIDE / max(i1.shape), NARROW / min(i1.shape))
    small, to_small = resized(i1, factor)
    fixed = _Fixed(small)
    meet = max(i1.shape) / max(i2.shape)

    def at(scale: float) -> list[Candidate]:
        moving, to_moving = resized(i2, factor * meet * scale)
        back = np.linalg.inv(to_moving)
        return [
            Candidate(score, normal(back @ matrix @ to_small))
            for degrees in TURNS
            for score, matrix in fixed.shifts(moving, degrees)
        ]

    found = sorted(
        itertools.chain.from_iterable(pool.map(at, SCALES)), key=lambda each: -each.score
    )
    return distinct(found, i1.shape, APART * max(i2.shape), most, lambda each: each.matrix)


def distinct(
    found: Iterable,
    size: Size,
    apart: float,
    most: int,
    matrix_of: Callable[..., np.ndarray],
) -> list:
    """The first ``most`` candidates whose corners lie ``apart`` pixels from all earlier ones."""
    kept: list = []
    places: list[np.ndarray] = []
    for each in found:
        place = moved(matrix_of(each), corners(size))
        if all(np.abs(place - other).max() > apart for other in places):
            kept.append(each)
            places.append(place)
        if len(kept) == most:
            break
    return kept


class _Fixed:
    """The reduced I1, with its Fourier transforms for each array size."""

    def __init__(self, image: np.ndarray) -> None:
        self.size = image.shape
        self.inner = inside(np.ones(image.shape, np.float32))
        self.directions = raw_directions(image, self.inner)
        self.spectra: dict[Size, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def shifts(self, moving: np.ndarray, degrees: float) -> list[tuple[float, np.ndarray]]:
        """The best shifts of a rotated image: scores, and transforms to its pixels."""
        height, width = moving.shape
        turned = turn(degrees)
        ends = moved(turned.T, corners(moving.shape))
        low = np.floor(ends.min(0))
        wide, high = (int(length) + 1 for length in np.ceil(ends.max(0)) - low)
        size = high, wide
        place = turned @ shift(*low)
        image = warped(moving, place, size, how=BILINEAR)
        valid = warped(np.ones((height, width), np.float32), place, size, how=BILINEAR)
        inner = inside((valid > 0.99).astype(np.float32))
        scores = self._scores(image, inner)
        best = []
        for _ in range(EACH):
            top = np.unravel_index(scores.argmax(), scores.shape)
            y, x = (
                int(at) if at < length else int(at) - whole
                for at, length, whole in zip(top, size, scores.shape, strict=True)
            )
            best.append((float(scores[top]), place @ shift(x, y)))
            near = [
                np.arange(at - 4, at + 5) % whole
                for at, whole in zip(top, scores.shape, strict=True)
            ]
            scores[np.ix_(*near)] = -1
        return best

    def _scores(self, image: np.ndarray, inner: np.ndarray) -> np.ndarray:
        """The score of each shift (y, x), modulo the shape; -1 if the overlap is too small."""
        shape = tuple(
            4 * fft.next_fast_len(-(-(a + b) // 4))
            for a, b in zip(self.size, image.shape, strict=True)
        )
        own, own_energy, own_area = self._spectrum(shape)
        found = raw_directions(image, inner)
        products = fft.ifft2((own * fft.fft2(found, shape)).sum(0)).real
        # Overlaps and energies vary slowly; every fourth shift is enough.
        low = shape[0] // 4, shape[1] // 4
        area, energy = (
            fft.rfft2(pooled(each), low) for each in (inner, (np.abs(found) ** 2).sum(0))
        )
        overlap, energy1, energy2 = (
            fft.irfft2(np.conj(a) * b, low) / 16
            for a, b in ((own_area, area), (own_energy, area), (own_area, energy))
        )
        own_pixels = max(1.0, float(self.inner.sum()))
        enough = overlap >= LEAST_OVERLAP * min(own_pixels, float(inner.sum()))
        weights = np.sqrt(np.maximum(overlap, 1) / own_pixels) / np.sqrt(
            np.maximum(energy1, 1) * np.maximum(energy2, 1)
        )
        squares = products.reshape(low[0], 4, low[1], 4)
        wide = (slice(None), None, slice(None), None)
        return np.where(enough[wide], squares * weights[wide], -1).reshape(shape)

    def _spectrum(self, shape: Size) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Spectra of the blurred directions, of their energy, and of the valid area."""
        if shape not in self.spectra:
            y, x = np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None]
            squared = (2 * np.pi) ** 2 * (x * x + y * y)
            band = (1 - np.exp(-squared * HIGH**2 / 2)) ** 2 * np.exp(-squared * SOFT**2)
            low = shape[0] // 4, shape[1] // 4
            self.spectra[shape] = (
                np.conj(fft.fft2(self.directions, shape)) * band.astype(np.float32),
                fft.rfft2(pooled((np.abs(self.directions) ** 2).sum(0)), low),
                fft.rfft2(pooled(self.inner), low),
            )
        return self.spectra[shape]
