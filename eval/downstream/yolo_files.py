"""Images, labels and predictions in the formats of ultralytics."""

import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from eval.downstream import boxes, coco
from eval.downstream.boxes import Boxes
from eval.downstream.coco import Entry, Size
from eval.downstream.scenes import SceneSet
from fnet_jax import images
from fnet_jax.artifacts.files import read_text
from fnet_jax.errors import InputError, reason

DATA = "data.yaml"
RESULTS = Path("run/results.csv")  # of a training, in its folder


def write(
    place: Path, scenes: SceneSet, parts: Mapping[str, Sequence[str]], seen: Path, *, target: Path
) -> None:
    """Writes ``images/PART/NAME.png`` (links where possible), their labels, and ``data.yaml``.

    ``parts`` are the names of the scenes of ``train`` and ``val``, ``seen`` is the folder of input
    images, and ``target`` the final path of the empty folder ``place``.

    Raises:
        InputError: an image is missing or of another size than its scene, or boxes cannot be read.
    """
    known = {scene.name: scene for scene in scenes.scenes}
    for part, names in parts.items():
        for kind in ("images", "labels"):
            (place / kind / part).mkdir(parents=True)
        for name in names:
            image = (seen / f"{name}.png").absolute()
            size = checked(image, known[name].visible)
            _link(image, place / "images" / part / image.name)
            text = label(boxes.read(known[name].truth, scenes.classes, size), size)
            (place / "labels" / part / f"{name}.txt").write_text(text, encoding="utf-8")
    # JSON is YAML too. ``names`` is a list, because keys in JSON are strings.
    data = {part: f"images/{part}" for part in parts}
    about = {"path": str(target.absolute()), **data, "names": list(scenes.classes)}
    (place / DATA).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def checked(image: Path, visible: Path) -> Size:
    """Height and width of an image, which must be those of its scene; raises InputError."""
    size, expected = images.size(image), images.size(visible)
    if size != expected:
        shown, wanted = (f"{width}×{height}" for height, width in (size, expected))
        raise InputError(f"{image} is {shown}, but {visible.name} is {wanted}; use that size")
    return size


def label(found: Boxes, size: Size) -> str:
    """Boxes of an image as lines ``class x y width height``.

    Center and size are relative to the image. Boxes are clipped to the image, because ultralytics
    skips an image, with a warning, if a box is not entirely inside; a box without any part inside
    gets no line.
    """
    height, width = size
    rows = []
    for number, corners in zip(found.classes, found.corners, strict=True):
        x1, y1, x2, y2 = np.clip(corners / [width, height, width, height], 0, 1)
        if x2 > x1 and y2 > y1:
            values = ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)
            rows.append(f"{int(number)} " + " ".join(f"{value:.6f}" for value in values))
    return "".join(f"{row}\n" for row in rows)


def predictions(path: Path, scenes: SceneSet, names: Sequence[str]) -> list[Entry]:
    """The output of ``yolo val``, with images and classes numbered as in :mod:`.coco`.

    ``path`` is ``predictions.json``, which does not exist if nothing was found.

    Raises:
        InputError: it cannot be read, or is of other images.
    """
    if not path.exists():
        return []
    ids = coco.numbers(names)
    try:
        found = [
            {
                "image_id": ids[Path(entry["file_name"]).stem],
                "category_id": entry["category_id"],
                "bbox": entry["bbox"],
                "score": entry["score"],
            }
            for entry in json.loads(read_text(path))
        ]
    except OSError as error:
        raise InputError(f"{path}: {reason(error)}; run the command again") from error
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path} is not in the format of ultralytics 8.4 ({error!r}); run make downstream"
        ) from error
    problem = coco.problem_of(
        found, coco.truth_of(scenes.classes, dict.fromkeys(names, (1, 1)), {})
    )
    if problem:
        raise InputError(f"{path}: {problem}; run make downstream")
    return found


def losses(folder: Path) -> dict[str, list[float]]:
    """Columns of a job's ``results.csv``, such as ``epoch`` and ``train/box_loss``.

    If an epoch was trained twice, because the program was stopped before it saved its weights, the
    last one counts.
    """
    head, *lines = read_text(folder / RESULTS).splitlines()
    names = [name.strip() for name in head.split(",")]
    rows = {int(line.split(",")[0]): [float(x) for x in line.split(",")] for line in lines}
    return {name: [rows[epoch][i] for epoch in sorted(rows)] for i, name in enumerate(names)}


def epochs(folder: Path) -> int:
    """Number of epochs in ``results.csv``."""
    try:
        return int(read_text(folder / RESULTS).splitlines()[-1].split(",")[0])
    except (OSError, ValueError, IndexError):  # no line of an epoch yet
        return 0


def whole(weights: Path) -> bool:
    """Whether a file of weights, a zip archive, is complete."""
    return weights.is_file() and zipfile.is_zipfile(weights)


def keep_copy(weights: Path, copy: Path) -> bool:
    """Copies a file of weights, unless it is still being written."""
    new = copy.with_suffix(".new")
    shutil.copyfile(weights, new)
    if not whole(new):
        return False
    new.replace(copy)
    return True


def _link(image: Path, target: Path) -> None:
    try:
        target.symlink_to(image)
    except OSError:  # some file systems, and most users of Windows, have no links
        shutil.copyfile(image, target)
