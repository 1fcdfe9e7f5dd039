"""The scenes of a folder of M3FD, MFNet or MSRS: two images and their truth."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fnet_jax import images
from fnet_jax.artifacts.files import read_bytes
from fnet_jax.errors import InputError, first_line
from fnet_jax.images import png
from fnet_jax.images.files import upright
from fnet_jax.images.levels import to_8_bits
from fnet_jax.pairs.match import check_sizes

DETECT, SEGMENT = "detect", "segment"  # tasks
TRAIN, TEST = "train", "test"  # splits


@dataclass(frozen=True)
class Scene:
    """Two registered images of one place, and their truth.

    Attributes:
        name: name of the files, without suffix; unique in a set.
        visible: image file.
        infrared: image file; None if it is the fourth channel of ``visible`` (MFNet).
        truth: an image of class numbers for segmentation, a file of boxes for detection.
        split: ``"train"`` or ``"test"`` by its folder or a list of the set; None if unknown.
    """

    name: str
    visible: Path
    infrared: Path | None
    truth: Path
    split: str | None = None


@dataclass(frozen=True)
class SceneSet:
    """All scenes of a folder for one task.

    Attributes:
        title: ``"M3FD"``, ``"MFNet"`` or ``"MSRS"``.
        task: ``"detect"`` or ``"segment"``.
        classes: their names, in the order of their numbers.
        scenes: sorted by name.
    """

    title: str
    task: str
    classes: tuple[str, ...]
    scenes: tuple[Scene, ...]


def find(data: Path, task: str) -> tuple[SceneSet, list[str]]:
    """The scenes of a folder, by its layout (:mod:`eval.downstream.layouts`).

    Args:
        data: folder of M3FD, MFNet or MSRS.
        task: ``"detect"`` or ``"segment"``.

    Returns:
        The scenes, and a line for each file without partner or truth, and each truth without
        images; their scenes are left out.

    Raises:
        InputError: the layout is unknown; the set has no truth for this task; there is no complete
            scene; or the folder cannot be read.
        ValueError: unknown task.
    """
    from eval.downstream import layouts  # it imports this module

    return layouts.find(data, task)


def size(scene: Scene) -> tuple[int, int]:
    """Height and width of both images of a scene, from their headers.

    Raises:
        InputError: a file cannot be read, the images differ in size, or a single file does not have
            four channels.
    """
    found = images.size(scene.visible)
    if scene.infrared is None:
        _four_channels(scene.visible)
    else:
        check_sizes(scene.visible, found, scene.infrared, images.size(scene.infrared))
    return found


def sources(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Both images of a scene: visible, uint8 (H, W, 3), and infrared, uint8 (H, W).

    The fourth channel of a file is read as stored, not as transparency.

    Raises:
        InputError: as for :func:`size`.
    """
    if scene.infrared is None:
        return _stored(scene.visible)
    visible = to_8_bits(images.read(scene.visible))
    infrared = to_8_bits(images.read(scene.infrared, grey=True))
    check_sizes(scene.visible, visible.shape, scene.infrared, infrared.shape)
    return visible if visible.ndim == 3 else np.stack([visible] * 3, axis=2), infrared


def _four_channels(path: Path) -> bytes:
    """The content of a PNG file with four channels and a readable header; raises InputError."""
    images.size(path)
    try:
        content = read_bytes(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({first_line(error)}); check the file") from error
    if not content.startswith(png.SIGNATURE) or content[25:26] != bytes([png.RGBA]):
        raise InputError(
            f"{path} has no fourth channel, in which MFNet stores infrared; use a PNG file with "
            f"four channels"
        )
    return content


def _stored(path: Path) -> tuple[np.ndarray, np.ndarray]:
    content = _four_channels(path)
    try:
        found = png.decode(io.BytesIO(content), grey=False)
    except Exception as error:  # decoders raise many kinds for the many ways of damage
        raise InputError(
            f"{path} is damaged or cut short ({first_line(error)}); copy or export it again"
        ) from error
    visible = to_8_bits(upright(found.pixels, found.orientation))
    if found.alpha is None:  # white everywhere
        return visible, np.full(visible.shape[:2], 255, np.uint8)
    return visible, to_8_bits(upright(found.alpha, found.orientation))
