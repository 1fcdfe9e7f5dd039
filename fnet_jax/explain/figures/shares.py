"""The share of each part in each pixel, in colors that suit any color vision."""

from typing import TYPE_CHECKING

import numpy as np

from fnet_jax.explain import colors
from fnet_jax.explain.explanation import Explanation
from fnet_jax.explain.figures.canvas import POSITIVE, canvas, height_of, picture
from fnet_jax.explain.figures.maps import OF
from fnet_jax.explain.shares import mean
from fnet_jax.fusing.edits import CODES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHARES = (
    "The share of a part in a pixel is |If_x| / (|If_u1| + |If_u2| + |If_c|): how much of all the "
    "light that was added or removed came from it. Top: the fused image, and the shares as "
    "mixtures of three colors, orange (u1), sky blue (u2) and black (c), which differ for all "
    "kinds of color vision; white where the parts sum to less than half a grey level. Bottom: "
    "each share alone; the means count dark and bright pixels alike."
)
SIDE = 160  # pixels of the legend
LEAST = 5.2  # inches of height, for the legend


def shares(explanation: Explanation) -> "Figure":
    """The shares in one picture with its legend, and one by one."""
    image, of_pixels = explanation.images["If"], explanation.shares
    means = mean(of_pixels)
    with canvas(max(height_of(image, columns=3, rows=2), LEAST)) as figure:
        panels = figure.subplots(2, 3)
        picture(panels[0, 0], image, "If", limits=(0.0, 1.0), scale=False)
        picture(panels[0, 1], colors.mixed(of_pixels), "who contributed", scale=False)
        _legend(panels[0, 2])
        for axes, code, share, overall in zip(
            panels[1], CODES, np.moveaxis(of_pixels, 2, 0), means, strict=True
        ):
            title = f"{code}, {OF[code]}: mean {100 * overall:.0f} %"
            picture(axes, share, title, colors=POSITIVE, limits=(0.0, 1.0))
    return figure


def _legend(axes: "Axes") -> None:
    """A triangle of all mixtures, with one part alone at each corner."""
    y, x = np.mgrid[SIDE - 1 : -1 : -1, 0:SIDE] / (SIDE - 1)
    c = y
    u2 = x - y / 2
    mixture = np.stack([1 - c - u2, u2, c], axis=-1)
    outside = (mixture < -1e-9).any(axis=-1, keepdims=True)
    picture_of = colors.mixed(np.where(outside, np.nan, mixture))
    axes.imshow(picture_of, extent=(0, 1, 0, np.sqrt(3) / 2), interpolation="nearest")
    axes.set_xlim(-0.45, 1.45)
    axes.set_ylim(-0.45, np.sqrt(3) / 2 + 0.25)
    axes.set_axis_off()
    axes.set_title("legend")
    for place, code in (((0, -0.05), "u1"), ((1, -0.05), "u2"), ((0.5, 0.92), "c")):
        vertical = "bottom" if code == "c" else "top"
        text = f"{code}, {OF[code]}\n({colors.COLORS[code][0]})"
        axes.text(place[0], place[1], text, ha="center", va=vertical, fontsize=8)
    nothing = "white: less than half a grey level"
    axes.text(0.5, -0.34, nothing, ha="center", va="top", fontsize=8)
