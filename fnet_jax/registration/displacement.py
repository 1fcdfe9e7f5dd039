"""A quick look at whether two images of one size lie on each other."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fnet_jax.registration.estimation import (
    LEAST_EVIDENCE,
    LEAST_SIDE,
    MIDDLE,
    level_of,
    prepared,
)
from fnet_jax.registration.transforms import fields

QUICK = MIDDLE._replace(sigmas=(1.5,))
CLEARLY = 4.0  # nats by which another place has to be better


class Displacement(NamedTuple):
    """How far I2 lies from I1.

    Attributes:
        pixels: root mean square over the blocks that the images show; 0 where another place is not
            clearly better.
        evidence: of I2 where it lies, in nats.
        best: of the best similarity near it.
    """

    pixels: float
    evidence: float
    best: float

    @property
    def known(self) -> bool:
        """Whether the images show enough in common to tell."""
        return self.best >= LEAST_EVIDENCE


def displacement(i1: ArrayLike, i2: ArrayLike) -> Displacement | None:
    """Looks at shifts of up to 3 % of the longer side, with small turns and scales.

    Args:
        i1: array (H, W) or (H, W, 3), of any type and range.
        i2: likewise, of the same height and width.

    Returns:
        What was found; None where the images are too small or show too little.
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
