"""What is bad is said before anything is trained."""

import numpy as np
from downstream_folders import SIZE, levels, mfnet, msrs, text
from made_up_files import cut, write

from eval.downstream.check import check
from eval.downstream.scenes import DETECT, SEGMENT, find
from eval.downstream.splits import Split

ALL = "0 0.5 0.5 0.5 0.5\n1 0.5 0.5 0.5 0.5\n2 0.5 0.5 0.5 0.5\n"


def full(folder):
    """A set in which every scene shows every class."""
    msrs(folder, train=("1", "2", "3", "4"), test=("5", "6"))
    for path in folder.glob("*/boxes/*.txt"):
        text(path, ALL)
    return folder


def test_a_sound_set_has_no_line(tmp_path):
    for task in (DETECT, SEGMENT):
        assert check(find(full(tmp_path), task)[0]) == []
    assert check(find(mfnet(tmp_path / "m"), SEGMENT)[0]) == []


def test_each_bad_scene_has_a_line(tmp_path):
    full(tmp_path)
    cut(tmp_path / "train/vi/1.png").write_bytes(b"")
    write(tmp_path / "train/ir/2.png", levels(1, 9, 9))
    text(tmp_path / "test/boxes/5.txt", "9 0.5 0.5 0.5 0.5\n")
    seen = []
    found, _ = find(tmp_path, DETECT)
    lines = check(found, report=seen.append)
    assert lines == seen
    assert len(lines) == 3
    for line, words in zip(
        sorted(lines), ("test/boxes/5.txt: line 1", "1.png: the file is empty", "9×9"), strict=True
    ):
        assert words in line


def test_classes_that_never_occur_are_named_for_each_part(tmp_path):
    full(tmp_path)
    for name in "56":
        text(tmp_path / f"test/boxes/{name}.txt", "0 0.5 0.5 0.5 0.5\n2 0.5 0.5 0.5 0.5\n")
    found, _ = find(tmp_path, DETECT)
    assert check(found) == [
        "bicycle: none of the scenes to test has this class; use another split or more scenes"
    ]
    assert check(found, split=Split("own", ("1", "5"), ("2", "6"))) == []
    (line,) = check(found, split=Split("own", ("5", "6"), ("1", "2")))
    assert line.startswith("bicycle: none of the scenes to train")


def test_class_images_are_read_and_counted(tmp_path):
    full(tmp_path)
    write(tmp_path / "train/labels/1.png", np.full(SIZE, 9, np.uint8))
    for name in "56":
        write(tmp_path / f"test/labels/{name}.png", np.minimum(7, levels(1) % 9))
    bad, absent = check(find(tmp_path, SEGMENT)[0])
    assert "train/labels/1.png: has class 9" in bad
    assert absent.startswith("bump: none of the scenes to test")
