"""Distillation: a network imitates another one on the same pairs, in addition to its own loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from fnet_jax.artifacts import provenance
from fnet_jax.errors import InputError, reason
from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.losses import Terms
from fnet_jax.networks.sizes import SIZES
from fnet_jax.sparse_coding.unrolled import Intermediates
from fnet_jax.weights import checkpoints
from fnet_jax.weights.integrity import checksums

PARTS = ("If_u1", "If_u2", "If_c")  # they sum to the fused image


@dataclass(frozen=True, eq=False)  # compared by identity, because functions of it are cached
class Teacher:
    """A trained FNet that another one imitates.

    Attributes:
        network: the network.
        params: its parameters, ``{"params": …}``.
        weight: weight of the mean distance to its fused image.
        parts_weight: weight of the mean distance to each of its three reconstructions.
    """

    network: FNet
    params: Mapping[str, Any]
    weight: float
    parts_weight: float

    def terms(self, found: Intermediates, I1: jax.Array, I2: jax.Array) -> Terms:
        """The distance of a network with intermediates ``found`` to the teacher on a batch.

        I1 and I2 are (N, H, W, 1), values in [0, 1]. ``teacher`` is weight · mean |If − If of the
        teacher| and ``teacher_parts`` the sum of the same over the three reconstructions; only
        those with a weight other than 0 are returned.
        """
        _, taught = self.network.apply(self.params, I1, I2)
        taught = lax.stop_gradient({name: taught[name] for name in ("If", *PARTS)})
        far = {name: jnp.mean(jnp.abs(found[name] - taught[name])) for name in taught}
        terms = {}
        if self.weight:
            terms["teacher"] = self.weight * far["If"]
        if self.parts_weight:
            terms["teacher_parts"] = self.parts_weight * (far["If_u1"] + far["If_u2"] + far["If_c"])
        return terms

    def described(self) -> dict[str, Any]:
        """Its settings and a fingerprint of its parameters, as JSON values."""
        return {
            "network": self.network.settings(),
            "weights": provenance.fingerprint_of(checksums(self.params)),
        }


def find(named: str | None, *, weight: float, parts_weight: float) -> Teacher | None:
    """The teacher that a flag names: a size of the shipped weights or a checkpoint; None for none.

    Raises:
        InputError: there is no such checkpoint, or it cannot be used.
    """
    if named is None:
        return None
    path = checkpoints.shipped(named) if named in SIZES else Path(named)
    try:
        there = path.is_dir()
    except OSError as error:
        raise InputError(f"--teacher {named}: {reason(error)}; use a readable folder") from error
    if not there:
        raise InputError(
            f"--teacher {named} is neither a size ({', '.join(SIZES)}) nor the folder of a "
            f"checkpoint; use one of these"
        )
    network, params, _ = checkpoints.load(path, FNet)
    return Teacher(network, params, weight, parts_weight)
