"""Maps over the image: features, reconstructions (Fig. 8), and the effect of an edit."""

from typing import TYPE_CHECKING

import numpy as np

from fnet_jax.explain.explanation import Explanation
from fnet_jax.explain.figures.canvas import (
    POSITIVE,
    SIGNED,
    around_zero,
    canvas,
    height_of,
    picture,
)
from fnet_jax.fusing.edits import CODES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OF = {"u1": "from I1", "u2": "from I2", "c": "from what is left of both"}

FEATURES = (
    "Left: the root of each code's energy over its features, √Σ u². Right of it: the strongest "
    "feature maps, with their share of the code's energy and the share of the pixels where they "
    "are not null. Red is positive, blue negative, white zero; scales exclude the largest 0.5 %."
)
RECONSTRUCTIONS = (
    "The parts sum to the fused image: If = G_u1 u1 + G_u2 u2 + G_c c (eq. 23). Red adds light, "
    "blue removes it, each with its own scale. Î1 = I1 − D_u1 u1 and Î2 = I2 − D_u2 u2 are left "
    "of the sources for the common features. Units are those of the images: 0 is black, 1 white."
)
CHANGE = "The fused luma before and after the edit, and the difference, in units of the image."


def features(explanation: Explanation) -> "Figure":
    """Energy and strongest features of u1, u2 and c."""
    shown = next(iter(explanation.blocks.values())).strongest.shape[2]
    columns = min(shown, 5) + 1
    rows_each = -(-shown // 5)
    height = height_of(explanation.images["If"], columns=columns, rows=3 * rows_each)
    with canvas(height + 0.4 * rows_each) as figure:
        panels = figure.subplots(3 * rows_each, columns, squeeze=False)
        for axes in panels.ravel():
            axes.set_axis_off()
        for row, (code, block) in enumerate(explanation.blocks.items()):
            strength = np.sqrt(block.energy)
            title = f"{code}, {OF[code]}\n√energy"
            first = panels[row * rows_each, 0]
            limits = (0.0, float(np.percentile(strength, 99.5)))
            picture(first, strength, title, colors=POSITIVE, limits=limits)
            for i in range(shown):
                axes, j = panels[row * rows_each + i // 5, 1 + i % 5], block.use.order[i]
                title = (
                    f"{code}:{j}\n{100 * block.use.energy[j]:.1f} % energy, "
                    f"{100 * block.use.frequency[j]:.0f} % pixels"
                )
                image = block.strongest[..., i]
                picture(axes, image, title, colors=SIGNED, limits=around_zero(image))
                axes.title.set_fontsize(8)
            first.title.set_fontsize(8)
    return figure


def reconstructions(explanation: Explanation) -> "Figure":
    """The sources, what is left of them, the three parts and the fused image."""
    images = explanation.images
    parts = [images[name] for name in ("If_u1", "If_u2", "If_c")]
    with canvas(height_of(images["If"], columns=4, rows=2)) as figure:
        panels = figure.subplots(2, 4)
        for column, (name, title) in enumerate(
            [("I1", "I1"), ("I2", "I2"), ("I1_hat", "Î1, left of I1"), ("I2_hat", "Î2, left of I2")]
        ):
            limits = (0.0, 1.0) if "hat" not in name else None
            picture(panels[0, column], images[name], title, limits=limits)
        for column, (code, part) in enumerate(zip(CODES, parts, strict=True)):
            title = f"G_{code} {code}, {OF[code]}"
            picture(panels[1, column], part, title, colors=SIGNED, limits=around_zero(part))
        picture(panels[1, 3], images["If"], "If, their sum", limits=(0.0, 1.0))
    return figure


def change(explanation: Explanation) -> "Figure":
    """The fused image before and after the edit, and the difference."""
    before, after = explanation.images["If"], explanation.images["If_edited"]
    with canvas(height_of(before, columns=3, rows=1)) as figure:
        panels = figure.subplots(1, 3)
        picture(panels[0], before, "If", limits=(0.0, 1.0))
        picture(panels[1], after, "If after the edit", limits=(0.0, 1.0))
        difference = after - before
        limits = around_zero(difference)
        picture(panels[2], difference, "difference", colors=SIGNED, limits=limits)
    return figure
