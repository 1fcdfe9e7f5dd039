"""Splits are files with checksums, leaks are counted, drives stay together."""

import json

import numpy as np
import pytest
from downstream_folders import levels, m3fd, mfnet, msrs
from made_up_files import write

from eval.downstream import places, splits
from eval.downstream.scenes import DETECT, SEGMENT, Scene, SceneSet, find
from eval.downstream.splits import Leaks, Split
from fnet_jax.errors import InputError


@pytest.fixture
def scenes(tmp_path):
    return find(msrs(tmp_path / "msrs"), DETECT)[0]


def named(names):
    """A set of scenes without files."""
    return SceneSet("M3FD", DETECT, ("Car",), tuple(Scene(n, n, n, n) for n in names))


def drive(folder, number, place, *, right=0):
    """Writes a scene, a look at a place that is wider than it, and returns it."""
    seen = slice(right, right + 80)
    files = []
    for kind in range(2):
        wide = np.kron(levels(10 * place + kind, 30, 50), np.ones((2, 2), np.uint8))
        files.append(folder / str(kind) / f"{number:05d}D.png")
        write(files[-1], wide[:, seen])
    return Scene(f"{number:05d}D", files[0], files[1], files[0])


def test_official_is_what_folders_or_lists_say(tmp_path, scenes):
    split = splits.official(scenes)
    assert (split.train, split.test) == (("00001D", "00003D"), ("00002D",))
    split = splits.official(find(mfnet(tmp_path / "m"), SEGMENT)[0])
    assert (split.train, split.test) == (("00001D",), ("00003N", "00004D"))
    with pytest.raises(InputError, match="has no scene marked as train"):
        splits.official(find(m3fd(tmp_path / "3"), DETECT)[0])


def test_what_was_written_is_read(tmp_path, scenes):
    split = splits.official(scenes)
    splits.write(tmp_path / "a.json", split, scenes)
    assert splits.of_file(tmp_path / "a.json", scenes) == split
    content = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert content["sha256"] == split.sha256
    assert content["set"] == "MSRS"


def test_scenes_that_a_split_does_not_name_are_left_out(tmp_path, scenes):
    small = Split("small", ("00001D",), ("00002D",))
    splits.write(tmp_path / "a.json", small, scenes)
    assert splits.of_file(tmp_path / "a.json", scenes) == small


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"test": ["00003D"], "train": ["00001D"]}, "have the checksum"),
        ({"set": "MFNet"}, "is a split of MFNet, not of MSRS"),
        ({"test": ["00002D", "00001D"]}, "names 00001D twice"),
        ({"test": []}, "names no scene"),
        ({"test": [1]}, "must be strings"),
        ({"sha256": None}, "needs name, set, sha256"),
        (
            {"test": ["x"], "sha256": Split("", ("00001D", "00003D"), ("x",)).sha256},
            "1 of its scenes, such as x, are not in the folder",
        ),
    ],
)
def test_a_bad_file_is_refused(tmp_path, scenes, change, what):
    path = tmp_path / "a.json"
    splits.write(path, splits.official(scenes), scenes)
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), "utf-8")
    with pytest.raises(InputError, match=what):
        splits.of_file(path, scenes)


def test_files_that_are_no_split(tmp_path, scenes):
    with pytest.raises(InputError, match="no such file"):
        splits.of_file(tmp_path / "none.json", scenes)
    (tmp_path / "a.json").write_text("{", "utf-8")
    with pytest.raises(InputError, match="is not JSON"):
        splits.of_file(tmp_path / "a.json", scenes)


def test_a_split_by_hash_depends_on_names_alone():
    names = [f"{k:05d}" for k in range(4200)]
    split = splits.by_hash(named(names))
    assert (len(split.train), len(split.test)) == (3800, 400)
    assert sorted(split.train + split.test) == names
    assert splits.by_hash(named(names[::-1])) == split
    assert len(splits.by_hash(named(names[:10]), test=3).test) == 3
    assert set(splits.by_hash(named(names), test=100).test) < set(split.test)
    with pytest.raises(InputError, match="one side is empty"):
        splits.by_hash(named(names[:3]))


def test_a_place_is_known_again_from_a_little_aside_and_no_other_is(tmp_path):
    scenes = [
        drive(tmp_path, number, place, right=right)
        for number, place, right in [(1, 1, 0), (2, 1, 12), (3, 2, 0), (4, 3, 0)]
    ]
    small = np.array([places.thumbnails(scene) for scene in scenes])
    alike = places.similarity(small, 2)
    assert alike.shape == (2, 4)
    assert alike[0, 0] > 0.9
    assert alike[0, 1:3].max() < places.SAME
    assert alike[1, :2].max() < places.SAME
    assert alike[0, 3] == alike[1, 2] == -1
    one = places.similarity(np.array([small[0], small[0], 0 * small[0]]), 1)[0]
    assert one[0] == pytest.approx(1, abs=1e-5)
    assert one[1] == 0  # resembles nothing


def test_both_images_have_to_resemble(tmp_path):
    scenes = [drive(tmp_path, 1, 1), drive(tmp_path, 2, 1)]
    write(scenes[1].infrared, levels(99, 60, 80))
    assert [pair.same for pair in places.near(scenes, 1)] == [False]


@pytest.mark.parametrize("block", [2, 64])
def test_pairs_near_by_are_found_whatever_the_blocks(tmp_path, monkeypatch, block):
    monkeypatch.setattr(places, "BLOCK", block)
    scenes = [drive(tmp_path, number, place) for number, place in [(9, 4), (1, 1), (3, 1), (4, 2)]]
    scenes.append(Scene("x", *([scenes[0].visible] * 3)))  # without a number
    found = {
        (scenes[p.first].name, scenes[p.second].name, p.apart): p.same
        for p in places.near(scenes, 3)
    }
    assert found == {
        ("00001D", "00003D", 2): True,
        ("00001D", "00004D", 3): False,
        ("00003D", "00004D", 1): False,
    }


def test_leaks_are_counted(tmp_path):
    layout = [(1, 1), (2, 1), (3, 1), (5, 2), (6, 3), (9, 4), (20, 5)]
    scenes = [drive(tmp_path, number, place) for number, place in layout]
    mine = SceneSet("MSRS", DETECT, ("Car",), tuple(scenes))
    test = ("00002D", "00006D", "00009D")
    train = tuple(scene.name for scene in scenes if scene.name not in test)
    leaks = splits.neighbours(mine, Split("own", train, test))
    # 2 has 1 and 3, which show its place; 6 has 5, which shows another; 9 has none.
    assert leaks == Leaks(test=3, beside=2, pairs=3, same_pairs=2, same=1)
    assert "2 of 3 test scenes" in leaks.text


def test_a_flipped_copy_is_a_leak(tmp_path):
    scenes = find(mfnet(tmp_path / "m"), SEGMENT)[0]
    leaks = splits.neighbours(scenes, Split("own", ("00001D_flip", "00004D"), ("00001D",)))
    assert leaks == Leaks(test=1, beside=1, pairs=1, same_pairs=1, same=1)


def test_scenes_of_one_place_stay_together(tmp_path, monkeypatch):
    monkeypatch.setattr(splits, "LEAST", 2)
    layout = [1, 1, 1, 2, 3, 4, 5, 4, 6, 6, 7, 8, 9, 9, 10, 11]
    scenes = [drive(tmp_path, number, place) for number, place in enumerate(layout)]
    mine = SceneSet("MSRS", DETECT, ("Car",), tuple(scenes))
    found = splits.drives(mine)
    places_of = [[layout[int(name[:5])] for name in names] for names in found]
    assert places_of == [[1, 1, 1], [2, 3], [4, 5, 4], [6, 6], [7, 8], [9, 9], [10, 11]]
    split = splits.by_drives(mine)
    assert sorted(split.train + split.test) == [scene.name for scene in scenes]
    assert 2 <= len(split.test) <= 6
    assert splits.neighbours(mine, split).same == 0
    assert splits.by_drives(mine) == split
    with pytest.raises(InputError, match="too few"):
        splits.by_drives(SceneSet("MSRS", DETECT, ("Car",), tuple(scenes[:3])))


def test_shipped_splits_are_of_all_of_msrs():
    names = {}
    for kind in ("official", "drives"):
        path = splits.SHIPPED / f"msrs_{kind}.json"
        content = json.loads(path.read_text("utf-8"))
        names[kind] = {*content["train"], *content["test"]}
        mine = SceneSet("MSRS", DETECT, (), named(sorted(names[kind])).scenes)
        split = splits.of_file(path, mine)
        assert split.name == kind
        assert len(split.train) + len(split.test) == 1444
    assert names["official"] == names["drives"]


def test_splits_and_leaks_of_msrs_as_it_is(data_folder):
    scenes, _ = find(data_folder / "MSRS_small", DETECT)
    official, drives = (
        splits.of_file(splits.SHIPPED / f"msrs_{kind}.json", scenes)
        for kind in ("official", "drives")
    )
    assert official == splits.official(scenes)
    assert (len(official.train), len(official.test)) == (1083, 361)
    leaks = splits.neighbours(scenes, official)
    assert (leaks.test, leaks.beside, leaks.pairs) == (361, 359, 678)
    assert (leaks.same_pairs, leaks.same) == (135, 104)
    assert abs(len(drives.test) - 361) < 20
    leaks = splits.neighbours(scenes, drives)
    assert leaks.beside < 40
    assert leaks.same_pairs == 0


@pytest.mark.slow
def test_the_split_by_drives_is_what_the_code_gives(data_folder):
    scenes, _ = find(data_folder / "MSRS_small", DETECT)
    path = splits.SHIPPED / "msrs_drives.json"
    assert splits.by_drives(scenes) == splits.of_file(path, scenes)
