"""The transform of one pair: candidates, their refinement, and whether the result is to be trusted.

Nothing is learned. From the directions of edges, a search over turns, scales and shifts gives
candidates (:mod:`~fnet_jax.registration.search`); those are refined at growing sizes by the
agreement of blocks (:mod:`~fnet_jax.registration.agreement`), the best by evidence goes on, and its
evidence at the end decides whether it is accepted.
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
from fnet_jax.registration.agreement import Agreement, Level
from fnet_jax.registration.resampling import as_matrix
from fnet_jax.registration.transforms import (
    MODELS,
    Size,
    centered,
    displacement,
    fields,
    moved,
    nearest,
    normal,
    overlap,
    plausible,
    scale_of,
)
from fnet_jax.runtime.cores import cores

LEAST_EVIDENCE = 12.0  # nats; of pairs of different scenes the greatest that was found is 10
LARGEST_ERROR = 5.0, 0.008  # pixels, and of I2's longer side: expecting more is no result
PER_PARAMETER = 1.0  # nats that a further parameter of a model has to bring
BETTER = 2.0  # nats by which the result has to exceed what was there
HALVES = 16  # random halves of the blocks, whose results give the expected error
LEAST_SIDE = 48  # pixels
LEAST_BLOCK = 24  # pixels


class Step(NamedTuple):
    """One size at which a transform is refined."""

    side: int  # pixels of I1's longer side, at most
    radius: int  # pixels of shifts that are looked at
    block: int  # pixels
    times: int  # most rounds of matching the blocks
    sigmas: tuple[float, ...]


WIDE = Step(192, 10, 40, 2, (1.0, 2.0))
MIDDLE = Step(256, 8, 40, 2, (1.0, 2.5))
LAST = Step(512, 6, 64, 3, (1.0,))
CANDIDATES, KEPT = 8, 3  # of the search, and of them after a first refinement


@dataclass(frozen=True, eq=False)
class Registration:
    """The transform between two images, and how far it is to be trusted.

    Attributes:
        matrix: float64 (3, 3), from pixel (x, y) of I1 to pixel of I2, centers at integers.
        accepted: whether it is to be used.
        expected_error: root mean square of the error at the corners of the part of I1 that lies on
            I2, in pixels of I2, as the spread of what random halves of the evidence give; infinite
            where nothing was found. It does not contain what a global transform cannot mend, the
            parallax of near objects.
        evidence: how much better than chance the images agree under it, in nats.
        model: one of :data:`~fnet_jax.registration.MODELS`, or ``"start"`` where what was there is
            as good.
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
    """Finds the transform from I1 to I2, two images of one scene of any two modalities.

    Turns up to about 18° and scales up to 1.7 from that by which the longer sides meet are found,
    and any shift that leaves a quarter of the smaller image. It takes a second or two.

    Args:
        i1: array (H, W) or (H, W, 3), of any type and range.
        i2: array (h, w) or (h, w, 3), likewise; sizes may differ.
        model: one of :data:`~fnet_jax.registration.MODELS`; None for the stiffest that explains the
            images as well as more flexible ones do, at least a similarity.
        start: matrix (2, 3) or (3, 3) of what is known, such as by a camera's tags; by default the
            images lie center on center, with sides that meet.
        wide: whether to search far from the start too.

    Raises:
        InputError: an image has a wrong shape, or fewer than 48 pixels along a side.
        ValueError: ``model`` is not a model.
    """
    if model is not None and model not in MODELS:
        raise ValueError(f"{model!r} is not a model; use {', '.join(MODELS)}")
    one, two = prepared("i1", i1), prepared("i2", i2)
    there = centered(one.shape, two.shape) if start is None else normal(as_matrix(start))
    with threads() as pool:
        begun = begin(one, two, there, model=model, wide=wide, pool=pool)
        found = _refined(one, two, begun, model, there, pool)
    return judged(found, one.shape, two.shape, there)


def prepared(name: str, image: ArrayLike) -> np.ndarray:
    """An image as float32 (H, W), about 0 to 1; raises InputError.

    The square root lifts what is dark, of which images at night mostly consist.
    """
    given = np.asarray(image)
    if given.ndim == 3 and given.shape[2] == 1:
        given = given[..., 0]
    if given.ndim not in (2, 3) or (given.ndim == 3 and given.shape[2] != 3):
        raise InputError(f"{name} has shape {given.shape}; use an image (H, W) or (H, W, 3)")
    if min(given.shape[:2]) < LEAST_SIDE:
        raise InputError(
            f"{name} has {given.shape[1]}×{given.shape[0]} pixels; {LEAST_SIDE} along each side "
            f"are needed to register it"
        )
    pixels = given.astype(np.float32)
    if not np.isfinite(pixels).all():
        raise InputError(f"{name} holds NaN or infinity; replace those values")
    if pixels.ndim == 3:
        pixels = pixels @ color.WEIGHTS
    least, greatest = np.percentile(pixels, (0.1, 99.9))
    span = max(float(greatest - least), np.finfo(np.float32).tiny)
    return np.sqrt(np.clip((pixels - least) / span, 0, 1.2)).astype(np.float32)


@contextmanager
def threads() -> Iterator[Executor]:
    """Threads for the work, one per core."""
    with ThreadPoolExecutor(cores()) as pool:
        yield pool


class Found(NamedTuple):
    """A transform under refinement."""

    matrix: np.ndarray
    evidence: float
    model: str = "similarity"
    agreement: Agreement | None = None  # of the last size, around ``before``
    before: np.ndarray | None = None
    parameters: np.ndarray | None = None  # of the last displacement, from ``before``
    level: Level | None = None


def level_of(image: np.ndarray, step: Step, matrix: np.ndarray) -> Level:
    """I1 at the size of a step, or at that of I2's pixels if it is smaller."""
    side = max(image.shape)
    narrow = LEAST_BLOCK / min(image.shape)  # of a panorama, which is not to become a line
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
    """A transform, improved by what blocks show around it, of one pair or of many.

    Args:
        level: the size.
        agreement_at: what the blocks show around a transform, up to a radius.
        matrix: the transform.
        model: of the improvement.
        step: how.
    """
    found = Found(matrix, -math.inf, model)
    for turn in range(step.times):
        radius = step.radius if turn == 0 else max(4, step.radius // 2)
        agreement = agreement_at(found.matrix, radius)
        if agreement is None:
            return found
        parameters, evidence = agreement.climb(model)
        new = displaced(level, found.matrix, model, parameters)
        found = Found(new, evidence, model, agreement, found.matrix, parameters, level)
        if np.abs(fields(model, agreement.centers, level.size) @ parameters).max() < 0.1:
            break
    return found


def displaced(level: Level, matrix: np.ndarray, model: str, parameters: np.ndarray) -> np.ndarray:
    """A transform after a displacement in pixels of a level."""
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
    """The best of the start and of what a search finds, at a middle size."""
    starts = [there]
    if wide:
        starts += [each.matrix for each in search.candidates(one, two, CANDIDATES, pool)]
    stiff = "similarity" if model != "translation" else model
    for step, first, most in ((WIDE, stiff, KEPT), (MIDDLE, first_model(model), 1)):
        # The size is limited by the pixels of I2, as the finest of the starts has them.
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
    """The result at the last size, of a model or of the stiffest that is good enough."""
    if begun.evidence == -math.inf:
        return begun
    level, last = (level_of(one, step, begun.matrix) for step in (MIDDLE, LAST))

    def of(model: str) -> Found:
        first = nearest(begun.matrix, model, there, one.shape)
        found = refined(level, two, first, model, MIDDLE)
        return refined(last, two, found.matrix, model, LAST)

    return simplest(pool.map(of, MODELS[1:] if model is None else (model,)))


def first_model(model: str | None) -> str:
    """The model that candidates are refined by: perspective is left for the end."""
    return "affine" if model in (None, "homography") else model


def simplest(tried: Iterable[Found]) -> Found:
    """The best by evidence, of which each parameter of a model has to bring a part."""
    number = dict(zip(MODELS, (2, 4, 6, 8), strict=True))
    return max(tried, key=lambda found: found.evidence - PER_PARAMETER * number[found.model])


def judged(found: Found, size1: Size, size2: Size, there: np.ndarray) -> Registration:
    """What a refined transform is worth."""

    def result(matrix: np.ndarray, error: float, model: str, reason: str = "") -> Registration:
        evidence = max(found.evidence, 0.0)
        return Registration(matrix, not reason, error, evidence, model, reason, size1, size2)

    level, agreement, before = found.level, found.agreement, found.before
    parameters = found.parameters
    if level is None or agreement is None or before is None or parameters is None:
        return result(there, math.inf, "start", "the images show nothing in common")
    ends = overlap(found.matrix, size1, size2)
    here = moved(found.matrix, ends)
    spread = [
        moved(displaced(level, before, found.model, each), ends) - here
        for each in agreement.resampled(found.model, parameters, HALVES)
    ]
    error = math.sqrt(float((np.array(spread) ** 2).sum(-1).mean()))
    if found.evidence < LEAST_EVIDENCE:
        reason = (
            f"the images agree hardly better than by chance (evidence {max(found.evidence, 0):.0f},"
            f" {LEAST_EVIDENCE:.0f} is needed)"
        )
    elif error > max(LARGEST_ERROR[0], LARGEST_ERROR[1] * max(size2)):
        reason = f"the transform is uncertain: its expected error is {error:.1f} pixels"
    elif not plausible(found.matrix, size1, size2):
        reason = "the transform folds or turns the image over"
    else:
        shifts = shifts_between(level, before, there, agreement.centers)
        if found.evidence - agreement.evidence(shifts) < BETTER:
            return result(there, error, "start")
        return result(found.matrix, error, found.model)
    return result(found.matrix, error, found.model, reason)


def shifts_between(
    level: Level, before: np.ndarray, matrix: np.ndarray, centers: np.ndarray
) -> np.ndarray:
    """How far another transform puts blocks of a level from where ``before`` puts them."""
    between = level.matrix @ np.linalg.inv(before) @ matrix @ np.linalg.inv(level.matrix)
    return moved(between, centers) - centers
