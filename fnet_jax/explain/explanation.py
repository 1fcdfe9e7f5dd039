"""What one pair shows of the network, as numbers and maps."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fnet_jax.errors import InputError
from fnet_jax.explain import features, nulls
from fnet_jax.explain.convergence import Convergence, convergence
from fnet_jax.explain.likeness import edges, likeness
from fnet_jax.explain.nulls import Histogram
from fnet_jax.explain.shares import mean, of_light, shares
from fnet_jax.fusing import edits, inputs
from fnet_jax.fusing.edits import CODES, Edit
from fnet_jax.fusing.fuser import Fuser
from fnet_jax.sparse_coding.unrolled import Intermediates

STRONGEST = 5


@dataclass(frozen=True)
class Block:
    """What one block did, for k = 0…N.

    Attributes:
        energy: of the code, ``Σ_j u_j²``, shape (H, W).
        uses: use of the K features of each uᵏ; ``use`` is that of the code uᴺ.
        contribution: share of each feature in the light of the code's reconstruction, shape (K,);
            see :func:`fnet_jax.explain.features.contribution`.
        strongest: maps of the features with most energy, strongest first, shape (H, W, strongest).
        theta: θᵏ, shape (N + 1,); for an LCSC block, which has one θ per feature for all k, the
            mean over its features.
        rho: ρᵏ, shape (N + 1,); 0 without momentum.
        nulls_before: number of values below ε in magnitude before each threshold, shape (N + 1,).
        nulls_after: the same after it.
        epsilon: ε; a value of smaller magnitude is null.
        histogram: of the magnitudes before and after the last threshold.
        near: the same, up to where the last threshold has no more effect.
        convergence: of the iterates.
        dictionaries: the filters to or from the features, by the paper's names, each
            (K, C, size, size), in the features' own order.
        estimates: for the dictionaries of one iteration, the k of the uᵏ that they lead to or read.
    """

    energy: np.ndarray
    uses: tuple[features.Use, ...]
    contribution: np.ndarray
    strongest: np.ndarray
    theta: np.ndarray
    rho: np.ndarray
    nulls_before: np.ndarray
    nulls_after: np.ndarray
    epsilon: float
    histogram: Histogram
    near: Histogram
    convergence: Convergence
    dictionaries: dict[str, np.ndarray]
    estimates: dict[str, int]

    @property
    def use(self) -> features.Use:
        """The use of the features of the code uᴺ."""
        return self.uses[-1]

    def use_of(self, dictionary: str) -> features.Use:
        """The use of the features that a dictionary leads to or reads.

        ``W_e_k`` leads to uᵏ and ``W_d_k`` reads uᵏ⁻¹; ``D``, ``G``, and filters that all
        iterations share, count for uᴺ.
        """
        return self.uses[self.estimates.get(dictionary, len(self.uses) - 1)]

    @property
    def null_increase(self) -> np.ndarray:
        """Increase of the nulls by each threshold, in percent."""
        return nulls.increase(self.nulls_before, self.nulls_after)

    @property
    def nonzeros(self) -> np.ndarray:
        """Mean number of features per pixel that are not null, after each threshold."""
        return len(self.use.energy) - self.nulls_after / self.energy.size


@dataclass(frozen=True)
class Explanation:
    """What the network found in one pair.

    Attributes:
        images: ``I1``, ``I2``, ``I1_hat``, ``I2_hat``, ``If_u1``, ``If_u2``, ``If_c``, ``If`` and
            ``If_edited``, each of shape (H, W), not clipped.
        blocks: by code: ``u1``, ``u2``, ``c``.
        shares: of u1, u2 and c in each pixel, shape (H, W, 3); see :mod:`fnet_jax.explain.shares`.
        fused: the fused image as :class:`~fnet_jax.fusing.fuser.Fuser` returns it.
        edited: the fused image after ``edit``.
        edit: the change in ``If_edited``.
    """

    images: dict[str, np.ndarray]
    blocks: dict[str, Block]
    shares: np.ndarray
    fused: np.ndarray
    edited: np.ndarray
    edit: Edit

    @property
    def light(self) -> np.ndarray:
        """Shares of u1, u2 and c in the light of the fused image, shape (3,)."""
        return of_light(*(self.images[f"If_{code}"] for code in CODES))

    def numbers(self) -> dict[str, Any]:
        """Everything except the maps, in plain Python types; undefined values are None."""
        parts = {name: self.images[name] for name in ("If_u1", "If_u2", "If_c")}
        parts |= {f"energy of {code}": block.energy for code, block in self.blocks.items()}
        sources = {name: self.images[name] for name in ("I1", "I2")}
        others = sources | {f"edges of {name}": edges(image) for name, image in sources.items()}
        others |= {f"energy of {code}": block.energy for code, block in self.blocks.items()}
        height, width = self.images["If"].shape
        change = np.abs(self.images["If_edited"] - self.images["If"])
        return plain(
            {
                "height": height,
                "width": width,
                "blocks": {code: _numbers(block) for code, block in self.blocks.items()},
                "shares": {
                    "of_light": dict(zip(CODES, self.light, strict=True)),
                    "mean": dict(zip(CODES, mean(self.shares), strict=True)),
                    "undefined": np.isnan(self.shares[..., 0]).mean(),
                },
                "sum_error": np.abs(sum(parts[f"If_{x}"] for x in CODES) - self.images["If"]).max(),
                "correlation": likeness(parts, others),
                "edit": {
                    **{name: getattr(self.edit, name) for name in (*CODES, "theta_scale")},
                    "features": [feature._asdict() for feature in self.edit.features],
                    "mean_change": change.mean(),
                    "largest_change": change.max(),
                },
            }
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by name: ``I1`` …, ``shares``, and ``u1_energy`` … of each block."""
        found = {**self.images, "shares": self.shares}
        for code, block in self.blocks.items():
            of_block = {
                "energy": block.energy,
                "strongest": block.strongest,
                "strongest_features": block.use.order[: block.strongest.shape[2]],
                "theta": block.theta,
                "rho": block.rho,
                "epsilon": np.array(block.epsilon),
                "nulls_before": block.nulls_before,
                "nulls_after": block.nulls_after,
                "feature_energy": np.stack([use.energy for use in block.uses]),
                "feature_frequency": np.stack([use.frequency for use in block.uses]),
                "feature_order": np.stack([use.order for use in block.uses]),
                "feature_contribution": block.contribution,
                **{f"histogram_{x}": y for x, y in block.histogram._asdict().items()},
                **{f"near_{x}": y for x, y in block.near._asdict().items()},
                **block.convergence._asdict(),
                **block.dictionaries,
            }
            found |= {f"{code}_{name}": array for name, array in of_block.items()}
        return found


def explain(
    fuser: Fuser,
    i1: np.ndarray,
    i2: np.ndarray,
    *,
    color: str = "auto",
    edit: Edit | None = None,
    strongest: int = STRONGEST,
    epsilon: float | None = None,
) -> Explanation:
    """Explains how a network fuses two images.

    ``i1``, ``i2`` and ``color`` are those of :meth:`fnet_jax.fusing.fuser.Fuser.fuse`.

    Args:
        fuser: the network.
        i1: first image.
        i2: second image.
        color: color mode.
        edit: a change whose result is shown beside the rest, which describes the network without
            it; None for no change.
        strongest: largest number of feature maps to keep per code.
        epsilon: values of magnitude below this, > 0, are null; None for a thousandth of the
            largest magnitude of each code.

    Returns:
        The explanation. Computing it takes about 10 kB per pixel (all iterates of the three blocks,
        twice); the result has 100 to 200 B per pixel.

    Raises:
        InputError: an image, ``edit``, ``strongest`` or ``epsilon`` cannot be used.
        MemoryError: there is not enough free memory for images of this size.
    """
    edit = edit or Edit()
    edit.check(fuser.network.features)
    if strongest < 1:
        raise InputError(f"strongest is {strongest}; use 1 or more")
    if epsilon is not None and not 0 < epsilon < np.inf:
        raise InputError(f"epsilon is {epsilon:g}; use a number above 0")
    pair = inputs.separate(i1, i2, color=color)
    found = fuser.intermediates(pair)
    images = {"I1": pair.I1, "I2": pair.I2} | {
        name: found[name][..., 0] for name in ("I1_hat", "I2_hat", "If_u1", "If_u2", "If_c", "If")
    }
    coded = {
        "u1": pair.I1[..., None],
        "u2": pair.I2[..., None],
        "c": np.concatenate([found["I1_hat"], found["I2_hat"]], axis=2),
    }
    blocks = {
        code: _block(code, e, found, fuser, strongest=strongest, epsilon=epsilon)
        for code, e in coded.items()
    }
    if edit.theta_scale != 1:
        del found  # frees memory for the next one
        found = fuser.intermediates(pair, theta_scale=edit.theta_scale)
    images["If_edited"] = edits.decode(found, fuser.params, edit)[..., 0]
    # Copies, because views would keep all of the network's arrays.
    images = {name: np.array(image) for name, image in images.items()}
    return Explanation(
        images,
        blocks,
        shares(images["If_u1"], images["If_u2"], images["If_c"]),
        fused=pair.image(images["If"]),
        edited=pair.image(images["If_edited"]),
        edit=edit,
    )


def _block(
    code: str,
    e: np.ndarray,
    found: Intermediates,
    fuser: Fuser,
    *,
    strongest: int,
    epsilon: float | None,
) -> Block:
    network, coder = fuser.network, fuser.network.coder()
    block = found[network.block_name(code)]
    before, after = block["before_threshold"], block["u"]
    epsilon = epsilon or nulls.epsilon(after[-1])
    uses = tuple(features.use(u, epsilon) for u in after)
    theta, rho = coder.course(block)
    dictionaries = network.dictionaries(fuser.params, code)
    decoder = dictionaries.get("D")
    return Block(
        energy=features.energy(after[-1]),
        uses=uses,
        contribution=features.contribution(after[-1], network.drawn(fuser.params, code)),
        strongest=after[-1][..., uses[-1].order[:strongest]],
        theta=theta,
        rho=rho,
        nulls_before=nulls.count(before, epsilon),
        nulls_after=nulls.count(after, epsilon),
        epsilon=epsilon,
        histogram=nulls.histogram(before[-1], after[-1]),
        near=nulls.histogram(
            before[-1],
            after[-1],
            bins=nulls.NEAR_BINS,
            upper=nulls.near(
                float(theta[-1]), gamma=network.gamma if network.threshold == "sigmoidal" else None
            ),
        ),
        convergence=convergence(
            e,
            after,
            [_decoding(dictionaries[name]) for name in coder.reads().values()],
            None if decoder is None else _decoding(decoder),
        ),
        dictionaries=dictionaries,
        estimates={
            name: bank.k
            for name, bank in coder.filters(e.shape[2]).items()
            if name in dictionaries and bank.k is not None
        },
    )


def _decoding(dictionary: np.ndarray) -> np.ndarray:
    """Filters (K, C, size, size) from features, in the layout of :func:`correlate`."""
    return dictionary.transpose(2, 3, 0, 1)


def _numbers(block: Block) -> dict[str, Any]:
    return {
        "theta": block.theta,
        "rho": block.rho,
        "epsilon": block.epsilon,
        "nulls_before": block.nulls_before,
        "nulls_after": block.nulls_after,
        "null_increase_percent": block.null_increase,
        "nonzeros_per_pixel": block.nonzeros,
        **block.convergence._asdict(),
        "features_by_energy": [
            {
                "feature": j,
                "energy": block.use.energy[j],
                "frequency": block.use.frequency[j],
                "contribution": block.contribution[j],
            }
            for j in block.use.order
        ],
    }


def plain(value: Any) -> Any:
    """NumPy numbers and arrays as Python's, NaN and infinity as None; for JSON."""
    if isinstance(value, dict):
        return {name: plain(x) for name, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(x) for x in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value
