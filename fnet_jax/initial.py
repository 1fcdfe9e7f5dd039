"""Parameters to start training from: ``tied`` and the paper's ``xavier``."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnet_jax.conv import adjoint, operator_norm
from fnet_jax.fnet import FNet
from fnet_jax.ifnet import IFNet

METHODS = ("tied", "xavier")
NORM = 0.6

# What each decoder takes of what its block found. D leaves half of a source to the common features;
# then the fused image is the mean of the sources, half from u1 and u2 and half from c.
D_SHARE, G_SHARE, G_C_SHARE = 0.5, 0.25, 0.5


def make(network: FNet | IFNet, key: jax.Array, *, method: str = "tied") -> dict[str, Any]:
    """Parameters of a network before training.

    ``"xavier"`` draws every filter from Xavier's uniform distribution, as the paper does. Blocks of
    such filters amplify: losses start in the thousands.

    ``"tied"`` makes each block an accelerated iterative thresholding for one dictionary (eq. 4 with
    its gradient written out): W_e = W_u = W'_u = W, and W_d = W'_d its adjoint. I − W_u W_d does
    not expand as long as W's operator norm is at most √2; it is 0.6 here, since Adam's first steps
    move all weights by the learning rate, which raises the norm. The atoms are one constant per
    channel, which carries the brightness, and a random rotation of the smoothest other atoms of the
    discrete cosine transform, so that few of them answer where an image is flat. Decoders are the
    adjoint too: FNet starts by averaging its sources, IFNet by returning the fused image twice.

    In both, θᵏ and ρᵏ start at w_θ = −0.5, b_θ = −2, w_ρ = 0.5, b_ρ = 0 (eq. 21).

    Args:
        network: FNet or IFNet.
        key: decides all that is random; scalar PRNG key.
        method: ``"tied"`` or ``"xavier"``.

    Returns:
        ``{"params": …}`` in float32, as ``network.init`` gives them.

    Raises:
        ValueError: the method is neither.
    """
    if method not in METHODS:
        raise ValueError(f"unknown initialisation {method!r}: use one of {', '.join(METHODS)}")
    image = jnp.zeros((1, 1, 1, 1))
    images = (image, image) if isinstance(network, FNet) else (image,)
    params = jax.jit(network.init)(key, *images)["params"]
    if method == "tied":
        params = _tied(params, key)
    return {"params": params}


def _tied(params: dict[str, Any], key: jax.Array) -> dict[str, Any]:
    blocks, decoders = {}, {}
    for i, (name, block) in enumerate(sorted(params.items())):
        if name.startswith("lzsc_"):
            W = dictionary(jax.random.fold_in(key, i), block["W_e_0"].shape)
            blocks[name] = {
                part: value if value.ndim == 0 else adjoint(W) if part.startswith("W_d") else W
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


def dictionary(key: jax.Array, shape: tuple[int, int, int, int]) -> jax.Array:
    """Filters of a tied start: orthogonal atoms, scaled to operator norm ``NORM``.

    Args:
        key: decides the rotation.
        shape: (size, size, C, K).

    Returns:
        Array of that shape; the first C atoms (all, if K < C) are constant in space.
    """
    size, _, channels, features = shape
    atoms = _cosines(size, channels)
    constant = atoms[:, : min(channels, features)]
    smooth = atoms[:, constant.shape[1] : features]
    wanted = features - constant.shape[1]
    rotation = jnp.zeros((smooth.shape[1], wanted))
    if wanted and smooth.shape[1]:  # rows are orthonormal, also where atoms are fewer than features
        rotation = jnp.linalg.qr(jax.random.normal(key, (wanted, smooth.shape[1])))[0].T
    W = jnp.concatenate([constant, smooth @ rotation], axis=1)
    W = W.reshape(channels, size, size, features).transpose(1, 2, 0, 3)
    return NORM * W / operator_norm(W)


def _cosines(size: int, channels: int) -> np.ndarray:
    """Orthonormal cosines over channels, y and x, as columns, by their frequency in space."""
    cosines = {}
    for n in (size, channels):
        k = np.arange(n)
        waves = np.cos(np.pi * (k[:, None] + 0.5) * k / n)
        cosines[n] = waves / np.linalg.norm(waves, axis=0)
    atoms = np.einsum("ca,yi,xj->cyxija", cosines[channels], cosines[size], cosines[size])
    i, j, _ = np.indices((size, size, channels))
    order = np.argsort((i**2 + j**2).ravel(), kind="stable")
    return atoms.reshape(channels * size * size, -1)[:, order].astype(np.float32)
