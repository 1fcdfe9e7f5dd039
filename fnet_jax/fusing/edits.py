"""What the fused image would be with weaker, stronger or missing features or other thresholds.

There are two kinds of change, and they mean different things:

- Scaling u1, u2, c or one feature of them changes the *decoding* alone (eq. 23): the features that
  were found stay as they are, in particular c, although it was found in what u1 and u2 leave of the
  sources. The fused image is linear in these scales.
- Scaling the thresholds changes what is *found*: the network is run again.
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
LARGEST = 1e6  # scale, with which float32 still holds the products of several


class Feature(NamedTuple):
    """One feature map, scaled.

    Attributes:
        code: ``"u1"``, ``"u2"`` or ``"c"``.
        number: which of its maps, from 0.
        scale: its factor, which multiplies that of the whole code.
    """

    code: str
    number: int
    scale: float


@dataclass(frozen=True)
class Edit:
    """What is changed; without arguments, nothing.

    Attributes:
        u1: scale of all features of u1 in the decoding.
        u2: the same for u2.
        c: the same for c.
        theta_scale: multiplies every θᵏ of the three blocks, ≥ 0; the features are found again.
        features: single features that are scaled; if one is named twice, its scales multiply.
    """

    u1: float = 1.0
    u2: float = 1.0
    c: float = 1.0
    theta_scale: float = 1.0
    features: tuple[Feature, ...] = ()

    def check(self, features: int) -> None:
        """Raises InputError unless it fits a network with that number of features."""
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
        found: what :meth:`fnet_jax.fusing.fuser.Fuser.decompose` returned.
        params: of the network, ``{"params": …}``.
        edit: the scales; its ``theta_scale`` is not used.

    Returns:
        The fused luma, float32 (H, W, 1), not clipped: exactly ``found["If"]`` if all scales are 1.

    Raises:
        InputError: ``edit`` does not fit.
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
    """What scaling single features adds to the reconstruction of their code, (H, W, 1)."""
    scales: dict[int, float] = {}
    for _, number, scale in features:
        scales[number] = scales.get(number, 1.0) * scale
    numbers = list(scales)
    weights = np.array([scale - 1 for scale in scales.values()], np.float32)
    maps, filters = code[..., numbers] * weights, G[:, :, numbers]
    return reconstruct(maps, filters)


def reconstruct(features: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Draws features with their filters, such as G_u1 u1 (eq. 23).

    Args:
        features: feature maps, shape (H, W, K).
        filters: shape (size, size, K, C).

    Returns:
        Images, float32 (H, W, C).
    """
    maps, kernel = np.asarray(features, np.float32)[None], np.asarray(filters, np.float32)
    return np.asarray(_correlation(maps.shape, kernel.shape)(maps, kernel))[0]


@functools.lru_cache(maxsize=8)  # there is no limit to the number of image sizes
def _correlation(features: tuple[int, ...], filters: tuple[int, ...]) -> jax.stages.Compiled:
    arguments = (jax.ShapeDtypeStruct(shape, np.float32) for shape in (features, filters))
    return jax.jit(lambda x, kernel: correlate(x, kernel)).lower(*arguments).compile()


def fuse(
    fuser: Fuser, i1: np.ndarray, i2: np.ndarray, edit: Edit, *, color: str = "auto"
) -> np.ndarray:
    """The fused image of two images after an edit.

    Without a change, that is what :meth:`fnet_jax.fusing.fuser.Fuser.fuse` returns, up to rounding.
    To try many scales on one pair, call :meth:`~fnet_jax.fusing.fuser.Fuser.decompose` once and
    then :func:`decode`.

    Args:
        fuser: the network.
        i1: as for :meth:`fnet_jax.fusing.fuser.Fuser.fuse`.
        i2: as for :meth:`fnet_jax.fusing.fuser.Fuser.fuse`.
        edit: what is changed.
        color: as for :meth:`fnet_jax.fusing.fuser.Fuser.fuse`.

    Returns:
        The image in the type of ``i1``, as from :meth:`fnet_jax.fusing.fuser.Fuser.fuse`.

    Raises:
        InputError: ``edit`` does not fit, or as for :meth:`fnet_jax.fusing.fuser.Fuser.fuse`.
        MemoryError: as for :meth:`fnet_jax.fusing.fuser.Fuser.decompose`.
    """
    edit.check(fuser.network.features)
    pair = inputs.separate(i1, i2, color=color)
    found = fuser.intermediates(pair, theta_scale=edit.theta_scale)
    return pair.image(decode(found, fuser.params, edit)[..., 0])
