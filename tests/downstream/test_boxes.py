"""Boxes and class images, and what is said of bad ones."""

import numpy as np
import pytest
from downstream_folders import SIZE, classes_of, text, voc
from made_up_files import write

from eval.downstream import boxes
from fnet_jax.errors import InputError

CLASSES = ("People", "Car", "Bus")


def test_both_formats_say_the_same(tmp_path):
    text(tmp_path / "a.txt", "\ufeff1 0.5 0.5 0.25 0.5\n\n2 0.125 0.25 0.25 0.5\n")
    text(tmp_path / "a.xml", voc([("car", 12, 6, 20, 18), ("Bus", 0, 0, 8, 12)]))
    for name in ("a.txt", "a.xml"):
        found = boxes.read(tmp_path / name, CLASSES, SIZE)
        assert found.classes.tolist() == [1, 2]
        assert found.corners.tolist() == [[12, 6, 20, 18], [0, 0, 8, 12]]
        assert (found.classes.dtype, found.corners.dtype) == (np.int64, np.float64)


def test_no_line_is_no_box(tmp_path):
    text(tmp_path / "a.txt", "\n")
    found = boxes.read(tmp_path / "a.txt", CLASSES, SIZE)
    assert (found.classes.shape, found.corners.shape) == ((0,), (0, 4))


def test_half_a_pixel_outside_is_cut_off_and_more_is_not(tmp_path):
    text(tmp_path / "a.xml", voc([("Car", -0.4, 0, 32.5, 24.25)]))
    found = boxes.read(tmp_path / "a.xml", CLASSES, SIZE)
    assert found.corners.tolist() == [[0, 0, 32, 24]]
    text(tmp_path / "a.xml", voc([("Car", 0, 0, 32.6, 24)]))
    with pytest.raises(InputError, match="object 1 is a box .* outside the image of 32×24"):
        boxes.read(tmp_path / "a.xml", CLASSES, SIZE)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.txt", "0 0.5 0.5 0.1 0.1\n3 0.5 0.5 0.1 0.1", "line 2 has class 3"),
        ("a.txt", "-1 0.5 0.5 0.1 0.1", "line 1 has class -1"),
        ("a.txt", "0 0.5 0.5 0.1", "line 1 is not class, x, y"),
        ("a.txt", "0 0.5 0.5 0.1 0.1 0.9", "line 1 is not class, x, y"),
        ("a.txt", "Car 0.5 0.5 0.1 0.1", "line 1 is not class, x, y"),
        ("a.txt", "0 0.5 0.5 nan 0.1", "outside the image"),
        ("a.txt", "0 0.95 0.5 0.2 0.1", "outside the image"),
        ("a.txt", "0 0.5 0.5 0 0.1", "without area"),
        ("a.txt", "0 0.5 0.5 0.1 -0.1", "without area"),
        ("a.xml", voc([("Lorry", 1, 1, 3, 3)]), "object 1 has class 'Lorry'"),
        ("a.xml", voc([("Car", 1, 1, 3, "")]), "object 1 has no box"),
        ("a.xml", voc([("Car", 5, 1, 3, 3)]), "without area"),
        ("a.xml", voc(size=(32, 24)), "for an image of 24×32, but the image has 32×24"),
        ("a.xml", "<annotation>", "is not XML"),
    ],
)
def test_bad_boxes_are_named(tmp_path, name, content, what):
    text(tmp_path / name, content)
    with pytest.raises(InputError, match=what) as error:
        boxes.read(tmp_path / name, CLASSES, SIZE)
    assert str(error.value).startswith(str(tmp_path / name))


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe0")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        boxes.read(tmp_path / "a.txt", CLASSES, SIZE)
    with pytest.raises(InputError, match="no such file"):
        boxes.read(tmp_path / "b.txt", CLASSES, SIZE)


@pytest.mark.parametrize("channels", [1, 3])
def test_class_numbers_are_those_of_the_file(tmp_path, channels):
    wanted = classes_of(1, 3)
    write(tmp_path / "a.png", wanted if channels == 1 else np.stack([wanted] * 3, axis=2))
    found = boxes.read_labels(tmp_path / "a.png", CLASSES, size=SIZE)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, wanted)


def test_bad_class_images_are_named(tmp_path):
    path = tmp_path / "a.png"
    numbers = classes_of(1, 3)
    numbers[0, :2] = 7, 255
    write(path, numbers)
    with pytest.raises(InputError, match=r"a\.png has class 7, 255, but the last is 2 \(Bus\)"):
        boxes.read_labels(path, CLASSES)
    write(path, np.dstack([classes_of(k, 3) for k in range(3)]))
    with pytest.raises(InputError, match="has colors"):
        boxes.read_labels(path, CLASSES)
    write(path, np.zeros((9, 8), np.uint8))
    with pytest.raises(InputError, match="is 8×9 but its images are 32×24"):
        boxes.read_labels(path, CLASSES, size=SIZE)
    write(tmp_path / "a.jpg", np.zeros(SIZE, np.uint8))
    with pytest.raises(InputError, match="JPEG changes class numbers"):
        boxes.read_labels(tmp_path / "a.jpg", CLASSES)
