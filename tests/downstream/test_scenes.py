"""Which scenes are found in a folder, and what is said of the others."""

import numpy as np
import pytest
from downstream_folders import SIZE, YOLO, levels, m3fd, mfnet, msrs, pair, text
from made_up_files import write

from eval.downstream.scenes import DETECT, SEGMENT, find, size, sources
from fnet_jax.errors import InputError


@pytest.mark.parametrize("labels", ["labels", "Segmentation_labels"])
def test_msrs(tmp_path, labels):
    msrs(tmp_path, labels=labels)
    found, problems = find(tmp_path, SEGMENT)
    assert problems == []
    assert (found.title, found.task, len(found.classes)) == ("MSRS", SEGMENT, 9)
    assert [(s.name, s.split) for s in found.scenes] == [
        ("00001D", "train"),
        ("00002D", "test"),
        ("00003D", "train"),
    ]
    assert found.scenes[1].truth == tmp_path / "test" / labels / "00002D.png"


@pytest.mark.parametrize("place", [".", "train", "train/boxes"])
def test_classes_of_boxes_are_listed_beside_or_in_their_folder(tmp_path, place):
    msrs(tmp_path)
    (tmp_path / "boxes_classes.txt").rename(tmp_path / place / "boxes_classes.txt")
    found, problems = find(tmp_path, DETECT)
    assert (problems, found.classes) == ([], ("person", "bicycle", "car"))
    assert found.scenes[0].truth.name == "00001D.txt"


def test_a_problem_names_its_file_and_leaves_out_its_scene_only(tmp_path):
    msrs(tmp_path, train=("1", "2", "3", "4"), test=("5", "1"))
    train = tmp_path / "train"
    (train / "ir/2.png").unlink()
    (train / "boxes/3.txt").unlink()
    text(train / "boxes/9.txt", YOLO)
    found, problems = find(tmp_path, DETECT)
    assert [s.name for s in found.scenes] == ["1", "4", "5"]
    assert len(problems) == 4
    for path, what in {
        train / "vi/2.png": "no partner",
        train / "vi/3.png": "no truth",
        train / "boxes/9.txt": "no images",
        tmp_path / "test/vi/1.png": f"the same name as {train / 'vi/1.png'}",
    }.items():
        assert [x for x in problems if x.startswith(str(path)) and what in x], (path, problems)


def test_upper_case_and_suffixes_do_not_matter(tmp_path):
    pair(tmp_path / "Train", "00001D", visible="VI", infrared="IR", suffix=".bmp")
    write(tmp_path / "Train/Labels/00001d.png", np.zeros(SIZE, np.uint8))
    found, problems = find(tmp_path, SEGMENT)
    assert ([s.name for s in found.scenes], problems) == (["00001D"], [])


@pytest.mark.parametrize("above", ["", "M3FD_Detection"])
def test_m3fd(tmp_path, above):
    m3fd(tmp_path / above)
    found, problems = find(tmp_path, DETECT)
    assert (found.title, problems) == ("M3FD", [])
    assert found.classes == ("People", "Car", "Bus", "Lamp", "Motorcycle", "Truck")
    assert {s.truth.suffix for s in found.scenes} == {".xml"}
    assert {s.split for s in found.scenes} == {None}
    with pytest.raises(InputError, match="only boxes"):
        find(tmp_path, SEGMENT)


def test_m3fd_with_text_and_classes_of_its_own(tmp_path):
    for k in range(2):
        pair(tmp_path, str(k))
        text(tmp_path / f"labels/{k}.txt", YOLO)
    assert find(tmp_path, DETECT)[0].classes[0] == "People"
    text(tmp_path / "labels/classes.txt", "cat\nbig dog\n")
    found, problems = find(tmp_path, DETECT)
    assert (found.classes, len(found.scenes), problems) == (("cat", "big dog"), 2, [])


def test_mfnet_follows_its_lists(tmp_path):
    found, problems = find(mfnet(tmp_path / "m"), SEGMENT)
    assert (found.title, len(found.classes), problems) == ("MFNet", 9, [])
    assert {s.name: s.split for s in found.scenes} == {
        "00001D": "train",
        "00001D_flip": None,
        "00002N": None,
        "00003N": "test",
        "00004D": "test",
    }
    text(tmp_path / "m/train.txt", "00001D\n00001D_flip.png\n00009D\n")
    found, (problem,) = find(tmp_path / "m", SEGMENT)
    assert found.scenes[1].split == "train"
    assert "train.txt names 00009D" in problem
    text(tmp_path / "m/test.txt", "00001D\n")
    with pytest.raises(InputError, match=r"00001D is in train\.txt and test\.txt"):
        find(tmp_path / "m", SEGMENT)


def test_the_fourth_channel_is_infrared_and_no_transparency(tmp_path):
    scene = find(mfnet(tmp_path / "m"), SEGMENT)[0].scenes[0]
    visible, infrared = sources(scene)
    stored = levels(0, *SIZE, 4)
    np.testing.assert_array_equal(visible, stored[..., :3])
    np.testing.assert_array_equal(infrared, stored[..., 3])
    write(scene.visible, levels(0, *SIZE, 3))
    for look in (sources, size):
        with pytest.raises(InputError, match="no fourth channel"):
            look(scene)


def test_sources_of_two_files(tmp_path):
    write(tmp_path / "vi/1.png", levels(3))
    write(tmp_path / "ir/1.png", np.stack([levels(4)] * 3, axis=2))
    text(tmp_path / "labels/1.txt", YOLO)
    scene = find(tmp_path, DETECT)[0].scenes[0]
    visible, infrared = sources(scene)
    np.testing.assert_array_equal(visible, np.stack([levels(3)] * 3, axis=2))
    np.testing.assert_array_equal(infrared, levels(4))
    assert size(scene) == SIZE
    write(scene.infrared, levels(4, 9, 9))
    for look in (sources, size):
        with pytest.raises(InputError, match="32×24 but .* is 9×9"):
            look(scene)


def test_a_folder_that_is_no_set(tmp_path):
    with pytest.raises(InputError, match=r"is not a known set; .*MSRS.*M3FD.*MFNet"):
        find(tmp_path, DETECT)
    with pytest.raises(InputError, match="no such file"):
        find(tmp_path / "none", DETECT)
    with pytest.raises(ValueError, match="unknown task"):
        find(tmp_path, "classify")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, r"no boxes_classes\.txt"),
        ("0 person\n2 car\n", "numbered from 0"),
        ("0 person\n0 car\n", "numbered from 0"),
        ("person\nPerson\n", "twice"),
        ("", "numbered from 0"),
    ],
)
def test_classes_that_are_not_listed_well(tmp_path, content, what):
    (msrs(tmp_path) / "boxes_classes.txt").unlink()
    if content is not None:
        text(tmp_path / "boxes_classes.txt", content)
    with pytest.raises(InputError, match=what):
        find(tmp_path, DETECT)


def test_msrs_as_it_is(data_folder):
    for task, classes in ((DETECT, 3), (SEGMENT, 9)):
        found, problems = find(data_folder / "MSRS_small", task)
        splits = [scene.split for scene in found.scenes]
        assert (splits.count("train"), splits.count("test")) == (1083, 361)
        assert (len(found.classes), problems) == (classes, [])
