"""What is bad is said before anything is trained."""

import numpy as np
import pytest
from downstream_folders import SIZE, levels, mfnet, msrs, text
from made_up_files import cut, write

from eval.downstream.check import absent, check
from eval.downstream.scenes import DETECT, SEGMENT, find
from eval.downstream.splits import Split, official

ALL = "0 0.5 0.5 0.5 0.5\n1 0.5 0.5 0.5 0.5\n2 0.5 0.5 0.5 0.5\n"


def full(folder):
    """A set in which every scene shows every class."""
    msrs(folder, train=("1", "2", "3", "4"), test=("5", "6"))
    for path in folder.glob("*/boxes/*.txt"):
        text(path, ALL)
    return folder


def checked(found):
    """Lines about bad scenes, and about classes that the set's own split lacks."""
    lines = []
    bad, shown = check(found, report=lines.append)
    assert len(bad) == len(lines)
    assert len(shown) == len(found.scenes)
    return lines, absent(found, shown, official(found))


def test_a_sound_set_has_no_line(tmp_path):
    for task in (DETECT, SEGMENT):
        assert checked(find(full(tmp_path), task)[0]) == ([], [])
    assert checked(find(mfnet(tmp_path / "m"), SEGMENT)[0]) == ([], [])


def test_each_bad_scene_has_a_line(tmp_path):
    full(tmp_path)
    cut(tmp_path / "train/vi/1.png").write_bytes(b"")
    write(tmp_path / "train/ir/2.png", levels(1, 9, 9))
    text(tmp_path / "test/boxes/5.txt", "9 0.5 0.5 0.5 0.5\n")
    found, _ = find(tmp_path, DETECT)
    lines = []
    bad, shown = check(found, report=lines.append)
    assert sorted(bad) == ["1", "2", "5"]
    assert [bool(x) for x in shown] == [scene.name not in bad for scene in found.scenes]
    for line, words in zip(
        sorted(lines), ("test/boxes/5.txt: line 1", "1.png: the file is empty", "9×9"), strict=True
    ):
        assert words in line


def test_classes_that_never_occur_are_named_for_each_part(tmp_path):
    full(tmp_path)
    for name in "56":
        text(tmp_path / f"test/boxes/{name}.txt", "0 0.5 0.5 0.5 0.5\n2 0.5 0.5 0.5 0.5\n")
    found, _ = find(tmp_path, DETECT)
    _, shown = check(found, report=pytest.fail)
    (line,) = absent(found, shown, official(found))
    assert line.startswith("bicycle: no scene to test has this class")
    assert absent(found, shown, Split("own", ("1", "5"), ("2", "6"))) == []
    (line,) = absent(found, shown, Split("own", ("5", "6"), ("1", "2")))
    assert line.startswith("bicycle: no scene to train")


def test_class_images_are_read_and_counted(tmp_path):
    full(tmp_path)
    write(tmp_path / "train/labels/1.png", np.full(SIZE, 9, np.uint8))
    for name in "56":
        write(tmp_path / f"test/labels/{name}.png", np.minimum(7, levels(1) % 9))
    (bad,), (missing,) = checked(find(tmp_path, SEGMENT)[0])
    assert "train/labels/1.png has class 9" in bad
    assert missing.startswith("bump: no scene to test")
