"""Images and class images at the size that a program reads."""

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
    """An image, uint8 (H, W) or (H, W, 3), scaled down to at most ``side`` pixels a side.

    With ``labels``, the nearest pixel is used, because class numbers have no mean.
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
    """Writes the class image of every scene as NAME.png, scaled to ``side``; keeps existing ones.

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
