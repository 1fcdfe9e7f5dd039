"""Images, labels and predictions in the form that ultralytics reads and writes."""

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

    Args:
        place: an empty folder.
        scenes: with the truth.
        parts: names of the scenes of ``train`` and ``val``.
        seen: folder with NAME.png of every scene: what the model sees.
        target: where the folder will lie, which ``data.yaml`` has to tell.

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
    # JSON is YAML too. ``names`` as a list: JSON's keys would be texts.
    data = {part: f"images/{part}" for part in parts}
    about = {"path": str(target.absolute()), **data, "names": list(scenes.classes)}
    (place / DATA).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def checked(image: Path, visible: Path) -> Size:
    """Height and width of an image, which must be those of its scene; raises InputError."""
    size, expected = images.size(image), images.size(visible)
    if size != expected:
        shown, wanted = (f"{width}×{height}" for height, width in (size, expected))
        raise InputError(f"{image}: is {shown}, not {wanted} as {visible.name}; use that size")
    return size


def label(found: Boxes, size: Size) -> str:
    """Boxes of an image of a height and width as lines ``class x y width height``.

    Center and size are parts of the image's. What is outside of it is cut off, as ultralytics
    leaves an image out, with a warning, for a box that is not all inside; a box without any part
    inside gets no line.
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
    """What ``yolo val`` wrote, with images and classes numbered as :mod:`.coco` does.

    Args:
        path: ``predictions.json``; where nothing was found there is no such file.
        scenes: with the classes.
        names: of the images that were tested.

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
            f"{path}: is not what ultralytics 8.4 writes ({error!r}); run make downstream"
        ) from error
    problem = coco.problem_of(
        found, coco.truth_of(scenes.classes, dict.fromkeys(names, (1, 1)), {})
    )
    if problem:
        raise InputError(f"{path}: {problem}; run make downstream")
    return found


def losses(folder: Path) -> dict[str, list[float]]:
    """Columns of a job's ``results.csv``, such as ``epoch`` and ``train/box_loss``.

    An epoch that was trained twice, as the program was stopped before it kept its weights, counts
    as it was at last.
    """
    head, *lines = read_text(folder / RESULTS).splitlines()
    names = [name.strip() for name in head.split(",")]
    rows = {int(line.split(",")[0]): [float(x) for x in line.split(",")] for line in lines}
    return {name: [rows[epoch][i] for epoch in sorted(rows)] for i, name in enumerate(names)}


def epochs(folder: Path) -> int:
    """Number of epochs that ``results.csv`` has."""
    try:
        return int(read_text(folder / RESULTS).splitlines()[-1].split(",")[0])
    except (OSError, ValueError, IndexError):  # no line of an epoch yet
        return 0


def whole(weights: Path) -> bool:
    """Whether a file of weights, a zip archive, has its end."""
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
