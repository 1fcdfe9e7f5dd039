"""Where the sets' public homes keep their pairs."""

import unicodedata

import pytest

from fnet_jax.errors import InputError
from fnet_jax.pairs.public_sets import SETS, find, guess

# Of each set: the files of two pairs as its home names them, and the names of these pairs.
HOMES = {
    "msrs": [("train/vi/00001D.png", "train/ir/00001D.png", "00001D"),
             ("test/vi/00004N.png", "test/ir/00004N.png", "00004N")],
    "tno": [("test_img/TNO/vi/01.png", "test_img/TNO/ir/01.png", "01"),
            ("test_img/TNO/vi/02.png", "test_img/TNO/ir/02.png", "02")],
    "roadscene": [("crop_LR_visible/FLIR_1.jpg", "cropinfrared/FLIR_1.jpg", "FLIR_1"),
                  ("crop_LR_visible/FLIR_video_2.jpg", "cropinfrared/FLIR_video_2.jpg",
                   "FLIR_video_2")],
    "cats": [("INDOOR/BOOKS/scene1/rectified/cross/right_color_default.png",
              "INDOOR/BOOKS/scene1/rectified/cross/left_thermal_default.png",
              "INDOOR_BOOKS_1_default"),
             ("OUTDOOR/CARS/scene10/rectified/cross/right_color_dark.png",
              "OUTDOOR/CARS/scene10/rectified/cross/left_thermal_dark.png",
              "OUTDOOR_CARS_10_dark")],
    "kaist": [("set00/V000/visible/I00000.jpg", "set00/V000/lwir/I00000.jpg", "00_000_00000"),
              ("set11/V001/visible/I00020.png", "set11/V001/lwir/I00020.png", "11_001_00020")],
    "rgb_nir_scene": [("country/0000_rgb.tiff", "country/0000_nir.tiff", "country_0000"),
                      ("water/0000_rgb.tiff", "water/0000_nir.tiff", "water_0000")],
    "harvard_ct": [("test_img/MRI_CT/CT/11.png", "test_img/MRI_CT/MRI/11.png", "11"),
                   ("test_img/MRI_CT/CT/12.png", "test_img/MRI_CT/MRI/12.png", "12")],
    "harvard_pet": [("test_img/MRI_PET/PET/11.png", "test_img/MRI_PET/MRI/11.png", "11"),
                    ("test_img/MRI_PET/PET/12.png", "test_img/MRI_PET/MRI/12.png", "12")],
    "harvard_spect": [("test_img/MRI_SPECT/SPECT/4.png", "test_img/MRI_SPECT/MRI/4.png", "4"),
                      ("test_img/MRI_SPECT/SPECT/5.png", "test_img/MRI_SPECT/MRI/5.png", "5")],
    "own": [("I1/a.png", "I2/a.jpg", "a"), ("I1/b.bmp", "I2/b.tif", "b")],
}  # fmt: skip
ABOVE = {"kaist": "images", "rgb_nir_scene": "nirscene1", "cats": "CATS_Release"}


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def two_pairs(folder, name):
    for i1, i2, _ in HOMES[name]:
        touch(folder, i1, i2)


def pairs_of(found):
    return [
        (pair.i1, pair.i2, name) for pairs in found.pairs.values() for name, pair in pairs.items()
    ]


@pytest.mark.parametrize("name", SETS)
def test_each_home_is_found(tmp_path, name):
    for source in (tmp_path, tmp_path / "below"):
        top = source / ABOVE.get(name, "") if source != tmp_path else source
        two_pairs(top, name)
        # What homes hold beside the pairs.
        touch(source, "README.md", "train/labels/1.png", ".hidden.png", "I1/notes.txt")
        found = find(source, SETS[name])
        assert pairs_of(found) == [(top / i1, top / i2, pair) for i1, i2, pair in HOMES[name]]
        assert (found.problems, found.left_out) == ([], 0)
        splits = {"msrs": {"train", "test"}, "own": {"train"}}
        assert set(found.pairs) == splits.get(name, {"test"})
        assert guess(source) == name


@pytest.mark.parametrize("name", SETS)
def test_each_set_may_lie_in_plain_folders(tmp_path, name):
    two_pairs(tmp_path, "own")
    found = find(tmp_path, SETS[name])
    assert [pair for *_, pair in pairs_of(found)] == ["a", "b"]
    assert set(found.pairs) == {"train" if name in ("own", "msrs") else "test"}
    assert guess(tmp_path) == "own"


@pytest.mark.parametrize("folders", ["vi ir", "VIS NIR", "CT MRI", "PET MRI", "SPECT MRI", "I1 I2"])
def test_folders_that_any_set_may_have_are_of_ones_own(tmp_path, folders):
    i1, i2 = folders.split()
    touch(tmp_path, f"{i1}/1.png", f"{i2}/1.png")
    assert guess(tmp_path) == "own"
    assert pairs_of(find(tmp_path, SETS["own"])) == [
        (tmp_path / i1 / "1.png", tmp_path / i2 / "1.png", "1")
    ]


def test_the_paper_counts():
    counts = {name: sum(image_set.paper.values()) for name, image_set in SETS.items()}
    assert counts == {
        "msrs": 1444, "tno": 25, "roadscene": 50, "cats": 65, "kaist": 44, "rgb_nir_scene": 20,
        "harvard_ct": 21, "harvard_pet": 42, "harvard_spect": 73, "own": 0,
    }  # fmt: skip


def test_partners_have_equal_pieces_never_equal_positions(tmp_path):
    touch(
        tmp_path,
        *("set00/V000/visible/I1.jpg", "set00/V001/lwir/I1.jpg"),
        *("set00/V002/visible/I3.jpg", "set00/V002/lwir/I3.jpg"),
    )
    found = find(tmp_path, SETS["kaist"])
    assert [name for *_, name in pairs_of(found)] == ["00_002_3"]
    video = tmp_path / "set00"
    assert found.problems == [
        f"{video}/V000/visible/I1.jpg: has no partner I1.* in {video}/V000/lwir; add or rename it",
        f"{video}/V001/lwir/I1.jpg: has no partner I1.* in {video}/V001/visible; add or rename it",
    ]
    assert found.left_out == 2


def test_a_split_without_one_modality_is_told(tmp_path):
    two_pairs(tmp_path, "msrs")
    (tmp_path / "test/ir/00004N.png").unlink()
    found = find(tmp_path, SETS["msrs"])
    assert set(found.pairs) == {"train"}
    assert len(found.problems) == found.left_out == 1


def test_pairs_of_one_name_are_told(tmp_path):
    touch(tmp_path, *(f"{a}_rgb.png" for a in ("a_b/c", "a/b_c")))
    touch(tmp_path, *(f"{a}_nir.png" for a in ("a_b/c", "a/b_c")))
    found = find(tmp_path, SETS["rgb_nir_scene"])
    assert [name for *_, name in pairs_of(found)] == ["a_b_c"]
    assert len(found.problems) == found.left_out == 1
    assert "its name a_b_c is already that of" in found.problems[0]


def test_accents_are_matched_however_they_are_written(tmp_path):
    touch(
        tmp_path,
        *(f"I{i}/" + unicodedata.normalize(f, "é.png") for i, f in ((1, "NFC"), (2, "NFD"))),
    )
    assert len(pairs_of(find(tmp_path, SETS["own"]))) == 1


def test_a_home_of_several_sets_is_not_guessed(tmp_path):
    two_pairs(tmp_path, "tno")
    two_pairs(tmp_path, "harvard_ct")
    with pytest.raises(InputError, match="has pairs of tno, harvard_ct; name the set to use"):
        guess(tmp_path)


def test_folders_that_fit_nothing_are_refused(tmp_path):
    touch(tmp_path, "vi/1.png", "other/1.png")
    message = r"has no pairs of TNO; arrange them as vi/\* with ir/\*, or"
    with pytest.raises(InputError, match=message):
        find(tmp_path, SETS["tno"])
    with pytest.raises(InputError, match=r"arrange them as I1/\* with I2/\*, or .*prepare --help"):
        guess(tmp_path)
    for call in (lambda path: find(path, SETS["tno"]), guess):
        with pytest.raises(InputError, match=r"gone: no such file or directory; use a folder"):
            call(tmp_path / "gone")
        with pytest.raises(InputError, match=r"1.png: not a directory; use a folder"):
            call(tmp_path / "vi/1.png")


@pytest.mark.parametrize(
    ("folder", "name"),
    [("MSRS", "msrs"), ("TNO", "tno"), ("RoadScene", "roadscene"), ("NIR", "rgb_nir_scene"),
     ("MRI_CT", "harvard_ct"), ("MRI_PET", "harvard_pet"), ("MRI_SPECT", "harvard_spect")],
)  # fmt: skip
def test_the_research_images(data_folder, folder, name):
    found = find(data_folder / folder, SETS[name])
    count = sum(map(len, found.pairs.values()))
    assert found.problems == []
    parts = {"msrs": 240, "rgb_nir_scene": 12}  # of these two only a part is there
    assert count == parts.get(name, sum(SETS[name].paper.values()))
    assert guess(data_folder / folder) == ("msrs" if name == "msrs" else "own")
