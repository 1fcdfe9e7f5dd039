"""Estimation of one pair's transform: candidates, their refinement, and acceptance.

Nothing is learned. From the directions of edges, a search over rotations, scales and shifts gives
candidates (:mod:`~fnet_jax.registration.search`). They are refined at increasing sizes by the
agreement of blocks (:mod:`~fnet_jax.registration.agreement`), keeping those with the most evidence,
and the final evidence decides whether the result is accepted.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fnet_jax.errors import InputError
from fnet_jax.images import color
from fnet_jax.registration import search
from fnet_jax.registration.agreement import Agreement, Halves, Level
from fnet_jax.registration.resampling import as_matrix
from fnet_jax.registration.transforms import (
    MODELS,
    Size,
    centered,
    corners,
    displacement,
    fields,
    moved,
    nearest,
    normal,
    overlap,
    plausible,
    rotated,
    scale_of,
)
from fnet_jax.runtime.cores import cores

LEAST_EVIDENCE = 25.0  # nats; pairs of different scenes have up to 17, slices of heads more
LARGEST_ERROR = 3.0, 0.0047  # pixels, and of I2's longer side: largest expected error
PER_PARAMETER = 2.0  # nats that a further parameter must gain in blocks that were not fitted
BETTER = 2.0  # nats by which the result must exceed the start
HALVES = 16  # random halves of the blocks, for the expected error
LEAST_SIDE = 48  # pixels
LEAST_BLOCK = 24  # pixels


class Step(NamedTuple):
    """A size at which a transform is refined."""

    side: int  # largest longer side of I1 in pixels
    radius: int  # largest shift in pixels
    block: int  # pixels
    times: int  # largest number of rounds of matching
    sigmas: tuple[float, ...]


WIDE = Step(192, 16, 40, 1, (1.0, 2.0))
MIDDLE = Step(256, 12, 40, 2, (1.0, 2.5))
LAST = Step(512, 12, 64, 3, (1.5,))
CANDIDATES, KEPT = 8, 3  # from the search, and after a first refinement
AROUND = [(degrees, scale) for degrees in (-5.0, 0.0, 5.0) for scale in (0.9, 1.0, 1.1)]


@dataclass(frozen=True, eq=False)
class Registration:
    """The transform between two images, and how reliable it is.

    Attributes:
        matrix: float64 (3, 3), from pixel (x, y) of I1 to pixel of I2, centers at integers.
        accepted: whether it should be used.
        expected_error: root mean square error at the corners of the part of I1 that lies on I2, in
            pixels of I2, estimated from the spread over random halves of the evidence and, if
            several models were tried on one pair, from how far apart these lead; infinite if
            nothing was found. It does not include the parallax of near objects, which a global
            transform cannot correct.
        evidence: how much better than chance the images agree under it, in nats.
        model: one of :data:`~fnet_jax.registration.MODELS`, or ``"start"`` if the start is as good.
        reason: why it is not accepted; empty if it is.
        size1: height and width of I1.
        size2: height and width of I2.
    """

    matrix: np.ndarray = field(repr=False)
    accepted: bool
    expected_error: float
    evidence: float
    model: str
    reason: str
    size1: Size
    size2: Size


def estimate(
    i1: ArrayLike,
    i2: ArrayLike,
    *,
    model: str | None = None,
    start: ArrayLike | None = None,
    wide: bool = True,
) -> Registration:
    """Finds the transform from I1 to I2, two images of one scene in any two modalities.

    The search covers rotations up to about 18°, scales within a factor of 1.7 of the one at which
    the longer sides match, and any shift that leaves an overlap of a quarter of the smaller image.
    It takes a second or two.

    Args:
        i1: array (H, W) or (H, W, 3), of any type and range.
        i2: array (h, w) or (h, w, 3), likewise; sizes may differ.
        model: one of :data:`~fnet_jax.registration.MODELS`; None for the simplest that explains the
            images as well as more flexible ones do, at least a similarity.
        start: initial matrix (2, 3) or (3, 3), such as from a camera's tags; by default the centers
            and the longer sides match.
        wide: whether to search far from the start as well.

    Raises:
        InputError: an image has a wrong shape, or fewer than 48 pixels along a side.
        ValueError: ``model`` is unknown.
    """
    if model is not None and model not in MODELS:
        raise ValueError(f"{model!r} is not a model; use one of {', '.join(MODELS)}")
    one, two = prepared("i1", i1), prepared("i2", i2)
    there = centered(one.shape, two.shape) if start is None else normal(as_matrix(start))
    with threads() as pool:
        begun = begin(one, two, there, model=model, wide=wide, pool=pool)
        found = _refined(one, two, begun, model, there, pool)
    return judged(found, one.shape, two.shape, there)


def prepared(name: str, image: ArrayLike) -> np.ndarray:
    """Converts an image to float32 (H, W), about 0 to 1; raises InputError.

    The square root brightens the dark parts that make up most of a night image.
    """
    given = np.asarray(image)
    if given.ndim == 3 and given.shape[2] == 1:
        given = given[..., 0]
    if given.ndim not in (2, 3) or (given.ndim == 3 and given.shape[2] != 3):
        raise InputError(f"{name} has shape {given.shape}; use an image (H, W) or (H, W, 3)")
    if min(given.shape[:2]) < LEAST_SIDE:
        raise InputError(
            f"{name} has {given.shape[1]}×{given.shape[0]} pixels; registration needs at "
            f"least {LEAST_SIDE} along each side"
        )
    pixels = given.astype(np.float32)
    if not np.isfinite(pixels).all():
        raise InputError(f"{name} contains NaN or infinity; replace those values")
    if pixels.ndim == 3:
        pixels = pixels @ color.WEIGHTS
    least, greatest = np.percentile(pixels, (0.1, 99.9))
    span = max(float(greatest - least), np.finfo(np.float32).tiny)
    return np.sqrt(np.clip((pixels - least) / span, 0, 1.2)).astype(np.float32)


@contextmanager
def threads() -> Iterator[Executor]:
    """A pool of threads, one per core."""
    with ThreadPoolExecutor(cores()) as pool:
        yield pool


class Found(NamedTuple):
    """A transform during refinement."""

    matrix: np.ndarray
    evidence: float
    model: str = "similarity"
    agreement: Agreement | None = None  # at the last size, around ``before``
    before: np.ndarray | None = None
    parameters: np.ndarray | None = None  # of the last displacement, relative to ``before``
    level: Level | None = None
    halves: Halves | None = None
    rivals: tuple["Found", ...] = ()  # of other models

    @property
    def seen(self) -> float:
        """The evidence in blocks that were not fitted, in nats."""
        return -math.inf if self.halves is None else self.halves.evidence

    @property
    def score(self) -> float:
        """That evidence with a penalty for each parameter of the model."""
        return self.seen - PER_PARAMETER * dict(zip(MODELS, (2, 4, 6, 8), strict=True))[self.model]


def level_of(image: np.ndarray, step: Step, matrix: np.ndarray) -> Level:
    """I1 at the size of a step, or at the resolution of I2 if that is lower."""
    side = max(image.shape)
    narrow = step.block / min(image.shape)  # keeps panoramas from becoming too narrow
    factor = min(1.0, max(step.side / side, narrow), scale_of(matrix, image.shape))
    block = round(min(step.block * factor * side / step.side, factor * min(image.shape)))
    block = max(LEAST_BLOCK, block)
    return Level(image, factor, block=block, sigmas=step.sigmas)


def refined(level: Level, two: np.ndarray, matrix: np.ndarray, model: str, step: Step) -> Found:
    """A transform, improved at one size."""
    return climbed(level, partial(level.agreement, two), matrix, model, step)


def climbed(
    level: Level,
    agreement_at: Callable[[np.ndarray, int], Agreement | None],
    matrix: np.ndarray,
    model: str,
    step: Step,
) -> Found:
    """Refines a transform at one size by the agreement of its blocks, of one pair or several.

    ``agreement_at`` gives the agreement around a transform, up to a radius.
    """
    found = Found(matrix, -math.inf, model)
    for _ in range(step.times):
        agreement = agreement_at(found.matrix, step.radius)
        if agreement is None:
            return found
        parameters, evidence = agreement.climb(model)
        new = displaced(level, found.matrix, model, parameters)
        found = Found(new, evidence, model, agreement, found.matrix, parameters, level)
        if np.abs(fields(model, agreement.centers, level.size) @ parameters).max() < 0.1:
            break
    return found


def displaced(level: Level, matrix: np.ndarray, model: str, parameters: np.ndarray) -> np.ndarray:
    """Composes a transform with a displacement in pixels of a level."""
    change = displacement(model, parameters, level.size)
    return normal(matrix @ np.linalg.inv(level.matrix) @ change @ level.matrix)


def begin(
    one: np.ndarray,
    two: np.ndarray,
    there: np.ndarray,
    *,
    model: str | None,
    wide: bool,
    pool: Executor,
) -> Found:
    """The best of the start and the results of a search, at a medium size."""
    starts = [there]
    if wide:
        # Blocks find a pair near the start in which the whole images, as at night, show too little.
        middle = corners(one.shape).mean(0)
        starts = [there @ rotated(middle, *change) for change in AROUND]
        starts += [each.matrix for each in search.candidates(one, two, CANDIDATES, pool)]
    stiff = "similarity" if model != "translation" else model
    for step, first, most in ((WIDE, stiff, KEPT), (MIDDLE, first_model(model), 1)):
        # The size is limited by the resolution of I2 under the finest of the starts.
        finest = max(starts, key=lambda each: scale_of(each, one.shape))
        level = level_of(one, step, finest)
        work = partial(refined, level, two, model=first, step=step)
        found = sorted(pool.map(work, starts), key=lambda each: -each.evidence)
        apart = 0.01 * max(two.shape)
        found = search.distinct(found, one.shape, apart, most, lambda each: each.matrix)
        starts = [each.matrix for each in found]
    return found[0]


def _refined(
    one: np.ndarray,
    two: np.ndarray,
    begun: Found,
    model: str | None,
    there: np.ndarray,
    pool: Executor,
) -> Found:
    """The result at the last size, for a model or the simplest that is good enough."""
    if begun.evidence == -math.inf:
        return begun
    level, last = (level_of(one, step, begun.matrix) for step in (MIDDLE, LAST))

    def of(model: str) -> Found:
        first = nearest(begun.matrix, model, there, one.shape)
        found = refined(level, two, first, model, MIDDLE)
        return resampled(refined(last, two, found.matrix, model, LAST))

    return simplest(pool.map(of, MODELS[1:] if model is None else (model,)))


def first_model(model: str | None) -> str:
    """The model for refining candidates: perspective is only fitted at the end."""
    return "affine" if model in (None, "homography") else model


def resampled(found: Found) -> Found:
    """The same, with what random halves of the blocks give."""
    if found.agreement is None or found.parameters is None:
        return found
    halves = found.agreement.resampled(found.model, found.parameters, HALVES)
    return found._replace(halves=halves)


def simplest(tried: Iterable[Found]) -> Found:
    """The best of several models by score, with the others as its rivals."""
    best, *rivals = sorted(tried, key=lambda found: -found.score)
    return best._replace(rivals=tuple(rivals))


def judged(found: Found, size1: Size, size2: Size, there: np.ndarray) -> Registration:
    """Decides whether a refined transform is accepted."""

    def result(matrix: np.ndarray, error: float, model: str, reason: str = "") -> Registration:
        evidence = max(found.evidence, 0.0)
        return Registration(matrix, not reason, error, evidence, model, reason, size1, size2)

    level, agreement, before, halves = found.level, found.agreement, found.before, found.halves
    if level is None or agreement is None or before is None or halves is None:
        return result(there, math.inf, "start", "the images have nothing in common")
    ends = overlap(found.matrix, size1, size2)

    def squares(matrix: np.ndarray) -> float:
        away = moved(matrix, ends) - moved(found.matrix, ends)
        return float((away**2).sum(1).mean())

    spread = [squares(displaced(level, before, found.model, each)) for each in halves.parameters]
    # The penalty is for choosing: it does not make the other models less likely. None counts more
    # than the chosen one.
    rivals = [each for each in found.rivals if plausible(each.matrix, size1, size2)]
    likely = np.exp([0.0] + [min(each.seen - found.seen, 0.0) for each in rivals])
    apart = [0.0] + [squares(each.matrix) for each in rivals]
    error = math.sqrt(np.mean(spread) + np.average(apart, weights=likely))
    if found.evidence < LEAST_EVIDENCE:
        reason = (
            f"the images agree hardly better than by chance (evidence {max(found.evidence, 0):.0f},"
            f" at least {LEAST_EVIDENCE:.0f} is needed)"
        )
    elif error > max(LARGEST_ERROR[0], LARGEST_ERROR[1] * max(size2)):
        reason = f"the transform is uncertain: its expected error is {error:.1f} pixels"
    elif not plausible(found.matrix, size1, size2):
        reason = "the transform folds or mirrors the image"
    else:
        shifts = shifts_between(level, before, there, agreement.centers)
        if found.evidence - agreement.evidence(shifts) < BETTER:
            return result(there, error, "start")
        return result(found.matrix, error, found.model)
    return result(found.matrix, error, found.model, reason)


def shifts_between(
    level: Level, before: np.ndarray, matrix: np.ndarray, centers: np.ndarray
) -> np.ndarray:
    """Shifts of a level's blocks under another transform, relative to ``before``."""
    between = level.matrix @ np.linalg.inv(before) @ matrix @ np.linalg.inv(level.matrix)
    return moved(between, centers) - centers
