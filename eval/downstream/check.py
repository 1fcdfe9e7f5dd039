"""Checks all scenes before training."""

from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress

import numpy as np

from eval.downstream import boxes
from eval.downstream.scenes import DETECT, TEST, TRAIN, Scene, SceneSet, size
from eval.downstream.splits import Split
from fnet_jax.artifacts.progress import Progress, Report, silent
from fnet_jax.errors import InputError


def check(
    scene_set: SceneSet,
    *,
    one_size: bool = False,
    report: Report,
    progress: Progress = silent,
) -> tuple[list[str], list[set[int]]]:
    """Reads all truths and the headers of all images.

    With ``one_size``, scenes of an uncommon size are bad; ``report`` gets a line with the first
    problem of each bad scene.

    Returns:
        Names of the bad scenes, and the numbers of the classes in each scene, in the order of the
        scenes.
    """
    bad: list[str] = []
    shown: list[set[int]] = []
    usual = _usual_size(scene_set) if one_size else None
    for scene in progress(scene_set.scenes, total=len(scene_set.scenes), desc="checking scenes"):
        try:
            found = classes_in(scene, scene_set)
            if usual and size(scene) != usual:
                raise InputError(
                    f"{scene.visible} is {_shown(size(scene))}, but most are {_shown(usual)}; "
                    f"scale it, because all images must have one size here"
                )
            shown.append(found)
        except InputError as error:
            report(str(error))
            bad.append(scene.name)
            shown.append(set())
    return bad, shown


def _usual_size(scene_set: SceneSet) -> tuple[int, int] | None:
    """The most common size; None if no scene can be read."""
    sizes: Counter[tuple[int, int]] = Counter()
    for scene in scene_set.scenes:
        with suppress(InputError):  # reported when the scene is checked
            sizes[size(scene)] += 1
    return sizes.most_common(1)[0][0] if sizes else None


def _shown(extent: tuple[int, int]) -> str:
    return f"{extent[1]}×{extent[0]}"


def absent(scene_set: SceneSet, shown: Sequence[set[int]], split: Split) -> list[str]:
    """A line for each class that is in no training scene or in no test scene.

    ``shown`` is the result of :func:`check`.
    """
    lines = []
    for part, names in ((TRAIN, set(split.train)), (TEST, set(split.test))):
        there = set().union(
            *(x for scene, x in zip(scene_set.scenes, shown, strict=True) if scene.name in names)
        )
        lines += [
            f"{name}: no scene to {part} has this class; its score means nothing"
            for number, name in enumerate(scene_set.classes)
            if number not in there
        ]
    return lines


def classes_in(scene: Scene, scene_set: SceneSet) -> set[int]:
    """The numbers of the classes in a scene.

    Raises:
        InputError: an image or the truth cannot be used.
    """
    extent = size(scene)
    if scene_set.task == DETECT:
        numbers = boxes.read(scene.truth, scene_set.classes, extent).classes
    else:
        numbers = boxes.read_labels(scene.truth, scene_set.classes, size=extent)
    return set(np.unique(numbers).tolist())


def content(scene_set: SceneSet, names: Collection[str]) -> str:
    """Number of boxes of each class in the named scenes, as text; empty for segmentation."""
    if scene_set.task != DETECT:
        return ""
    counts = np.zeros(len(scene_set.classes), int)
    for scene in scene_set.scenes:
        if scene.name in names:
            found = boxes.read(scene.truth, scene_set.classes, size(scene)).classes
            counts += np.bincount(found, minlength=len(counts))
    parts = (f"{name} {count:,}" for name, count in zip(scene_set.classes, counts, strict=True))
    return f"boxes of {', '.join(parts)}"
