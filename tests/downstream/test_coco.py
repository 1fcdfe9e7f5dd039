"""Boxes in COCO's form."""

import json
import math

import numpy as np
import pytest

from eval.downstream import coco
from eval.downstream.boxes import Boxes
from eval.downstream.scenes import Scene, SceneSet
from fnet_jax import images
from fnet_jax.errors import InputError

CLASSES = ("person", "bicycle", "car")


def boxes(*rows):
    """Boxes of rows (class, x1, y1, x2, y2)."""
    table = np.array(rows, dtype=float).reshape(-1, 5)
    return Boxes(table[:, 0].astype(int), table[:, 1:])


def hand_made():
    sizes = {"b": (40, 60), "a": (40, 60), "c": (30, 50)}
    found = {"b": boxes((2, 1, 2, 11, 22), (0, 5, 5, 6, 8)), "a": boxes((0, 0, 0, 60, 40))}
    return coco.truth_of(CLASSES, sizes, found)


def test_images_are_numbered_by_name_and_categories_by_class():
    truth = hand_made()
    assert [(i["id"], i["file_name"]) for i in truth["images"]] == [
        (1, "a.png"),
        (2, "b.png"),
        (3, "c.png"),
    ]
    assert (truth["images"][2]["width"], truth["images"][2]["height"]) == (50, 30)
    assert [(c["id"], c["name"]) for c in truth["categories"]] == [
        (1, "person"),
        (2, "bicycle"),
        (3, "car"),
    ]


def test_boxes_are_corner_and_size():
    one, two, three = hand_made()["annotations"]
    assert [x["id"] for x in (one, two, three)] == [1, 2, 3]  # never 0
    assert (one["image_id"], one["category_id"], one["bbox"]) == (1, 1, [0, 0, 60, 40])
    assert (two["image_id"], two["category_id"], two["bbox"]) == (2, 3, [1, 2, 10, 20])
    assert (two["area"], two["iscrowd"]) == (200, 0)
    assert three["bbox"] == [5, 5, 1, 3]


def scene(folder, name, text):
    images.write(folder / f"{name}.png", np.zeros((40, 60, 3), np.uint8))
    (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return Scene(name, folder / f"{name}.png", None, folder / f"{name}.txt")


def test_the_truth_of_scenes_is_read(tmp_path):
    texts = {"b": "2 0.5 0.5 0.5 0.25\n", "a": "", "left out": "0 0.5 0.5 1 1\n"}
    scenes = tuple(scene(tmp_path, name, text) for name, text in sorted(texts.items()))
    truth = coco.truth(SceneSet("MSRS", "detect", CLASSES, scenes), ["b", "a"])
    assert [image["file_name"] for image in truth["images"]] == ["a.png", "b.png"]
    (box,) = truth["annotations"]
    assert (box["image_id"], box["category_id"]) == (2, 3)
    assert box["bbox"] == pytest.approx([15, 15, 30, 10])
    with pytest.raises(InputError, match="MSRS has no scene x"):
        coco.truth(SceneSet("MSRS", "detect", CLASSES, scenes), ["x"])


def test_files_are_those_of_the_reference(tmp_path):
    reference = pytest.importorskip("pycocotools.coco")
    truth = hand_made()
    found = coco.predictions(coco.numbers("abc"), {"b": (boxes((2, 1, 2, 11, 22)), [0.5])})
    coco.write(tmp_path / "truth.json", truth)
    coco.write(tmp_path / "found.json", found)
    read = reference.COCO(str(tmp_path / "truth.json"))
    assert [x["bbox"] for x in read.loadAnns(read.getAnnIds(imgIds=[2]))] == [
        [1, 2, 10, 20],
        [5, 5, 1, 3],
    ]
    (box,) = read.loadRes(str(tmp_path / "found.json")).loadAnns([1])
    assert (box["image_id"], box["category_id"], box["score"]) == (2, 3, 0.5)
    assert coco.read_predictions(tmp_path / "found.json", truth) == found


GOOD = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "not a list of boxes"),
        ([GOOD, 3], "entry 2 is not a box"),
        ([{**GOOD, "image_id": "a"}], "image_id 'a'"),
        ([{**GOOD, "image_id": 4}], "image_id 4"),
        ([{**GOOD, "category_id": 0}], "category_id 0"),
        ([{**GOOD, "bbox": [0, 0, 1]}], "no box"),
        ([{**GOOD, "bbox": [0, 0, math.nan, 1]}], "no box"),
        ([{**GOOD, "bbox": [0, 0, -1, 1]}], "negative size"),
        ([{**GOOD, "score": None}], "a score that is not a number"),
    ],
)
def test_predictions_that_cannot_be_are_named(tmp_path, content, words):
    path = tmp_path / "found.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=words) as caught:
        coco.read_predictions(path, hand_made())
    assert str(caught.value).startswith(f"{path}: ")


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(InputError, match=r"missing\.json: no such file"):
        coco.read_predictions(tmp_path / "missing.json", hand_made())
    (tmp_path / "half.json").write_text("[{", encoding="utf-8")
    with pytest.raises(InputError, match="is not JSON"):
        coco.read_predictions(tmp_path / "half.json", hand_made())
