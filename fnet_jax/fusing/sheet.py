"""Contact sheets: I1, I2 and the fused image of some pairs on one page."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fnet_jax import images
from fnet_jax.artifacts.files import resolved, writable
from fnet_jax.artifacts.words import one_line
from fnet_jax.errors import InputError
from fnet_jax.images.levels import to_8_bits
from fnet_jax.pairs.match import Pair

Source = Path | np.ndarray

COLUMNS = ("I1", "I2", "fused")
PANEL = (320, 256)  # largest width and height of a panel, in pixels
ELSEWHERE = "use another --sheet"
GAP, LINE = 8, 22  # pixels between panels, and of a line of text
INK, PAPER = (20, 20, 20), (255, 255, 255)


def contact_sheet(pairs: Iterable[tuple[str, Source, Source, Source]]) -> np.ndarray:
    """Draws a row for each pair, with its name above it: uint8 (H, W, 3).

    Images are files, or arrays of 8 or 16 bits or of floats in [0, 1]. Large images are shrunk;
    small ones keep their size.

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
        draw.text((GAP, top + 2), one_line(name), INK, font)
        for left, panel in zip(lefts, panels, strict=True):
            sheet.paste(panel, (left, top + LINE))
        top += height
    return np.asarray(sheet)


def _panel(source: Source) -> Image.Image:
    image = source if isinstance(source, np.ndarray) else images.read(source)
    panel = Image.fromarray(to_8_bits(image)).convert("RGB")
    panel.thumbnail(PANEL, Image.Resampling.LANCZOS)
    return panel


def check_sheet(sheet: Path, pairs: Iterable[Pair], out: Path, *, overwrite: bool = False) -> None:
    """Checks that a contact sheet replaces nothing else, and creates its folder.

    Raises:
        InputError: the sheet is not an image file, exists, would lie among the sources, would
            replace a fused image, or cannot be written.
    """
    pairs = list(pairs)
    if sheet.suffix.lower() not in images.SUFFIXES:
        raise InputError(f"--sheet {sheet} is not an image file; use a name such as sheet.png")
    with writable(sheet, remedy=ELSEWHERE):
        exists = sheet.exists()
    if exists and not overwrite:
        raise InputError(f"{sheet} already exists; use --overwrite to replace it")
    folders = {resolved(path.parent) for pair in pairs for path in (pair.i1, pair.i2)}
    if resolved(sheet.parent) in folders:
        raise InputError(f"--sheet {sheet} is among source images; use another folder")
    if resolved(sheet.parent) == resolved(out) and sheet.stem in {pair.name for pair in pairs}:
        raise InputError(f"--sheet {sheet} is the name of a fused image; use another name")
    with writable(sheet, remedy=ELSEWHERE):
        sheet.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=sheet.parent).close()
