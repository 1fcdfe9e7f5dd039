"""Public module of sparse coding: LZSC, its schedule, thresholds and solvers."""

from fnet_jax.sparse_coding.correlation import correlate
from fnet_jax.sparse_coding.lcsc import LCSC
from fnet_jax.sparse_coding.lzsc import LZSC
from fnet_jax.sparse_coding.operators import adjoint, operator_norm
from fnet_jax.sparse_coding.schedule import inverse_softplus, schedule
from fnet_jax.sparse_coding.solvers import (
    accelerated_iht,
    fista,
    iht,
    ista,
    normalised_iht,
    objective,
)
from fnet_jax.sparse_coding.thresholds import hard, sigmoidal, soft
from fnet_jax.sparse_coding.unrolled import Intermediates

__all__ = [
    "LCSC",
    "LZSC",
    "Intermediates",
    "accelerated_iht",
    "adjoint",
    "correlate",
    "fista",
    "hard",
    "iht",
    "inverse_softplus",
    "ista",
    "normalised_iht",
    "objective",
    "operator_norm",
    "schedule",
    "sigmoidal",
    "soft",
]
