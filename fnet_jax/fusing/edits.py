"""What the fused image would be if features were weaker, stronger or absent, or thresholds other.

Two kinds of change, which do not mean the same:

- Scaling u1, u2, c or one feature of them changes the *decoding* alone (eq. 23): the features that
  were found stay as they are, in particular c, although it was found in what u1 and u2 leave of the
  sources. The fused image is linear in these scales.
- Scaling the thresholds changes what is *found*: everything is computed anew.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from fnet_jax.errors import InputError
from fnet_jax.fusing.fuser import Fuser
from fnet_jax.images import color as colors
from fnet_jax.networks.fnet import FNet
from fnet_jax.sparse_coding.correlation import correlate
from fnet_jax.sparse_coding.unrolled import Intermediates

CODES = tuple(FNet.CODES)
LARGEST = 1e6  # scale, with which float32 still holds the products of several

_correlate = jax.jit(correlate)


class Feature(NamedTuple):
    """One feature map, scaled.

    Attributes:
        code: ``"u1"``, ``"u2"`` or ``"c"``.
        number: which of its maps, from 0.
        scale: what it is multiplied by, beside the scale of the whole code.
    """

    code: str
    number: int
    scale: float


@dataclass(frozen=True)
class Edit:
    """What is changed; without arguments, nothing.

    Attributes:
        u1: scale of all features of u1 in the decoding.
        u2: the same of u2.
        c: the same of c.
        theta_scale: multiplies every θᵏ of the three blocks, ≥ 0; features are found anew.
        features: single features that are scaled; of those named twice, the scales multiply.
    """

    u1: float = 1.0
    u2: float = 1.0
    c: float = 1.0
    theta_scale: float = 1.0
    features: tuple[Feature, ...] = ()

    def check(self, features: int) -> None:
        """Raises InputError, naming what is wrong, unless it fits a network of so many features."""
        scales = {name: getattr(self, name) for name in (*CODES, "theta_scale")}
        for code, number, scale in self.features:
            name = f"{code}:{number}"
            scales[name] = scales.get(name, 1.0) * scale
        for name, scale in scales.items():
            if not abs(scale) <= LARGEST:
                raise InputError(
                    f"the scale of {name} is {scale:g}; give a number from {-LARGEST:g} to "
                    f"{LARGEST:g}"
                )
        if self.theta_scale < 0:
            raise InputError(f"the scale of theta is {self.theta_scale:g}; give 0 or more")
        for code, number, _ in self.features:
            if code not in CODES or not 0 <= number < features:
                raise InputError(
                    f"there is no feature {code}:{number}; "
                    f"u1, u2 and c have features 0 to {features - 1}"
                )


def decode(found: Intermediates, params: Any, edit: Edit) -> np.ndarray:
    """Decodes features that were found, scaled (eq. 23).

    With s_x the scale of a code x and s_j that of its feature j, and the sums over u1, u2, c and
    over the features, If = Σ_x s_x (G_x x + Σ_j (s_j − 1) G_x x_j).

    Args:
        found: of :meth:`fnet_jax.fusing.fuser.Fuser.decompose`.
        params: of the network, ``{"params": …}``.
        edit: the scales; its ``theta_scale`` is not looked at.

    Returns:
        The fused luma, shape (H, W, 1), not clipped: exactly ``found["If"]`` if all scales are 1.

    Raises:
        InputError: ``edit`` does not fit.
    """
    edit.check(found["c"].shape[2])
    fused = found["If"]
    for code in CODES:
        scale = getattr(edit, code)
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
    maps, filters = code[None, ..., numbers] * weights, G[:, :, numbers]
    return np.asarray(_correlate(maps, filters))[0]


def fuse(
    fuser: Fuser, i1: np.ndarray, i2: np.ndarray, edit: Edit, *, color: str = "auto"
) -> np.ndarray:
    """The fused image of two images after an edit.

    An edit of nothing gives what :meth:`fnet_jax.fusing.fuser.Fuser.fuse` gives, up to rounding. To
    try many scales on one pair, call :meth:`~fnet_jax.fusing.fuser.Fuser.decompose` once and then
    :func:`decode`.

    Args:
        fuser: the network.
        i1: as for :meth:`fnet_jax.fusing.fuser.Fuser.fuse`.
        i2: as for :meth:`fnet_jax.fusing.fuser.Fuser.fuse`.
        edit: what is changed.
        color: as for :meth:`fnet_jax.fusing.fuser.Fuser.fuse`.

    Returns:
        The image in the type of ``i1``, as of :meth:`fnet_jax.fusing.fuser.Fuser.fuse`.

    Raises:
        InputError: ``edit`` does not fit, or as for :meth:`fnet_jax.fusing.fuser.Fuser.fuse`.
        MemoryError: as for :meth:`fnet_jax.fusing.fuser.Fuser.decompose`; it never cuts.
    """
    edit.check(fuser.network.features)
    _, recombine, _ = fuser.inputs(i1, i2, color=color)
    found = fuser.decompose(i1, i2, color=color, theta_scale=edit.theta_scale)
    return colors.from_unit(
        recombine(decode(found, fuser.params, edit)[..., 0]), np.asarray(i1).dtype
    )
