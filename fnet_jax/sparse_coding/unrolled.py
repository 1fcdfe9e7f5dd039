"""The settings and parameters that the unrolled sparse coders share."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from fnet_jax.sparse_coding import momentum, thresholds
from fnet_jax.sparse_coding.limits import LARGEST_KERNEL, MOST_FEATURES, MOST_ITERATIONS
from fnet_jax.sparse_coding.operators import adjoint

Intermediates = dict[str, Any]
"""Arrays by the paper's names, nested by block: a pytree."""

GAMMAS = (1e-30, 1e30)  # products with image values stay far inside float32

xavier = nn.initializers.xavier_uniform(dtype=jnp.float32)  # whatever JAX_ENABLE_X64 is


class Filters(NamedTuple):
    """A filter bank of a block.

    Attributes:
        shape: (size, size, inputs, outputs).
        leads: True if it maps images to features, False if features to images.
        k: index of the estimate uᵏ that it leads to or reads; None (counts as N) if all iterations
            share it.
        times: number of correlations with it in a block.
    """

    shape: tuple[int, int, int, int]
    leads: bool
    k: int | None
    times: int


def keep_inside(x: jax.Array, mask: jax.Array | None) -> jax.Array:
    """Sets ``x`` to zero where ``mask`` is zero; ``None`` keeps everything.

    Correlations take everything outside an image as zero. For an image inside a larger array, each
    map must therefore be set to zero around the image before the next correlation.
    """
    return x if mask is None else x * mask.astype(x.dtype)


class Unrolled(nn.Module):
    """The settings that LZSC and the networks made of it share.

    Attributes:
        features: number K of feature maps.
        iterations: number N of iterations.
        kernel_size: side of every filter in pixels, odd.
        threshold: ``"sigmoidal"`` (eq. 6), ``"hard"`` (eq. 3) or ``"soft"`` (eq. 5).
        alpha: α of the sigmoidal threshold, in [0, 1].
        gamma: γ > 0 of the sigmoidal threshold.
        shared: whether all iterations share their filters (in the paper, each has its own).
        momentum: ``"nesterov"`` (eq. 20), ``"polyak"``, ``"quasi-hyperbolic"`` or ``"none"``;
            :mod:`fnet_jax.sparse_coding.momentum` has the equations.
    """

    features: int = 64
    iterations: int = 4
    kernel_size: int = 9
    threshold: str = "sigmoidal"
    alpha: float = 0.1
    gamma: float = 100.0
    shared: bool = False
    momentum: str = "nesterov"

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """Makes a network from settings by name, such as those of a file, and checks them.

        Settings that are not given have their defaults.

        Raises:
            ValueError: a setting is unknown, or its value has a wrong type or range.
        """
        known = [name for name in cls.__dataclass_fields__ if name not in ("parent", "name")]
        for name in settings:
            if name not in known:
                raise ValueError(f"unknown setting {name!r}: {cls.__name__} has {', '.join(known)}")
        network = cls(**settings)
        network.check()
        return network

    @nn.nowrap
    def settings(self) -> dict[str, Any]:
        """The attributes above by name, as JSON values; :meth:`of` makes an equal network."""
        names = [field.name for field in dataclasses.fields(self)]
        return {name: getattr(self, name) for name in names if name not in ("parent", "name")}

    @nn.nowrap
    def check(self) -> None:
        """Raises ValueError, naming the setting, if one has a wrong type or range."""
        ranges = {
            "features": (1, MOST_FEATURES),
            "iterations": (0, MOST_ITERATIONS),
            "kernel_size": (1, LARGEST_KERNEL),
        }
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise ValueError(
                    f"{name} must be a whole number from {least} to {most}: got {value!r}"
                )
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd: got {self.kernel_size}")
        for name, (low, high) in {"alpha": (0, 1), "gamma": GAMMAS}.items():
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (number and low <= value <= high):
                raise ValueError(f"{name} must be a number from {low} to {high}: got {value!r}")
        if not isinstance(self.shared, bool):
            raise ValueError(f"shared must be true or false: got {self.shared!r}")
        kinds = {"threshold": thresholds.KINDS, "momentum": momentum.KINDS}
        for name, known in kinds.items():
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"unknown {name} {value!r}: use {', '.join(map(repr, known))}")


class Coder(Unrolled):
    """A block that codes images and knows its parameters: names, shapes and initial values."""

    @nn.nowrap
    def filters(self, channels: int) -> dict[str, Filters]:
        """The filters by name, for images of ``channels`` channels, in order of creation."""
        raise TypeError(f"{type(self).__name__} has no filters: use LZSC or LCSC")

    @nn.nowrap
    def free(self) -> dict[str, np.ndarray]:
        """The other parameters by name, with their initial values."""
        raise TypeError(f"{type(self).__name__} has no parameters: use LZSC or LCSC")

    @nn.nowrap
    def shapes(self, channels: int) -> dict[str, Any]:
        """Shapes and types of the parameters, ``{"params": …}`` of ``jax.ShapeDtypeStruct``."""
        shapes = {name: bank.shape for name, bank in self.filters(channels).items()}
        shapes |= {name: array.shape for name, array in self.free().items()}
        return {"params": {n: jax.ShapeDtypeStruct(s, np.float32) for n, s in shapes.items()}}

    @nn.nowrap
    def channels(self, params: Mapping[str, Any]) -> int:
        """Number of image channels that a block with these parameters (arrays or shapes) codes.

        Raises:
            ValueError: ``params`` has no filters that map images to features.
        """
        for name, bank in self.filters(1).items():
            if bank.leads and len(getattr(params.get(name), "shape", ())) == len(bank.shape):
                return int(params[name].shape[2])
        raise ValueError(f"the parameters have no filters of {type(self).__name__}")

    @nn.nowrap
    def course(self, found: Intermediates) -> tuple[np.ndarray, np.ndarray]:
        """θᵏ and ρᵏ for k = 0…N from the intermediates of the block, each (N + 1,)."""
        return found["theta"], found["rho"]

    @nn.nowrap
    def reads(self) -> dict[int, str]:
        """For k = 1…N, the name of the filters W_dᵏ with which iteration k reads uᵏ⁻¹."""
        return {k: self.parameter("W_d", k) for k in range(1, self.iterations + 1)}

    @nn.nowrap
    def products(self, channels: int) -> int:
        """Multiplications of a filter weight and a value that the block needs per pixel."""
        return sum(math.prod(bank.shape) * bank.times for bank in self.filters(channels).values())

    @nn.nowrap
    def tied(self, W: np.ndarray) -> dict[str, np.ndarray]:
        """Parameters from one dictionary W (size, size, C, K): W to features, its adjoint back."""
        banks = self.filters(W.shape[2])
        return {n: W if bank.leads else adjoint(W) for n, bank in banks.items()} | self.free()

    @nn.nowrap
    def dictionaries(self, params: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The filters W_eᵏ and then W_dᵏ by name, each (K, C, size, size)."""
        names = [self.parameter("W_e", k) for k in range(self.iterations + 1)]
        return {n: np.asarray(params[n]).transpose(3, 2, 0, 1) for n in names} | {
            n: np.asarray(params[n]).transpose(2, 3, 0, 1) for n in self.reads().values()
        }

    @nn.nowrap
    def parameter(self, name: str, k: int) -> str:
        """Name of the parameter with the filters ``name`` of iteration k."""
        return name if self.shared else f"{name}_{k}"

    @nn.nowrap
    def up_shape(self, channels: int) -> tuple[int, int, int, int]:
        """Shape of filters from images to feature maps."""
        return (self.kernel_size, self.kernel_size, channels, self.features)

    @nn.nowrap
    def down_shape(self, channels: int) -> tuple[int, int, int, int]:
        """Shape of filters from feature maps to images."""
        return (self.kernel_size, self.kernel_size, self.features, channels)


def check_images(*, expected_channels: int | None = None, **images: jax.Array) -> None:
    """Raises ValueError, naming the array, unless all are (N, H, W, C) floats of one N, H, W."""
    shapes = {name: image.shape for name, image in images.items()}
    for name, image in images.items():
        if image.ndim != 4 or (expected_channels and image.shape[3] != expected_channels):
            channels = expected_channels or "C"
            raise ValueError(f"{name} must have shape (N, H, W, {channels}): got {image.shape}")
        if not jnp.issubdtype(image.dtype, jnp.floating):
            raise ValueError(f"{name} must be floating point, in [0, 1]: got {image.dtype}")
    if len({shape[:3] for shape in shapes.values()}) > 1:
        raise ValueError(f"the images must have the same size: got {shapes}")
