"""The paper's ablation experiments AE1 to AE15 (Table III), each defined by its changes."""

from dataclasses import dataclass, field
from typing import Any

SOFT = {"threshold": "soft"}


@dataclass(frozen=True)
class Ablation:
    """One experiment.

    Attributes:
        title: the change, in a few words.
        network: settings of FNet and IFNet that differ from the paper's.
        ifnet: settings that differ only in IFNet.
        stage1: whether there is a stage I.
        without: terms that the stage II loss leaves out.
    """

    title: str
    network: dict[str, Any] = field(default_factory=dict)
    ifnet: dict[str, Any] = field(default_factory=dict)
    stage1: bool = True
    without: tuple[str, ...] = ()


LCSC = {"block": "lcsc", "threshold": "soft", "shared": True, "momentum": "none"}

ABLATIONS: dict[str, Ablation] = {
    "AE1": Ablation("LCSC blocks (ℓ1)", LCSC),
    "AE2": Ablation("soft threshold", SOFT),
    "AE3": Ablation("filters shared by the iterations", {"shared": True}),
    "AE4": Ablation("no momentum", {"momentum": "none"}),
    "AE5": Ablation("Polyak's momentum", {"momentum": "polyak"}),
    "AE6": Ablation("quasi-hyperbolic momentum", {"momentum": "quasi-hyperbolic"}),
    "AE7": Ablation("α = 0.9", {"alpha": 0.9}),
    "AE8": Ablation("γ = 50", {"gamma": 50.0}),
    "AE9": Ablation("3 iterations", {"iterations": 3}),
    "AE10": Ablation("5 iterations", {"iterations": 5}),
    "AE11": Ablation("no stage I", stage1=False),
    "AE12": Ablation("soft threshold in IFNet", ifnet=SOFT),
    "AE13": Ablation("no intensity loss", without=("intensity",)),
    "AE14": Ablation("no gradient loss", without=("gradient",)),
    "AE15": Ablation("no SSIM loss", without=("ssim",)),
}
"""By the paper's names. The equations are in the modules of the settings, in
:mod:`fnet_jax.sparse_coding`: ``lcsc`` (AE1), ``thresholds`` (AE2, AE7, AE8, AE12), ``lzsc`` (AE3,
AE9, AE10), ``momentum`` (AE4 to AE6); and in :func:`fnet_jax.networks.losses.stage2` (AE13 to
AE15)."""

COMPLETE = Ablation("FNet as it is")


def ablation(name: str | None) -> Ablation:
    """The experiment of that name; None is the paper's own FNet."""
    return COMPLETE if name is None else ABLATIONS[name]
