"""How the estimate of a block changes from one iteration to the next.

LZSC has no decoder of its own that would show how well uᵏ explains its input e. Two residuals
relative to ‖e‖ are given instead:

- ``seen``: min_A ‖e − A W_dᵏ uᵏ⁻¹‖, the part of e that cannot be recovered from what iteration k
  reads of the previous estimate (eq. 20). All blocks have it. A mixes the C channels (for u1 and u2
  it is one number), because an LZSC block does not change if W_dᵏ is followed by any invertible A
  and W_uᵏ preceded by its inverse. Every iteration reads with its own filters, so this is not a
  residual that an algorithm would reduce.
- ``decoded``: ‖e − D uᵏ‖ with the decoder D that was learned for the last estimate. Only u1 and u2
  have it, because the network does not use D_c1 and D_c2. The remainder is not an error but the
  image Î that is left for the common features.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fnet_jax.fusing.edits import reconstruct


class Convergence(NamedTuple):
    """The course of a block's iterates, for k = 0…N; each array has shape (N + 1,).

    Attributes:
        step: ‖uᵏ − uᵏ⁻¹‖₂ over all pixels and features, with u⁻¹ = 0.
        relative_step: ``step`` over ‖uᵏ‖₂; NaN where that is 0.
        seen: min_A ‖e − A W_dᵏ uᵏ⁻¹‖₂ / ‖e‖₂ in [0, 1]; NaN at k = 0, which has no previous
            estimate, and where e is 0.
        decoded: ‖e − D uᵏ‖₂ / ‖e‖₂; NaN for a block without D, or where e is 0.
    """

    step: np.ndarray
    relative_step: np.ndarray
    seen: np.ndarray
    decoded: np.ndarray


def convergence(
    e: np.ndarray,
    u: Sequence[np.ndarray],
    W_d: Sequence[np.ndarray],
    D: np.ndarray | None = None,
) -> Convergence:
    """Measures the iterates of a block.

    Args:
        e: input of the block, shape (H, W, C).
        u: u⁰…uᴺ, each of shape (H, W, K).
        W_d: filters of W_d¹…W_dᴺ, each of shape (size, size, K, C).
        D: filters of the decoder of uᴺ, shape (size, size, K, C); None if the block has none.
    """
    norms = np.array([_norm(x) for x in u])
    step = np.array([norms[0], *(_norm(x - y) for x, y in zip(u[1:], u[:-1], strict=True))])
    seen = [np.nan, *(_unexplained(e, reconstruct(x, W)) for x, W in zip(u[:-1], W_d, strict=True))]
    decoded = [np.nan if D is None else _relative(e - reconstruct(x, D), e) for x in u]
    relative = step / np.where(norms > 0, norms, np.nan)
    return Convergence(step, relative, np.array(seen), np.array(decoded))


def _unexplained(e: np.ndarray, read: np.ndarray) -> float:
    """The share of e that no mixture of the channels of ``read`` explains."""
    channels = e.shape[2]
    target, known = e.reshape(-1, channels), read.reshape(-1, channels)
    A, *_ = np.linalg.lstsq(known, target, rcond=None)
    return _relative(target - known @ A, e)


def _relative(rest: np.ndarray, e: np.ndarray) -> float:
    """‖rest‖ / ‖e‖, NaN where e is 0."""
    size = _norm(e)
    return _norm(rest) / size if size else np.nan


def _norm(x: np.ndarray) -> float:
    return float(np.linalg.norm(x.ravel()))
