"""Sizes of FNet by name: the paper's and small ones, each with its own weights.

``docs/sizes.md`` states what the small ones keep and lose, and how they were chosen.
"""

from dataclasses import asdict, dataclass
from typing import Any

BASE = "base"


@dataclass(frozen=True)
class Size:
    """The settings that decide what an FNet costs.

    Attributes:
        features: number K of feature maps.
        kernel_size: side of the filters in pixels.
        iterations: number N of iterations of a block.
        keeps: cost and quality, for ``--help``.
    """

    features: int
    kernel_size: int
    iterations: int
    keeps: str

    @property
    def settings(self) -> dict[str, Any]:
        """The settings as :meth:`fnet_jax.FNet.of` takes them."""
        return {name: value for name, value in asdict(self).items() if name != "keeps"}


SIZES = {
    BASE: Size(64, 9, 4, "the paper's"),
    "xs": Size(24, 3, 3, "1/32 of the operations, 1.019 times the authors' scores in Table I"),
    "xxs": Size(11, 3, 2, "1/103, 1.026"),
    "xxxs": Size(5, 3, 1, "1/444, 0.994"),
}


def listed() -> str:
    """All sizes with their cost and quality, in one line."""
    kept = "; ".join(f"{name}: {size.keeps}" for name, size in SIZES.items())
    return f"{kept}; the small ones lose texture of the darker image"
