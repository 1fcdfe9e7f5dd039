"""A quick check of whether two images of one size are aligned."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fnet_jax.registration.estimation import LEAST_SIDE, MIDDLE, level_of, prepared
from fnet_jax.registration.transforms import fields

QUICK = MIDDLE._replace(radius=8, sigmas=(1.5,))
LEAST_EVIDENCE = 12.0  # nats, of the best position, to tell anything
NOTABLE = 2.0  # pixels of displacement above which people are told
CLEARLY = 4.0  # nats by which another position must be better


class Displacement(NamedTuple):
    """The displacement of I2 relative to I1.

    Attributes:
        pixels: root mean square over the blocks; 0 if no other position is clearly better.
        evidence: for the current position of I2, in nats.
        best: evidence for the best similarity transform near it.
    """

    pixels: float
    evidence: float
    best: float

    @property
    def known(self) -> bool:
        """Whether the images have enough structure in common to decide."""
        return self.best >= LEAST_EVIDENCE


def displacement(i1: ArrayLike, i2: ArrayLike) -> Displacement | None:
    """Tests shifts of up to 3 % of the longer side, with small rotations and scales.

    Images are arrays (H, W) or (H, W, 3) of any type and range, of equal height and width. Returns
    None if they are too small or have too little structure.
    """
    if min(np.shape(i1)[:2]) < LEAST_SIDE:
        return None
    one, two = prepared("i1", i1), prepared("i2", i2)
    level = level_of(one, QUICK, np.eye(3))
    agreement = level.agreement(two, np.eye(3), QUICK.radius)
    if agreement is None:
        return None
    still = agreement.evidence(np.zeros_like(agreement.centers))
    parameters, best = agreement.climb("similarity")
    shifts = fields("similarity", agreement.centers, level.size) @ parameters
    if best - still < CLEARLY:
        return Displacement(0.0, still, best)
    far = float(np.sqrt((shifts**2).sum(1).mean())) / level.factor
    return Displacement(far, still, best)
