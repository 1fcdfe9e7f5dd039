"""Images and class images at the size that a program reads them at."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from eval.downstream.boxes import read_labels
from eval.downstream.scenes import Scene
from fnet_jax import images
from fnet_jax.artifacts.files import writable
from fnet_jax.artifacts.progress import Progress, silent


def scaled(image: np.ndarray, side: int | None, *, labels: bool = False) -> np.ndarray:
    """An image with its longer side scaled down to ``side``; smaller ones are left alone.

    Args:
        image: uint8 (H, W) or (H, W, 3).
        side: in pixels; None for no change.
        labels: take the nearest pixel, as numbers of classes have no mean.
    """
    height, width = image.shape[:2]
    if side is None or max(height, width) <= side:
        return image
    size = round(width * side / max(height, width)), round(height * side / max(height, width))
    how = Image.Resampling.NEAREST if labels else Image.Resampling.BOX
    return np.asarray(Image.fromarray(image).resize(size, how))


def labels(
    scenes: Sequence[Scene],
    classes: Sequence[str],
    folder: Path,
    *,
    side: int | None = None,
    progress: Progress = silent,
) -> Path:
    """Writes the class image of every scene as NAME.png; those that are there already are kept.

    Args:
        scenes: of the study.
        classes: names by number.
        folder: where they go.
        side: longer side, to which they are scaled down; None as they are.
        progress: shows how far the work is.

    Raises:
        InputError: one cannot be read or written.
    """
    with writable(folder, remedy="use another --out"):
        folder.mkdir(parents=True, exist_ok=True)
    missing = [scene for scene in scenes if not (folder / f"{scene.name}.png").exists()]
    for scene in progress(missing, total=len(missing), desc="labels"):
        found = scaled(read_labels(scene.truth, classes), side, labels=True)
        images.write(folder / f"{scene.name}.png", found, overwrite=True)
    return folder
