"""Looks at all scenes before anything is trained on them."""

from collections import Counter

import numpy as np

from eval.downstream import boxes
from eval.downstream.scenes import DETECT, TEST, TRAIN, Scene, SceneSet, size
from eval.downstream.splits import Split
from fnet_jax.artifacts.progress import Progress, Report, silent
from fnet_jax.errors import InputError


def check(
    scene_set: SceneSet,
    *,
    split: Split | None = None,
    report: Report | None = None,
    progress: Progress = silent,
) -> list[str]:
    """Reads all truths and the headers of all images.

    Args:
        scene_set: the scenes.
        split: which train and which test; None for the split of the set.
        report: gets each line when it is found.
        progress: shows how many scenes have been looked at.

    Returns:
        A line for each bad scene, with what is wrong with it first, then one for each class that
        no good scene to train, or to test, has. Without any split, for each that none has.
    """
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        if report is not None:
            report(line)

    occurs: dict[str | None, Counter[int]] = {}
    train, test = (set(split.train), set(split.test)) if split else (set(), set())
    for scene in progress(scene_set.scenes, total=len(scene_set.scenes), desc="checking scenes"):
        part = scene.split
        if split is not None:
            part = TRAIN if scene.name in train else TEST if scene.name in test else None
        try:
            found = classes_in(scene, scene_set)
        except InputError as error:
            say(str(error))
        else:
            occurs.setdefault(part, Counter()).update(found)
    parts: list[str | None] = [part for part in (TRAIN, TEST) if part in occurs]
    for part in parts or [None]:
        where = f"of the scenes to {part}" if part else "of the scenes"
        counts = occurs.get(part, Counter())
        for number, name in enumerate(scene_set.classes):
            if not counts[number]:
                say(f"{name}: none {where} has this class; use another split or more scenes")
    return lines


def classes_in(scene: Scene, scene_set: SceneSet) -> set[int]:
    """The numbers of the classes that a scene shows.

    Raises:
        InputError: an image or the truth cannot be used.
    """
    extent = size(scene)
    if scene_set.task == DETECT:
        numbers = boxes.read(scene.truth, scene_set.classes, extent).classes
    else:
        numbers = boxes.read_labels(scene.truth, scene_set.classes, size=extent)
    return set(np.unique(numbers).tolist())
