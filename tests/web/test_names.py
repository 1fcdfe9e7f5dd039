from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnet_jax.web import names

BAD = ["../../etc/passwd", "..\\..\\x.png", "a\0b.png", "/", "..", ".", "", "\u202egnp.exe", "\n"]


@given(st.one_of(st.sampled_from(BAD), st.text()))
def test_what_is_shown_is_a_plain_name(text):
    name = names.shown(text)
    assert name.isprintable()
    assert not {"/", "\\"} & {*name}
    assert name not in ("", ".", "..")
    assert len(name.encode()) <= 200  # systems allow 255, and suffixes are added
    assert Path("/private", name).parent == Path("/private")
    assert names.suffix(text) in names.SUFFIXES
    assert names.stem(text)


@pytest.mark.parametrize("name", ["visible.png", "夜景 1.tif", "été (2).JPG", "a'b;$(c).bmp"])
def test_plain_names_stay(name):
    assert names.shown(name) == names.shown(f"folder/{name}") == name


def test_the_end_of_a_long_name_is_kept():
    assert names.shown("夜" * 500 + ".png").endswith("夜.png")


def test_equal_names_get_a_folder():
    one, two = Path("f1.png"), Path("f2.png")
    assert names.told_apart({one: "vi/1.png", two: "ir/1.png"}) == {
        one: "I1/1.png",
        two: "I2/1.png",
    }
    assert names.told_apart({one: "a.png", two: "b.png"}) == {one: "a.png", two: "b.png"}


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("1_vis.png", "1_ir.png"),
        ("FLIR_8_RGB.jpg", "FLIR_8_thermal.jpeg"),
        ("vi/1.png", "ir/1.png"),
        ("scans/CT/07.tif", "scans/MRI/07.tif"),
        ("pet_mri_7_pet.png", "pet_mri_7_mri.png"),
        ("7.png", "7_ir.png"),
        ("7 i1.png", "7 i2.png"),
    ],
)
def test_names_tell_which_images_belong_together(one, two):
    for files in ({"f1": one, "f2": two}, {"f2": two, "f1": one}):
        found, alone = names.paired(files)
        assert [pair[:2] for pair in found] == [("f1", "f2")]
        assert alone == []


def test_scenes_are_not_taken_for_modalities():
    scenes = ("car", "house", "tree")
    given = {f"{scene}_{kind}": f"{scene}_{kind}.png" for scene in scenes for kind in ("vi", "ir")}
    found, alone = names.paired(given)
    assert sorted(pair[:2] for pair in found) == [(f"{s}_vi", f"{s}_ir") for s in scenes]
    assert alone == []
    deep = {f"{n}{kind}": f"set{n}/{kind}/07.jpg" for n in (1, 2) for kind in ("lwir", "visible")}
    assert sorted(pair[:2] for pair in names.paired(deep)[0]) == [
        ("1visible", "1lwir"),
        ("2visible", "2lwir"),
    ]


def test_files_without_a_partner_are_listed():
    given = {"a": "1_vis.png", "b": "1_ir.png", "c": "2_vis.png", "d": "notes.png"}
    found, alone = names.paired(given)
    assert [pair[:2] for pair in found] == [("a", "b")]
    assert alone == ["2_vis.png", "notes.png"]


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.text(max_size=12), max_size=8))
def test_any_names_are_paired_or_alone(given):
    found, alone = names.paired(given)
    used = [key for one, two, _ in found for key in (one, two)]
    assert len(used) == len({*used})
    assert len(used) + len(alone) == len(given)


def test_names_of_many_scenes_are_no_pairs():
    words = {f"f{i}": f"{chr(97 + i // 26)}{chr(97 + i % 26)}x.png" for i in range(600)}
    assert names.paired(words)[0] == []
    found, alone = names.paired(
        {
            f"{word}{side}": f"{name[:-4]}_{side}.png"
            for word, name in words.items()
            for side in "kz"
        }
    )
    assert len(found) == 600
    assert alone == []
