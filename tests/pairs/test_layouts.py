"""Layouts of public downloads and their kind, as ``train.prepare own`` finds them."""

import os

import pytest

from fnet_jax.errors import InputError
from fnet_jax.pairs.patterns import Patterns
from fnet_jax.pairs.public_sets import SETS, find, guess


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found_in(folder, **options):
    found = find(folder, SETS["own"], **options)
    assert found.problems == []
    return {
        (split, name, str(pair.i1.relative_to(folder)), str(pair.i2.relative_to(folder)))
        for split, pairs in found.pairs.items()
        for name, pair in pairs.items()
    }


@pytest.mark.parametrize(
    "folders",
    ["Vis Ir", "visible infrared", "Visible Infrared", "VI IR", "vis ir", "VIS NIR", "rgb thermal",
     "RGB T", "visible lwir", "color TIR", "CT MRI", "ct mri", "PET MRI", "SPECT MRI", "I1 I2",
     "i1 i2", "A B", "v i", "co ir", "rgb nir", "img imgr"],
)  # fmt: skip
@pytest.mark.parametrize(
    "form", ["{}", "{}/train", "Train/{}", "{}/TEST", "val/{}", "night/{}", "a/test/{}"]
)
def test_folders_of_two_modalities(tmp_path, folders, form):
    i1, i2 = map(form.format, folders.split())
    touch(tmp_path, f"{i1}/1.png", f"{i2}/1.jpg", "readme.txt", "labels/1.png", "test.png")
    split = {"{}/TEST": "test", "val/{}": "val", "a/test/{}": "test"}.get(form, "train")
    name = {"night/{}": "night_1", "a/test/{}": "a_1"}.get(form, "1")
    assert found_in(tmp_path) == {(split, name, f"{i1}/1.png", f"{i2}/1.jpg")}
    assert guess(tmp_path) in ("own", "msrs")


def test_splits_of_a_download(tmp_path):
    for split in ("train", "test"):
        touch(tmp_path, f"infrared/{split}/{split}1.jpg", f"visible/{split}/{split}1.jpg")
    assert {found[:2] for found in found_in(tmp_path)} == {("train", "train1"), ("test", "test1")}


def test_what_lies_beside_the_images_is_left_out(tmp_path):
    names = ("Visible", "Infrared", "Label", "color")  # of FMB; the last are labels in colors
    touch(tmp_path, *(f"train/{name}/1.png" for name in names))
    assert found_in(tmp_path) == {("train", "1", "train/Visible/1.png", "train/Infrared/1.png")}


def test_layouts_of_all_sets_are_ones_own_too(tmp_path):
    touch(tmp_path, "crop_LR_visible/1.jpg", "cropinfrared/1.jpg")
    assert {found[:2] for found in found_in(tmp_path)} == {("train", "1")}


def test_patterns_in_folders_and_in_one(tmp_path):
    patterns = Patterns.of("{}_co.png", "{}_ir.png")
    for number, form in enumerate(["", "Test/", "tiles/", "rgb/:ir/", "Visible/:Infrared/"]):
        folder = tmp_path / str(number)
        i1, _, i2 = form.partition(":")
        touch(folder, f"{i1}1_co.png", f"{i2 or i1}1_ir.png", f"{i1}x.png")
        split = "test" if form == "Test/" else "train"
        name = "tiles_1" if form == "tiles/" else "1"
        assert found_in(folder, patterns=patterns) == {
            (split, name, f"{i1}1_co.png", f"{i2 or i1}1_ir.png")
        }
    with pytest.raises(InputError, match="has no image files .* check --pattern"):
        find(tmp_path / "0", SETS["own"], patterns=Patterns.of("{}_a.png", "{}_b.png"))


def test_a_missing_partner_is_expected_where_the_others_are(tmp_path):
    touch(tmp_path, "Train/Visible/1.png", "Train/Visible/2.png", "Train/Infrared/1.png")
    found = find(tmp_path, SETS["own"])
    assert found.problems == [
        f"{tmp_path}/Train/Visible/2.png: has no partner 2.* in {tmp_path}/Train/Infrared; "
        f"add or rename it"
    ]
    assert found.left_out == 1


def test_two_folders_of_one_modality_are_told(tmp_path):
    touch(tmp_path, "vis/1.png", "rgb/1.png", "ir/1.png")
    found = find(tmp_path, SETS["own"])
    assert found.pairs == {}
    assert len(found.problems) == found.left_out == 1
    assert f"{tmp_path}/rgb/1.png, {tmp_path}/vis/1.png, {tmp_path}/ir/1.png" in found.problems[0]


def test_what_is_no_image_is_told(tmp_path):
    touch(tmp_path, *(f"{side}/{i}.png" for side in ("vi", "ir") for i in range(3)))
    (tmp_path / "ir/1.png").unlink()
    os.mkfifo(tmp_path / "ir/1.png")
    (tmp_path / "vi/2.png").unlink()
    (tmp_path / "vi/2.png").symlink_to("../ir/2.png")
    found = find(tmp_path, SETS["own"])
    assert list(found.pairs["train"]) == ["0"]
    assert found.left_out == len(found.problems) == 2


def test_a_folder_that_is_closed_is_told_once_and_the_rest_found(tmp_path, monkeypatch):
    touch(tmp_path, "train/vi/1.png", "train/ir/1.png", "test/vi/1.png", "test/ir/1.png")
    scandir = os.scandir

    def closed(path):
        if str(path).endswith("test/ir"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    found = find(tmp_path, SETS["own"])
    assert list(found.pairs) == ["train"]
    assert found.problems[0] == (
        f"{tmp_path}/test/ir: cannot be read (permission denied); check its permissions"
    )
    (tmp_path / "train/ir/1.png").unlink()
    with pytest.raises(InputError, match="test/ir: cannot be read"):
        find(tmp_path, SETS["own"])
