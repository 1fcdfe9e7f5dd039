"""The canvas of all figures, and pictures with a color bar."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 12.0  # inches
SIGNED = "RdBu_r"  # this and the next are readable with all kinds of color vision
POSITIVE = "cividis"
NARROW = 0.2  # images with a smaller ratio of sides have no color bar


@contextmanager
def canvas(height: float) -> Iterator["Figure"]:
    """A figure of 12 inches × ``height`` inches, to be drawn on inside the context."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with rc_context(
        {
            "font.size": 9,
            "axes.titlesize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    ):
        layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06)
        yield Figure(figsize=(WIDTH, height), layout=layout, facecolor="white")


def height_of(image: np.ndarray, *, columns: int, rows: int) -> float:
    """Height in inches of a grid of pictures with their titles."""
    ratio = min(max(image.shape[0] / image.shape[1], 0.3), 2.0)
    return rows * (WIDTH / columns * 0.85 * ratio + 0.4)


def picture(
    axes: "Axes",
    image: np.ndarray,
    title: str,
    *,
    colors: str = "gray",
    limits: tuple[float, float] | None = None,
    scale: bool = True,
) -> None:
    """Draws an image (H, W), or (H, W, 3) in color, with a color bar unless ``scale`` is False.

    ``limits`` are the values at the ends of the color map; None for those of the image. If the
    image is too narrow for a color bar, they are added to the title.
    """
    low, high = limits or (float(np.nanmin(image)), float(np.nanmax(image)))
    if high <= low:
        high = low + 1e-6  # a constant image
    shown = axes.imshow(image, cmap=colors, vmin=low, vmax=high)
    axes.set_axis_off()
    narrow = min(image.shape[:2]) < NARROW * max(image.shape[:2])
    axes.set_title(f"{title}\n{low:.2g} to {high:.2g}" if scale and narrow else title)
    if scale and not narrow and axes.figure:
        bar = axes.figure.colorbar(shown, cax=axes.inset_axes((1.03, 0, 0.04, 1)))
        bar.ax.tick_params(labelsize=7)
        bar.ax.locator_params(nbins=5)
        bar.outline.set_visible(False)


def around_zero(image: np.ndarray, *, percentile: float = 99.5) -> tuple[float, float]:
    """Limits −a…a that contain all but the largest half percent of the magnitudes."""
    largest = float(np.percentile(np.abs(image), percentile)) or float(np.abs(image).max()) or 1.0
    return -largest, largest
