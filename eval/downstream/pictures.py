"""Pictures of a study: predictions of each model in some test scenes, and training losses."""

import colorsys
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from eval.downstream.training import Job
from fnet_jax import images
from fnet_jax.artifacts.files import replace_file, writable

SCENES = 6  # per picture, evenly spread over those with the most classes or boxes
STRENGTH = 0.55  # of the class colors over an image
CONFIDENT = 0.25  # smallest score of the boxes that are shown
TITLE = 16  # pixels of a line of text
REMEDY = "use another --out"


def colors(classes: int) -> np.ndarray:
    """A color for each class, uint8 (classes, 3); class 0, the background, is black."""
    hues = [colorsys.hsv_to_rgb(k / max(classes - 1, 1), 0.9, 1.0) for k in range(classes - 1)]
    return np.array([(0, 0, 0), *(np.rint(np.multiply(h, 255)) for h in hues)], np.uint8)


def overlaid(image: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """An image (H, W, 3) with its classes in color, except class 0 and pixels that do not count."""
    shown = (labels > 0) & (labels < classes)
    over = colors(classes)[np.where(shown, labels, 0)]
    mixed = np.rint((1 - STRENGTH) * image + STRENGTH * over).astype(np.uint8)
    return np.where(shown[..., None], mixed, image)


def chosen(labels: Mapping[str, np.ndarray], most: int = SCENES) -> list[str]:
    """Names of scenes to show: those with the most classes, sorted by name."""
    counts = {name: len(np.unique(x[x > 0])) for name, x in labels.items()}
    by_count = sorted(counts, key=lambda name: (-counts[name], name))
    return sorted(by_count[:most])


def segmented(path: Path, labels: Path, trained: Mapping[str, Sequence[tuple[Job, Path]]]) -> None:
    """Writes a PNG with a row for each scene: its truth, then each method's prediction.

    Each prediction is drawn over the image that the first model of the method has seen. ``trained``
    has jobs and folders of predictions, by method.
    """
    job = next(iter(trained.values()))[0][0]
    truth = {name: images.read(labels / f"{name}.png") for name in job.split.test}
    rows = []
    for name in chosen(truth):
        cells: list[np.ndarray] = []
        for models in trained.values():
            of_method, predictions = models[0]
            seen = images.read(of_method.images / f"{name}.png")
            found = images.read(predictions / f"{name}.png")
            if not cells:
                cells.append(overlaid(seen, truth[name], len(job.scenes.classes)))
            cells.append(overlaid(seen, found, len(job.scenes.classes)))
        rows.append(cells)
    write(path, ["truth", *trained], rows)


def write(path: Path, titles: Sequence[str], rows: Sequence[Sequence[np.ndarray]]) -> None:
    """Writes images of one size in rows below their titles, as PNG."""
    height, width = rows[0][0].shape[:2]
    sheet = Image.new("RGB", (width * len(titles), TITLE + height * len(rows)), "white")
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles):
        draw.text((column * width + 4, 2), title, "black")
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            part = Image.fromarray(cell).resize((width, height))
            sheet.paste(part, (column * width, TITLE + row * height))
    file = io.BytesIO()
    sheet.save(file, "PNG")
    with writable(path, remedy=REMEDY), replace_file(path) as out:
        out.write(file.getvalue())


def detected(
    path: Path,
    truth: Mapping[str, Any],
    found: Mapping[str, Sequence[Mapping[str, Any]]],
    seen: Mapping[str, Path],
) -> None:
    """Writes a PNG with a row for each scene: its true boxes, then each method's prediction.

    Boxes are in COCO's format; those with a score of at least ``CONFIDENT`` are drawn. Without any
    true box nothing is written.
    """
    by_image: dict[int, list[Mapping[str, Any]]] = {}
    for box in truth["annotations"]:
        by_image.setdefault(box["image_id"], []).append(box)
    names = {x["id"]: Path(x["file_name"]).stem for x in truth["images"]}
    most = sorted(by_image, key=lambda number: (-len(by_image[number]), number))[:SCENES]
    if not most:
        return
    palette = colors(len(truth["categories"]) + 1)
    rows = []
    for number in sorted(most):
        first = images.read(next(iter(seen.values())) / f"{names[number]}.png")
        cells = [framed(first, by_image[number], palette)]
        for method, folder in seen.items():
            boxes = [
                x for x in found[method] if x["image_id"] == number and x["score"] >= CONFIDENT
            ]
            cells.append(framed(images.read(folder / f"{names[number]}.png"), boxes, palette))
        rows.append(cells)
    write(path, ["truth", *found], rows)


def framed(
    image: np.ndarray, boxes: Sequence[Mapping[str, Any]], palette: np.ndarray
) -> np.ndarray:
    """An image (H, W, 3) with frames in the colors of their classes, counted from 1."""
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    for box in boxes:
        x, y, width, height = box["bbox"]
        color = tuple(int(level) for level in palette[box["category_id"]])
        draw.rectangle((x, y, x + width, y + height), outline=color)
    return np.asarray(picture)


def curves(path: Path, losses: Mapping[str, Sequence[Sequence[float]]]) -> None:
    """Writes the loss of each epoch of every model, with a color for each method, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for number, (method, models) in enumerate(losses.items()):
        for model, values in enumerate(models):
            axes.plot(
                range(1, len(values) + 1),
                values,
                color=f"C{number}",
                label=None if model else method,
                linewidth=1,
            )
    axes.set(xlabel="epoch", ylabel="training loss", yscale="log")
    if any(losses.values()):
        axes.legend(frameon=False)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    with writable(path, remedy=REMEDY), replace_file(path) as out:
        out.write(file.getvalue())
