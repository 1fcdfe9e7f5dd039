"""Boxes in COCO's format, which every program that measures detectors reads.

Images are numbered from 1 by name, categories from 1 in the order of the classes; boxes are
``[x, y, width, height]`` in pixels from the top left corner.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from eval.downstream import boxes
from eval.downstream.boxes import Boxes
from eval.downstream.scenes import SceneSet
from fnet_jax import images
from fnet_jax.artifacts.files import read_text, replace_text, writable
from fnet_jax.errors import InputError, reason

PREDICTIONS = "predictions.json"  # of a model, in its folder

Size = tuple[int, int]  # height, width in pixels
Entry = dict[str, Any]


def numbers(names: Iterable[str]) -> dict[str, int]:
    """The number of each image, by name."""
    return {name: number for number, name in enumerate(sorted(names), 1)}


def truth(scenes: SceneSet, names: Iterable[str]) -> dict[str, Any]:
    """The truth of the named scenes, such as those of a split's test part.

    Raises:
        InputError: a scene does not exist, or its image or its boxes cannot be read.
    """
    known = {scene.name: scene for scene in scenes.scenes}
    sizes: dict[str, Size] = {}
    found: dict[str, Boxes] = {}
    for name in sorted(names):
        if name not in known:
            raise InputError(f"{scenes.title} has no scene {name}; check the split")
        sizes[name] = images.size(known[name].visible)
        found[name] = boxes.read(known[name].truth, scenes.classes, sizes[name])
    return truth_of(scenes.classes, sizes, found)


def truth_of(
    classes: Sequence[str], sizes: Mapping[str, Size], found: Mapping[str, Boxes]
) -> dict[str, Any]:
    """Ground truth as COCO's dictionary.

    ``sizes`` are height and width by name of the image; images without boxes need not be ``found``.
    """
    ids = numbers(sizes)
    rows = [
        {"image_id": ids[name], "category_id": int(number) + 1, **_box(corners), "iscrowd": 0}
        for name in ids
        if name in found
        for number, corners in zip(found[name].classes, found[name].corners, strict=True)
    ]
    return {
        "images": [
            {"id": ids[n], "file_name": f"{n}.png", "height": sizes[n][0], "width": sizes[n][1]}
            for n in ids
        ],
        "categories": [{"id": n, "name": name} for n, name in enumerate(classes, 1)],
        # Numbered from 1, because a match with box 0 would count as none.
        "annotations": [{"id": number, **row} for number, row in enumerate(rows, 1)],
    }


def predictions(
    ids: Mapping[str, int], found: Mapping[str, tuple[Boxes, np.ndarray]]
) -> list[Entry]:
    """The predictions of a detector, as COCO's list: boxes with scores, float (N,) in [0, 1]."""
    return [
        {
            "image_id": ids[name],
            "category_id": int(number) + 1,
            "bbox": _box(corners)["bbox"],
            "score": float(score),
        }
        for name, (seen, scores) in sorted(found.items())
        for number, corners, score in zip(seen.classes, seen.corners, scores, strict=True)
    ]


def _box(corners: np.ndarray) -> Entry:
    x1, y1, x2, y2 = map(float, corners)
    return {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}


def write(path: Path, content: Any) -> None:
    """Writes a ground truth or predictions, whole or not at all; raises InputError."""
    with writable(path, remedy="use another --out"):
        replace_text(path, json.dumps(content, ensure_ascii=False) + "\n")


def read_predictions(path: Path, known: Mapping[str, Any]) -> list[Entry]:
    """Reads the predictions of a detector for a ground truth ``known``.

    Raises:
        InputError: the file cannot be read, or has an invalid image, category, box or score.
    """
    try:
        entries = json.loads(read_text(path))
    except OSError as error:
        raise InputError(f"{path}: {reason(error)}; run the detector again") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON; run the detector again") from error
    problem = problem_of(entries, known)
    if problem:
        raise InputError(f"{path}: {problem}; run the detector again")
    return entries


def problem_of(entries: Any, known: Mapping[str, Any]) -> str | None:
    """The first problem of predictions for a ground truth; None if there is none."""
    if not isinstance(entries, list):
        return "not a list of boxes in COCO's format"
    allowed = {
        "image_id": {image["id"] for image in known["images"]},
        "category_id": {category["id"] for category in known["categories"]},
    }
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            return f"entry {number} is not a box in COCO's format"
        for key, values in allowed.items():
            value = entry.get(key)
            if not isinstance(value, int) or value not in values:
                return f"entry {number} has the {key} {value!r}, which the truth does not have"
        box = entry.get("bbox")
        if not (isinstance(box, list) and len(box) == 4 and all(map(_finite, box))):
            return f"entry {number} has no box [x, y, width, height] of numbers"
        if min(box[2:]) < 0:
            return f"entry {number} has a box of negative size"
        if not _finite(entry.get("score")):
            return f"entry {number} has a score that is not a number"
    return None


def _finite(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
