"""Initial parameters for training: ``tied`` and the paper's ``xavier``."""

import math
from typing import Any

import jax
import numpy as np

from fnet_jax.networks.network import Network
from fnet_jax.sparse_coding.operators import operator_norm

METHODS = ("tied", "xavier")


def initial_params(network: Network, seed: int, *, method: str = "tied") -> dict[str, Any]:
    """Parameters of a network before training.

    ``"xavier"`` draws every filter from Xavier's uniform distribution, as the paper does. Blocks of
    such filters amplify.

    ``"tied"`` makes each block an accelerated iterative thresholding for one dictionary (eq. 4 with
    its gradient written out): W_e = W_u = W'_u = W of operator norm 1, and W_d = W'_d its adjoint,
    so that I − W_u W_d does not expand. Decoders are the adjoint too: FNet starts by averaging
    its sources, IFNet by returning the fused image twice.

    In both, the schedule starts at w_θ = −0.5, b_θ = −2, w_ρ = 0.5, b_ρ = 0 (eq. 21), and θ of an
    LCSC block at 0.018.

    Args:
        network: FNet or IFNet.
        seed: seed of all random numbers.
        method: ``"tied"`` or ``"xavier"``.

    Returns:
        ``{"params": …}``, float32 NumPy arrays nested as those of ``network.init``.

    Raises:
        ValueError: unknown method.
    """
    if method not in METHODS:
        raise ValueError(f"unknown initialization {method!r}: use one of {', '.join(METHODS)}")
    random = np.random.default_rng(seed)
    filters = jax.tree.map(lambda x: _xavier(x.shape, random), network.shapes()["params"])
    coder, codes = network.coder(), sorted(network.CODES)
    if method == "tied":
        shapes = {code: coder.up_shape(channels) for code, channels in network.CODES.items()}
        return {"params": network.tied({c: dictionary(random, shapes[c]) for c in codes})}
    free = {network.block_name(code): coder.free() for code in codes}
    return {"params": {n: x | free[n] if n in free else x for n, x in filters.items()}}


def _xavier(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray | None:
    """Filters from Xavier's uniform distribution; None for other parameters."""
    if len(shape) < 4:
        return None
    size, _, inputs, outputs = shape
    limit = math.sqrt(6 / (size**2 * (inputs + outputs)))
    return random.uniform(-limit, limit, shape).astype(np.float32)


def dictionary(random: np.random.Generator, shape: tuple[int, int, int, int]) -> np.ndarray:
    """Filters of a tied start, of ``shape`` (size, size, C, K) and operator norm 1.

    Atoms are orthogonal, with random directions; where K > size²·C, the rows of atoms are.
    """
    size, _, channels, features = shape
    pixels = size * size * channels
    long, short = max(pixels, features), min(pixels, features)
    orthogonal = np.linalg.qr(random.normal(size=(long, short)))[0]
    W = (orthogonal if pixels >= features else orthogonal.T).reshape(shape)
    return (W / operator_norm(W)).astype(np.float32)
