"""Contact sheets: I1, I2 and the fused image of some pairs on one page."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fnet_jax import images
from fnet_jax.images.color import to_unit

COLUMNS = ("I1", "I2", "fused")
PANEL = (320, 256)  # width and height that a panel is shrunk into, in pixels
GAP, LINE = 8, 22  # pixels between panels, and of a line of text
INK, PAPER = (20, 20, 20), (255, 255, 255)


def contact_sheet(pairs: Iterable[tuple[str, Path, Path, Path]]) -> np.ndarray:
    """Draws a row for each pair, with its name above it.

    Args:
        pairs: names, and the files of I1, I2 and the fused image, which are read anew.

    Returns:
        uint8 (H, W, 3). Large images are shrunk, and none is enlarged.

    Raises:
        InputError: a file cannot be read.
    """
    rows = [(name, [_panel(path) for path in files]) for name, *files in pairs]
    width = sum(max((p[k].width for _, p in rows), default=0) for k in range(3)) + 4 * GAP
    heights = [LINE + max(panel.height for panel in panels) + GAP for _, panels in rows]
    sheet = Image.new("RGB", (width, LINE + GAP + sum(heights)), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    lefts = [GAP]
    for k in range(2):
        lefts.append(lefts[-1] + max((p[k].width for _, p in rows), default=0) + GAP)
    for left, title in zip(lefts, COLUMNS, strict=True):
        draw.text((left, GAP // 2), title, INK, font)
    top = LINE
    for (name, panels), height in zip(rows, heights, strict=True):
        draw.text((GAP, top + 2), name, INK, font)
        for left, panel in zip(lefts, panels, strict=True):
            sheet.paste(panel, (left, top + LINE))
        top += height
    return np.asarray(sheet)


def _panel(path: Path) -> Image.Image:
    levels = np.rint(255 * to_unit(images.read(path))).astype(np.uint8)
    panel = Image.fromarray(levels).convert("RGB")
    panel.thumbnail(PANEL, Image.Resampling.LANCZOS)
    return panel
