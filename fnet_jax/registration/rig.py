"""One transform for many pairs of the same two cameras.

The blocks of all pairs are combined, so a pair with little structure contributes little, and an
inconsistent one is outvoted. Then each pair is judged by its own evidence for the result.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from fnet_jax.artifacts.progress import Progress, silent
from fnet_jax.errors import InputError
from fnet_jax.registration import estimation
from fnet_jax.registration.agreement import Agreement
from fnet_jax.registration.estimation import LAST, MIDDLE, Found, Registration, Step
from fnet_jax.registration.resampling import as_matrix
from fnet_jax.registration.search import distinct
from fnet_jax.registration.transforms import MODELS, Size, centered, corners, moved, nearest, normal

MOST = 24  # pairs used for the fit; all are judged
TRIED = 4  # candidates that are refined on all pairs
FITS = 3.0  # nats of evidence that a pair needs for the rig's transform

Images = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Member:
    """The result for one pair of a rig.

    Attributes:
        evidence: for the rig's transform in this pair, in nats; negative if against it.
        before: evidence for the start.
        offset: pixels of I2 by which this pair alone would shift the rig's transform, because of
            parallax or moved cameras; NaN if unknown.
        fits: whether the pair agrees with the rig.
    """

    evidence: float
    before: float
    offset: float
    fits: bool


@dataclass(frozen=True)
class Rig:
    """The transform between two cameras.

    Attributes:
        registration: the transform; its expected error is that of the fit.
        members: the result for each pair.
    """

    registration: Registration
    members: tuple[Member, ...] = field(repr=False)


def fit(
    pairs: Sequence[Callable[[], tuple[ArrayLike, ArrayLike]]],
    *,
    model: str | None = None,
    start: ArrayLike | None = None,
    wide: bool = True,
    progress: Progress = silent,
) -> Rig:
    """Fits one transform to pairs of the same two cameras.

    Args:
        pairs: for each pair, a function that returns I1 and I2, arrays as for
            :func:`~fnet_jax.registration.estimate`; all I1 have one size, and all I2.
        model: as for :func:`~fnet_jax.registration.estimate`.
        start: likewise.
        wide: likewise.
        progress: wraps the pairs, which are visited twice.

    Raises:
        InputError: there are no pairs, an image cannot be used, or sizes differ.
        ValueError: ``model`` is unknown.
    """
    if not len(pairs):
        raise InputError("no pairs to fit a rig to; use at least one")
    if model is not None and model not in MODELS:
        raise ValueError(f"{model!r} is not a model; use one of {', '.join(MODELS)}")
    some = np.unique(np.linspace(0, len(pairs) - 1, min(MOST, len(pairs))).round().astype(int))
    found: list[tuple[Images, Found]] = []
    with estimation.threads() as pool:
        for index in progress([int(at) for at in some], total=len(some), desc="searching"):
            images = _prepared(pairs[index]())
            if found and _sizes(images) != _sizes(found[0][0]):
                raise InputError(
                    f"pair {index + 1} differs in size from the first; a rig has one size of I1 "
                    f"and one of I2"
                )
            there = _there(start, images)
            found.append(
                (images, estimation.begin(*images, there, model=model, wide=wide, pool=pool))
            )
        members = [images for images, _ in found]
        there = _there(start, members[0])
        begun = sorted((each for _, each in found), key=lambda each: -each.evidence)
        apart = 0.02 * max(members[0][1].shape)
        size1 = members[0][0].shape
        first = distinct(begun, size1, apart, TRIED, lambda each: each.matrix)
        middle = estimation.first_model(model)
        pooled = [_refined(members, each.matrix, middle, MIDDLE, pool) for each in first]
        best = max(pooled, key=lambda each: each.evidence)
        result = _of_model(members, best, model, there, pool)
        registration = estimation.judged(result, size1, members[0][1].shape, there)
        judged = []
        for pair in progress(pairs, total=len(pairs), desc="judging"):
            images = _prepared(pair())
            if _sizes(images) != _sizes(members[0]):
                raise InputError(
                    "a pair differs in size from the first; a rig has one size of I1 and one of I2"
                )
            judged.append(_member(images, registration, _there(start, images)))
    return Rig(registration, tuple(judged))


def _prepared(pair: tuple[ArrayLike, ArrayLike]) -> Images:
    return estimation.prepared("i1", pair[0]), estimation.prepared("i2", pair[1])


def _sizes(images: Images) -> tuple[Size, Size]:
    return images[0].shape, images[1].shape


def _there(start: ArrayLike | None, images: Images) -> np.ndarray:
    return centered(*_sizes(images)) if start is None else normal(as_matrix(start))


def _of_model(
    members: Sequence[Images],
    begun: Found,
    model: str | None,
    there: np.ndarray,
    pool: Executor,
) -> Found:
    models = MODELS[1:] if model is None else (model,)
    size = members[0][0].shape
    tried = [
        _refined(members, nearest(begun.matrix, each, there, size), each, LAST, pool)
        for each in models
    ]
    # Over many pairs, models differ by the parallax that their scenes have in common, which the
    # expected error leaves out.
    return estimation.simplest(map(estimation.resampled, tried))._replace(rivals=())


def _refined(
    members: Sequence[Images], matrix: np.ndarray, model: str, step: Step, pool: Executor
) -> Found:
    """Refines a transform at one size by the blocks of all pairs."""
    levels = list(pool.map(lambda pair: estimation.level_of(pair[0], step, matrix), members))

    def agreement(matrix: np.ndarray, radius: int) -> Agreement | None:
        twos = [pair[1] for pair in members]
        given = pool.map(lambda level, two: level.agreement(two, matrix, radius), levels, twos)
        return joined([each for each in given if each is not None])

    return estimation.climbed(levels[0], agreement, matrix, model, step)


def joined(agreements: Sequence[Agreement]) -> Agreement | None:
    """Combines the blocks of several pairs, at one size and radius; None if there are none."""
    if not agreements:
        return None
    return dataclasses.replace(
        agreements[0],
        centers=np.concatenate([each.centers for each in agreements]),
        logs=np.concatenate([each.logs for each in agreements]),
        pairs=np.repeat(np.arange(len(agreements)), [len(each.centers) for each in agreements]),
    )


def _member(images: Images, rig: Registration, there: np.ndarray) -> Member:
    """The evidence of one pair for the rig's transform and for the start."""
    one, two = images
    level = estimation.level_of(one, LAST, rig.matrix)
    agreement = level.agreement(two, rig.matrix, LAST.radius)
    if agreement is None:
        return Member(0.0, 0.0, math.nan, False)
    evidence = agreement.evidence(np.zeros_like(agreement.centers))
    shifts = estimation.shifts_between(level, rig.matrix, there, agreement.centers)
    before = agreement.evidence(shifts)
    parameters, alone = agreement.climb("translation")
    own = estimation.displaced(level, rig.matrix, "translation", parameters)
    ends = corners(rig.size1)
    offset = float(np.linalg.norm(moved(own, ends) - moved(rig.matrix, ends), axis=1).mean())
    shown = alone >= FITS
    return Member(evidence, before, offset if shown else math.nan, evidence >= FITS)
