"""Other boxes of the test scenes, such as ones drawn on another kind of image.

Objects that are not visible in the image that an annotator saw have no boxes, so the score of a
detector depends on the boxes that it is compared with.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from eval.downstream.check import classes_in
from eval.downstream.methods import NAME
from eval.downstream.scenes import SceneSet
from fnet_jax.artifacts.words import counted
from fnet_jax.cli.flags import path
from fnet_jax.errors import InputError, reason
from fnet_jax.pairs.match import folded

SUFFIXES = (".txt", ".xml")


def parsed(text: str) -> tuple[str, Path]:
    """``NAME=FOLDER`` as a name and a folder of boxes; raises ValueError."""
    name, _, folder = text.partition("=")
    if not NAME.fullmatch(name) or not folder:
        raise ValueError(f"{text!r} is not NAME=FOLDER, such as visible=boxes_visible/")
    return name, path(folder)


def of_folder(folder: Path, scenes: SceneSet, names: Collection[str]) -> SceneSet:
    """The named scenes, with the boxes of a folder as their truth.

    The folder has NAME.txt (YOLO text) or NAME.xml (VOC) of each scene, which may be empty.

    Raises:
        InputError: the folder or a file cannot be read, or a scene has no file, several, or invalid
            boxes.
    """
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({reason(error)}); check --boxes") from error
    found: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        found[folded(file.stem)].append(file)
    missing = sorted(name for name in names if folded(name) not in found)
    if missing:
        raise InputError(
            f"{folder} has no boxes of {counted(len(missing), 'scene')}, such as {missing[0]}; "
            f"add {missing[0]}.txt (empty if there are no objects)"
        )
    kept = []
    for scene in scenes.scenes:
        if scene.name in names:
            file, *more = found[folded(scene.name)]
            if more:
                raise InputError(f"{file} and {more[0].name} are of the same scene; keep one")
            kept.append(replace(scene, truth=file))
    other = replace(scenes, scenes=tuple(kept))
    for scene in kept:
        classes_in(scene, other)
    return other
