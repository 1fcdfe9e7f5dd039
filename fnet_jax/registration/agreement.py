"""Distributions of where each block of I1 lies on I2, and the transform that most blocks support.

The edge directions of a block are correlated with those of I2 at all shifts up to a radius. By the
theory of the matched filter, with correlations z in units of their own spread, the likelihood of a
shift is proportional to exp(z_max z); a block without structure, or with a single edge, has a flat
distribution. The evidence for a transform sums the log-likelihoods of the blocks at the shifts that
it gives them, relative to knowing nothing:

    E = 1/4 Σ_b log((1 − ε) n p_b(d_b) + ε),

where ε = 0.3 is the assumed fraction of blocks that show different things in the two images, n is
the number of shifts, and 1/4 accounts for blocks that overlap by half along both axes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import fft, ndimage, special

from fnet_jax.registration.directions import directions, inside
from fnet_jax.registration.resampling import BILINEAR, resized, warped
from fnet_jax.registration.transforms import MODELS, Size, fields, scale_of

ODD = 0.3  # fraction of the blocks that show different things
NOTHING = math.log(ODD)
LARGEST_Z = 6.0  # spreads; keeps one block from outweighing all others
LAST_BLUR = 0.8  # pixels of tolerance between a block and a transform
SHARE = 0.25  # weight of a block, because blocks overlap
LEAST_ENERGY = 0.02  # of a block's pixels
LEAST_COVERED = 0.5  # of a block
FEWEST = 3  # blocks


class Level:
    """I1 at one size, cut into blocks."""

    def __init__(
        self, i1: np.ndarray, factor: float, *, block: int, sigmas: Sequence[float]
    ) -> None:
        """Cuts a float32 image (H, W), resized by ``factor``, into blocks of ``block`` pixels.

        ``sigmas`` are scales of the gradients in pixels; several give several features.
        """
        self.factor, self.block, self.sigmas = factor, block, tuple(sigmas)
        self.image, self.matrix = resized(i1, factor)
        whole = np.ones(self.image.shape, np.float32)
        self.found = self._directions(self.image, whole)
        energy = (np.abs(self.found) ** 2).sum(0)
        height, width = self.image.shape
        corners = np.array(
            [
                (y, x)
                for y in range(0, max(1, height - block + 1), max(1, block // 2))
                for x in range(0, max(1, width - block + 1), max(1, block // 2))
            ]
        )
        self.energies = _box_sums(energy, block, corners)
        rich = self.energies > LEAST_ENERGY * block * block
        self.corners, self.energies = corners[rich], self.energies[rich]

    @property
    def size(self) -> Size:
        """Height and width."""
        height, width = self.image.shape
        return height, width

    def _directions(self, image: np.ndarray, valid: np.ndarray) -> np.ndarray:
        margin = max(1, round(2 * max(self.sigmas)))
        inner = inside(valid, margin=margin)
        return np.concatenate([directions(image, inner, sigma=each) for each in self.sigmas])

    def agreement(self, i2: np.ndarray, matrix: np.ndarray, radius: int) -> "Agreement | None":
        """Distributions of the blocks' positions on ``i2``, around those given by a transform.

        ``matrix`` maps pixels of I1 to pixels of I2, not resized; ``radius`` is the largest shift,
        in pixels of this level. Returns None if too few blocks lie on I2.
        """
        block, around = self.block, self.block + 2 * radius
        finer = scale_of(matrix @ np.linalg.inv(self.matrix), self.size)
        moving, to_moving = resized(i2, min(1.0, 1 / finer))
        place = to_moving @ matrix @ np.linalg.inv(self.matrix)
        image = warped(moving, place, self.size)
        whole = np.ones(moving.shape, np.float32)
        valid = warped(whole, place, self.size, how=BILINEAR) > 0.99
        inner = valid.astype(np.float32)
        covered = _box_sums(inner, block, self.corners) / block**2
        used = np.flatnonzero(covered > LEAST_COVERED)
        if len(used) < FEWEST:
            return None
        corners = self.corners[used]
        found = self._directions(image, inner)
        own = np.stack([self.found[:, y : y + block, x : x + block] for y, x in corners])
        wide = [(0, 0), (radius, radius), (radius, radius)]
        wider = np.pad(found, wide)
        other = np.stack([wider[:, y : y + around, x : x + around] for y, x in corners])
        length = fft.next_fast_len(around)
        products = np.conj(fft.fft2(own, (length, length))) * fft.fft2(other, (length, length))
        shifts = 2 * radius + 1
        correlated = fft.ifft2(products.sum(1)).real[:, :shifts, :shifts]
        energy = np.pad((np.abs(found) ** 2).sum(0), radius)
        places = np.array([(y, x) for y in range(shifts) for x in range(shifts)])
        at = (corners[:, None] + places[None]).reshape(-1, 2)
        energies = _box_sums(energy, block, at).reshape(-1, shifts, shifts)
        floor = (LEAST_ENERGY * block * block) ** 2
        scaled = correlated / np.sqrt(self.energies[used, None, None] * energies + floor)
        centers = corners[:, ::-1] + (block - 1) / 2
        return Agreement(centers, _logs(scaled), radius, self.size)


@dataclass(frozen=True)
class Agreement:
    """Distributions of the shifts of blocks.

    Attributes:
        centers: of the blocks, (n, 2) of (x, y).
        logs: log-likelihoods of the shifts (y, x) from -radius to radius, (n, shifts, shifts); the
            likelihoods of a block sum to 1.
        radius: pixels.
        size: of the level.
        pairs: the pair that each block belongs to, (n,) integers; None if there is one.
    """

    centers: np.ndarray
    logs: np.ndarray
    radius: int
    size: Size
    pairs: np.ndarray | None = None

    def climb(self, model: str) -> tuple[np.ndarray, float]:
        """Maximizes the evidence over a model's parameters; returns both.

        Distributions are blurred less and less; at each blur, simpler models are tried before more
        flexible ones. The best is refined on the logarithms, to subpixel accuracy.
        """
        stiffer = MODELS[: MODELS.index(model) + 1]
        slopes = [self._slopes(blur) for blur in self._blurs()]
        best, greatest = np.zeros((len(self.centers), 2)), -math.inf
        for start in {0, len(slopes) - 1}:
            shifts = np.zeros_like(best)
            for each in stiffer:
                spans = fields(each, self.centers, self.size)
                parameters = _least_squares(spans, shifts)
                for slope in slopes[start:]:
                    parameters, evidence = slope.climb(spans, parameters)
                shifts = spans @ parameters
                if evidence > greatest:
                    best, greatest = shifts, evidence
        spans = fields(model, self.centers, self.size)
        polished = self._polished(spans, _least_squares(spans, best), slopes[-1])
        return polished, max(greatest, slopes[-1].evidence(spans @ polished))

    def resampled(self, model: str, parameters: np.ndarray, number: int) -> "Halves":
        """Estimates the parameters from random halves of the blocks.

        Overlapping blocks of a pair are mostly in the same half. The spread equals that of the
        parameters themselves: each half has twice their variance, half of which both have in
        common.
        """
        random = np.random.default_rng(0)
        spans = fields(model, self.centers, self.size)
        slopes = [self._slopes(blur) for blur in self._blurs()]
        step = np.ptp(self.centers, 0).max() / 6 + 1
        pairs = np.zeros(len(self.centers)) if self.pairs is None else self.pairs
        places = np.c_[pairs, self.centers // step]
        cells = np.unique(places, axis=0, return_inverse=True)[1].ravel()
        found, others = [], []
        for _ in range(number):
            half = random.permutation(cells.max() + 1) % 2 == 0
            weights = 2.0 * half[cells]
            begun = parameters
            for slope in slopes:  # this half may have its maximum at another peak
                begun, _ = slope.climb(spans, begun, weights=weights)
            found.append(self._polished(spans, begun, slopes[-1], weights))
            others.append(slopes[-1].evidence(spans @ found[-1], 2.0 - weights))
        return Halves(np.array(found), float(np.mean(others)))

    def _polished(
        self,
        spans: np.ndarray,
        parameters: np.ndarray,
        slope: "_Surfaces",
        weights: np.ndarray | float = 1.0,
    ) -> np.ndarray:
        """Refines parameters by expectation-maximization over the blocks that agree.

        The logarithms are interpolated between pixels; the distributions are too narrow for that.
        """
        peaks = _Surfaces.through(self.logs, self.radius)
        for _ in range(3):
            agree = weights * (1 - ODD / np.exp(slope.at(spans @ parameters)[0]))
            parameters, _ = peaks.climb(spans, parameters, weights=agree)
        return parameters

    def evidence(self, shifts: np.ndarray) -> float:
        """The evidence of the blocks' shifts (n, 2) of (x, y), in nats."""
        return self._slopes(self._blurs()[-1]).evidence(shifts)

    def _blurs(self) -> list[float]:
        return [blur for blur in (self.radius / 2, self.radius / 4) if blur > 1.2] + [LAST_BLUR]

    def _slopes(self, blur: float) -> "_Surfaces":
        spread = ndimage.gaussian_filter(np.exp(self.logs), (0, blur, blur), mode="constant")
        values = np.log((1 - ODD) * self.logs[0].size * spread + ODD)
        steep = (values.max((1, 2)) - NOTHING) / (blur**2 + 2) / 3
        return _Surfaces(values, self.radius, steep=steep, outside=NOTHING)


class Halves(NamedTuple):
    """What random halves of the blocks give.

    Attributes:
        parameters: of each half, (number, parameters).
        evidence: of the other halves for them, on average and for all blocks, in nats.
    """

    parameters: np.ndarray
    evidence: float


class _Surfaces:
    """Cubic B-splines over shifts, one per block, and the maximization of their sum."""

    def __init__(
        self,
        coefficients: np.ndarray,
        radius: int,
        *,
        steep: np.ndarray,
        outside: np.ndarray | float,
    ) -> None:
        """Stores the splines' coefficients (n, shifts, shifts).

        Using values as coefficients gives a slightly blurred surface without the kinks of linear
        interpolation. ``steep`` (n,) is the approximate curvature of each surface at its peak;
        ``outside``, (n,) or one, are the values beyond the radius.
        """
        self.radius, self.steep, self.outside = radius, steep, outside
        edges = np.broadcast_to(np.reshape(outside, (-1, 1, 1)), (len(coefficients), 1, 1))
        size = coefficients.shape[1] + 4
        self.padded = np.broadcast_to(edges, (len(coefficients), size, size)).copy()
        self.padded[:, 2:-2, 2:-2] = coefficients
        self.rows = np.arange(len(coefficients)) * size * size

    @staticmethod
    def through(values: np.ndarray, radius: int) -> "_Surfaces":
        """Surfaces that interpolate values (n, shifts, shifts)."""
        coefficients = values
        for axis in (1, 2):
            coefficients = ndimage.spline_filter1d(coefficients, axis=axis)
        top = values.reshape(len(values), -1).argmax(1)
        y, x = (
            np.clip(place, 1, values.shape[1] - 2)
            for place in np.unravel_index(top, values.shape[1:])
        )
        rows = np.arange(len(values))
        around = values[rows, y - 1, x] + values[rows, y + 1, x]
        around += values[rows, y, x - 1] + values[rows, y, x + 1]
        steep = np.maximum(2 * values[rows, y, x] - around / 2, 0.1)
        return _Surfaces(coefficients, radius, steep=steep, outside=values.min((1, 2)))

    def at(self, shifts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values (n,) and slopes (n, 2) along x and y, at shifts (n, 2) of (x, y)."""
        size = self.padded.shape[1]
        place = np.clip(shifts + self.radius + 2, 1, size - 3 + 0.999)
        whole = np.minimum(place.astype(int), size - 3)
        x, y = _basis(place - whole).transpose(1, 0, 2, 3)  # each (n, value and slope, 4)
        first = self.rows + (whole[:, 1] - 1) * size + whole[:, 0] - 1
        near = (np.arange(4)[:, None] * size + np.arange(4)).ravel()
        values = self.padded.take(first[:, None] + near).reshape(-1, 4, 4)
        found = y @ values @ x.transpose(0, 2, 1)
        return found[:, 0, 0], np.stack([found[:, 0, 1], found[:, 1, 0]], 1)

    def evidence(self, shifts: np.ndarray, weights: np.ndarray | float = 1.0) -> float:
        """The evidence of shifts (n, 2) of (x, y), in nats."""
        return SHARE * float((weights * self.at(shifts)[0]).sum())

    def climb(
        self, spans: np.ndarray, parameters: np.ndarray, *, weights: np.ndarray | float = 1.0
    ) -> tuple[np.ndarray, float]:
        """Maximizes the evidence from initial parameters, by damped Newton steps."""
        curvature = np.einsum("nkp,nkq,n->pq", spans, spans, weights * self.steep)
        inverse = np.linalg.pinv(curvature, rcond=1e-6, hermitian=True)
        weight = np.broadcast_to(weights, len(spans))
        shifts = spans @ parameters
        values, slopes = self.at(shifts)
        height = weight @ values
        for _ in range(40):
            step = inverse @ np.einsum("nkp,nk,n->p", spans, slopes, weight)
            for length in (2.0, 1.0, 0.5, 0.25, 0.125, 0.0625):
                new = spans @ (parameters + length * step)
                values, slopes_there = self.at(new)
                if weight @ values > height:
                    break
            else:
                break
            parameters = parameters + length * step
            far = np.abs(new - shifts).max()
            shifts, slopes, height = new, slopes_there, weight @ values
            if far < 0.02:
                break
        return parameters, SHARE * float(height)


_SPLINE = (
    np.array(
        [
            [[1, 4, 1, 0], [-3, 0, 3, 0], [3, -6, 3, 0], [-1, 3, -3, 1]],
            [[-3, 0, 3, 0], [6, -12, 6, 0], [-3, 9, -9, 3], [0, 0, 0, 0]],
        ]
    ).transpose(1, 0, 2)
    / 6
)  # coefficients of 1, t, t², t³; of values and slopes; of 4 weights


def _basis(t: np.ndarray) -> np.ndarray:
    """Weights of a cubic B-spline at t (…) from its second to its third coefficient.

    Returns:
        For values and for slopes, (…, 2, 4).
    """
    powers = np.stack([np.ones_like(t), t, t * t, t * t * t], -1)
    return (powers @ _SPLINE.reshape(4, 8)).reshape(*t.shape, 2, 4)


def _least_squares(spans: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    number = spans.shape[2]
    return np.linalg.lstsq(spans.reshape(-1, number), shifts.ravel(), rcond=None)[0]


def _logs(scaled: np.ndarray) -> np.ndarray:
    """Log-likelihoods of shifts from normalized correlations (n, shifts, shifts)."""
    scaled = ndimage.gaussian_filter(scaled, (0, 0.6, 0.6), mode="nearest")
    axes = (1, 2)
    spread = scaled.std(axes, keepdims=True) + 1e-6
    z = (scaled - scaled.mean(axes, keepdims=True)) / spread
    logs = np.minimum(z.max(axes, keepdims=True), LARGEST_Z) * z
    return logs - special.logsumexp(logs, axis=axes, keepdims=True)


def _box_sums(image: np.ndarray, side: int, corners: np.ndarray) -> np.ndarray:
    """Sums over squares at corners (n, 2) of (y, x), (n,); the image is 0 outside."""
    table = np.pad(np.cumsum(np.cumsum(image.astype(np.float64), 0), 1), ((1, 0), (1, 0)))
    y, x = corners.T
    down = np.minimum(y + side, image.shape[0])
    right = np.minimum(x + side, image.shape[1])
    return table[down, right] - table[y, right] - table[down, x] + table[y, x]
