"""The fused image with weaker, stronger or missing features, or with other thresholds.

There are two kinds of edits:

- Scaling u1, u2, c or one of their features changes only the *decoding* (eq. 23). The features stay
  as they were found, including c, although it depends on u1 and u2. The fused image is linear in
  these scales.
- Scaling the thresholds changes the features: the network is run again.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from fnet_jax.errors import InputError
from fnet_jax.fusing import inputs
from fnet_jax.fusing.fuser import Fuser
from fnet_jax.networks.fnet import FNet
from fnet_jax.sparse_coding.correlation import correlate
from fnet_jax.sparse_coding.unrolled import Intermediates

CODES = tuple(FNet.CODES)
LARGEST = 1e6  # scale; float32 can represent products of several


class Feature(NamedTuple):
    """A scaled feature map.

    Attributes:
        code: ``"u1"``, ``"u2"`` or ``"c"``.
        number: index of the map, from 0.
        scale: factor, in addition to that of the whole code.
    """

    code: str
    number: int
    scale: float


@dataclass(frozen=True)
class Edit:
    """An edit; by default, it changes nothing.

    Attributes:
        u1: scale of all features of u1 in the decoding.
        u2: the same for u2.
        c: the same for c.
        theta_scale: factor of every θᵏ of the three blocks, ≥ 0; the features are found again.
        features: scaled single features; the scales of repeated features multiply.
    """

    u1: float = 1.0
    u2: float = 1.0
    c: float = 1.0
    theta_scale: float = 1.0
    features: tuple[Feature, ...] = ()

    def check(self, features: int) -> None:
        """Raises InputError unless the edit is valid for a network of this many features."""
        scales = {name: getattr(self, name) for name in (*CODES, "theta_scale")}
        for code, number, scale in self.features:
            name = f"{code}:{number}"
            scales[name] = scales.get(name, 1.0) * scale
        for name, scale in scales.items():
            if not abs(scale) <= LARGEST:
                raise InputError(
                    f"the scale of {name} is {scale:g}; use a number from {-LARGEST:g} to "
                    f"{LARGEST:g}"
                )
        if self.theta_scale < 0:
            raise InputError(f"the scale of theta is {self.theta_scale:g}; use 0 or more")
        for code, number, _ in self.features:
            if code not in CODES or not 0 <= number < features:
                raise InputError(
                    f"feature {code}:{number} does not exist; "
                    f"u1, u2 and c have features 0 to {features - 1}"
                )


def decode(found: Intermediates, params: Any, edit: Edit) -> np.ndarray:
    """Decodes scaled features (eq. 23).

    With s_x the scale of a code x and s_j that of its feature j, and the sums over u1, u2, c and
    over the features, If = Σ_x s_x (G_x x + Σ_j (s_j − 1) G_x x_j).

    Args:
        found: the result of :meth:`fnet_jax.fusing.fuser.Fuser.decompose`.
        params: of the network, ``{"params": …}``.
        edit: the scales; its ``theta_scale`` is ignored.

    Returns:
        The fused luma, float32 (H, W, 1), not clipped: exactly ``found["If"]`` if all scales are 1.

    Raises:
        InputError: ``edit`` is invalid for this network.
    """
    edit.check(found["c"].shape[2])
    fused = found["If"]
    for code in CODES:
        scale = float(getattr(edit, code))
        of_code = [feature for feature in edit.features if feature.code == code]
        if of_code:
            fused = fused + scale * _change(found[code], FNet.drawn(params, code), of_code)
        if scale != 1:
            fused = fused + (scale - 1) * found[f"If_{code}"]
    return np.asarray(fused)


def _change(code: np.ndarray, G: np.ndarray, features: Iterable[Feature]) -> np.ndarray:
    """The contribution of scaled single features to the reconstruction, (H, W, 1)."""
    scales: dict[int, float] = {}
    for _, number, scale in features:
        scales[number] = scales.get(number, 1.0) * scale
    # As many maps as the next power of 2, so that few programs are compiled while maps are tried.
    unused = [number for number in range(code.shape[2]) if number not in scales]
    numbers = [*scales, *unused][: 1 << (len(scales) - 1).bit_length()]
    weights = np.array([scales.get(number, 1.0) - 1 for number in numbers], np.float32)
    return reconstruct(code[..., numbers] * weights, G[:, :, numbers])


def reconstruct(features: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Decodes feature maps (H, W, K) with filters (size, size, K, C), such as G_u1 u1 (eq. 23).

    Returns:
        Images, float32 (H, W, C).
    """
    maps, kernel = np.asarray(features, np.float32)[None], np.asarray(filters, np.float32)
    return np.asarray(_correlation(maps.shape, kernel.shape)(maps, kernel))[0]


@functools.lru_cache(maxsize=8)  # the number of image sizes is unlimited
def _correlation(features: tuple[int, ...], filters: tuple[int, ...]) -> jax.stages.Compiled:
    arguments = (jax.ShapeDtypeStruct(shape, np.float32) for shape in (features, filters))
    return jax.jit(lambda x, kernel: correlate(x, kernel)).lower(*arguments).compile()


def fuse(
    fuser: Fuser, i1: np.ndarray, i2: np.ndarray, edit: Edit, *, color: str = "auto"
) -> np.ndarray:
    """Fuses two images with an edit.

    Images, ``color`` and the result are as for :meth:`fnet_jax.fusing.fuser.Fuser.fuse`, which
    returns the same for the default edit, up to rounding. To try many scales on one pair, call
    :meth:`~fnet_jax.fusing.fuser.Fuser.decompose` once and then :func:`decode`.

    Raises:
        InputError: ``edit`` is invalid for this network, or as for ``fuse``.
        MemoryError: as for ``decompose``.
    """
    edit.check(fuser.network.features)
    pair = inputs.separate(i1, i2, color=color)
    found = fuser.intermediates(pair, theta_scale=edit.theta_scale)
    return pair.image(decode(found, fuser.params, edit)[..., 0])
