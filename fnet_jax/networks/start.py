"""Parameters to start training from: ``tied`` and the paper's ``xavier``."""

import math
from typing import Any

import jax
import numpy as np

from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.ifnet import IFNet
from fnet_jax.sparse_coding.correlation import adjoint, operator_norm
from fnet_jax.sparse_coding.lcsc import START
from fnet_jax.sparse_coding.lzsc import SCHEDULE_START

METHODS = ("tied", "xavier")
FREE_START = SCHEDULE_START | {"free_theta": START}
# What each decoder takes of what its block found. D leaves half of a source to the common features;
# then the fused image is the mean of the sources, half from u1 and u2 and half from c.
D_SHARE, G_SHARE, G_C_SHARE = 0.5, 0.25, 0.5


def initial_params(network: FNet | IFNet, seed: int, *, method: str = "tied") -> dict[str, Any]:
    """Parameters of a network before training.

    ``"xavier"`` draws every filter from Xavier's uniform distribution, as the paper does. Blocks of
    such filters amplify.

    ``"tied"`` makes each block an accelerated iterative thresholding for one dictionary (eq. 4 with
    its gradient written out): W_e = W_u = W'_u = W of operator norm 1, and W_d = W'_d its adjoint,
    so that I − W_u W_d does not expand. Decoders are the adjoint too: FNet starts by averaging its
    sources, IFNet by returning the fused image twice.

    In both, θᵏ and ρᵏ start at w_θ = −0.5, b_θ = −2, w_ρ = 0.5, b_ρ = 0 (eq. 21), and θ of an LCSC
    block at 0.018.

    Args:
        network: FNet or IFNet.
        seed: decides all that is random.
        method: ``"tied"`` or ``"xavier"``.

    Returns:
        ``{"params": …}``, NumPy arrays in float32, nested as those of ``network.init``.

    Raises:
        ValueError: the method is neither.
    """
    if method not in METHODS:
        raise ValueError(f"unknown initialisation {method!r}: use one of {', '.join(METHODS)}")
    random = np.random.default_rng(seed)
    image = np.zeros((1, 1, 1, 1), np.float32)
    images = (image, image) if isinstance(network, FNet) else (image,)
    shapes = jax.eval_shape(network.init, jax.random.key(0), *images)["params"]
    params = jax.tree.map_with_path(lambda path, x: _xavier(path, x.shape, random), shapes)
    return {"params": params if method == "xavier" else _tied(params, random)}


def _xavier(path: tuple[Any, ...], shape: tuple[int, ...], random: np.random.Generator) -> Any:
    """Filters, or the free parameters of thresholds and momentum that the path names."""
    if len(shape) < 4:
        return np.full(shape, FREE_START[path[-1].key], np.float32)[()]
    size, _, inputs, outputs = shape
    limit = math.sqrt(6 / (size**2 * (inputs + outputs)))
    return random.uniform(-limit, limit, shape).astype(np.float32)


def _tied(params: dict[str, Any], random: np.random.Generator) -> dict[str, Any]:
    blocks, decoders = {}, {}
    for name, block in sorted(params.items()):
        if name.startswith("lzsc_"):
            W = dictionary(random, block.get("W_e_0", block.get("W_e")).shape)
            blocks[name] = {
                part: value if value.ndim < 4 else adjoint(W) if part.startswith("W_d") else W
                for part, value in block.items()
            }
            decoders[name.removeprefix("lzsc_")] = adjoint(W)
    filters = {}
    for name in params.keys() - blocks.keys():
        kind, feature = name.split("_")
        decoder = decoders[feature].sum(axis=3, keepdims=True)  # over both sources, for G_c
        if kind == "G":
            share = G_C_SHARE if feature == "c" else G_SHARE
        else:
            share = D_SHARE if feature.startswith("u") else 1.0
        filters[name] = share * decoder
    return blocks | filters


def dictionary(random: np.random.Generator, shape: tuple[int, int, int, int]) -> np.ndarray:
    """Filters of a tied start: orthogonal atoms of random directions, scaled to operator norm 1.

    Args:
        random: decides the directions.
        shape: (size, size, C, K).

    Returns:
        Array of that shape. Where K is more than size²·C, the rows of atoms are orthogonal.
    """
    size, _, channels, features = shape
    pixels = size * size * channels
    long, short = max(pixels, features), min(pixels, features)
    orthogonal = np.linalg.qr(random.normal(size=(long, short)))[0]
    W = (orthogonal if pixels >= features else orthogonal.T).reshape(shape)
    return (W / operator_norm(W)).astype(np.float32)
