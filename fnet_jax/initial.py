"""Parameters to start training from: ``tied`` and the paper's ``xavier``."""

import math
from typing import Any

import jax
import numpy as np

from fnet_jax.conv import adjoint
from fnet_jax.fnet import FNet
from fnet_jax.ifnet import IFNet
from fnet_jax.lzsc import SCHEDULE_START

METHODS = ("tied", "xavier")
NORM = 0.6
# What each decoder takes of what its block found. D leaves half of a source to the common features;
# then the fused image is the mean of the sources, half from u1 and u2 and half from c.
D_SHARE, G_SHARE, G_C_SHARE = 0.5, 0.25, 0.5


def make(network: FNet | IFNet, seed: int, *, method: str = "tied") -> dict[str, Any]:
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
    """Filters, or the scalar of eq. 21 that the last part of the path names."""
    if not shape:
        return np.float32(SCHEDULE_START[path[-1].key])
    size, _, inputs, outputs = shape
    limit = math.sqrt(6 / (size**2 * (inputs + outputs)))
    return random.uniform(-limit, limit, shape).astype(np.float32)


def _tied(params: dict[str, Any], random: np.random.Generator) -> dict[str, Any]:
    blocks, decoders = {}, {}
    for name, block in sorted(params.items()):
        if name.startswith("lzsc_"):
            W = dictionary(random, block["W_e_0"].shape)
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


def dictionary(random: np.random.Generator, shape: tuple[int, int, int, int]) -> np.ndarray:
    """Filters of a tied start: orthogonal atoms, scaled to operator norm ``NORM``.

    Args:
        random: decides the rotation.
        shape: (size, size, C, K).

    Returns:
        Array of that shape; the first C atoms (all, if K < C) are constant in space.
    """
    size, _, channels, features = shape
    atoms = _cosines(size, channels)
    constant, smooth = np.split(atoms[:, :features], [min(channels, features)], axis=1)
    wanted = features - constant.shape[1]
    # Orthonormal rows, also where there are fewer atoms than features.
    rotation = np.linalg.qr(random.normal(size=(wanted, smooth.shape[1])))[0].T
    W = np.concatenate([constant, smooth @ rotation], axis=1)
    W = W.reshape(channels, size, size, features).transpose(1, 2, 0, 3)
    return (NORM * W / operator_norm(W)).astype(np.float32)


def operator_norm(kernel: np.ndarray, *, grid: int = 64) -> float:
    """Largest factor by which correlating with ``kernel`` lengthens images of any size.

    The largest singular value of the filters' transfer function (C×O) over a grid of frequencies:
    exact for images without border up to the fineness of the grid, an upper bound with one.

    Args:
        kernel: shape (size, size, C, O).
        grid: number of frequencies per axis, at least ``size``.
    """
    transfer = np.fft.fft2(kernel, s=(grid, grid), axes=(0, 1))
    return float(np.linalg.norm(transfer, ord=2, axis=(2, 3)).max())


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
