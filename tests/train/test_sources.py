"""What a run learns from."""

import numpy as np
import pytest

from fnet_jax import images
from fnet_jax.errors import InputError
from fnet_jax.synthetic import night_street
from train.data import sets, sources
from train.data.luma import limited_luma
from train.data.sets import prepare


def find(which, tmp_path, **options):
    options = {"split": None, "data_dir": tmp_path / "sets", "crop": 16, "validation": 2} | options
    return sources.find(which, workdir=tmp_path / "runs", **options)


@pytest.fixture
def folder(tmp_path):
    """A folder of thirty pairs in I1/ and I2/."""
    for name in ("I1", "I2"):
        (tmp_path / "mine" / name).mkdir(parents=True)
    for i in range(30):
        visible, infrared = night_street(20, 24, seed=i)
        images.write(tmp_path / f"mine/I1/{i}.png", visible)
        images.write(tmp_path / f"mine/I2/{i}.png", infrared)
    return tmp_path / "mine"


def test_synthetic_scenes_where_nothing_is_prepared(tmp_path):
    found = find("auto", tmp_path)
    assert found.name == "synthetic"
    assert "drawn, not photographed" in found.title
    assert "python -m train.prepare msrs --source" in found.title
    assert len(found.train) + len(found.validation) == sources.SCENES
    pair = found.train[0]
    assert pair["I1"].shape == pair["I2"].shape == (sources.SCENE_SIDE, sources.SCENE_SIDE)
    assert pair["I1"].dtype == np.uint8
    assert found.fingerprint == find("synthetic", tmp_path).fingerprint


def test_a_prepared_set(folder, tmp_path):
    prepared = prepare("own", folder, data_dir=tmp_path / "sets", name="mine")
    found = find("mine", tmp_path, validation=3)
    assert found.fingerprint == prepared.fingerprint
    train = {pair["name"] for pair in found.train}
    held = {pair["name"] for pair in found.validation}
    assert (len(train), len(held)) == (27, 3)
    assert not train & held
    pair = found.validation[0]
    colour = images.read(folder / f"I1/{pair['name']}.png")
    np.testing.assert_array_equal(pair["I1"], limited_luma(colour))
    np.testing.assert_array_equal(pair["I2"], images.read(folder / f"I2/{pair['name']}.png"))
    assert len(find("mine", tmp_path, validation=20).validation) == 3  # a tenth at most


def test_without_pairs_kept_out_training_pairs_are_shown(folder, tmp_path):
    prepare("own", folder, data_dir=tmp_path / "sets", name="mine")
    found = find("mine", tmp_path, validation=0)
    assert len(found.train) == 30
    assert 0 < len(found.validation) <= 30


def test_a_folder_of_images_is_prepared_in_the_workdir_once(folder, tmp_path):
    first = find(str(folder), tmp_path)
    assert list((tmp_path / "runs/data").iterdir())
    (folder / "I1/0.png").unlink()  # a run keeps what it started with
    assert find(str(folder), tmp_path).fingerprint == first.fingerprint


def test_what_was_killed_while_it_was_prepared_is_prepared_again(folder, tmp_path, monkeypatch):
    def killed(*arguments, **options):
        (options["data_dir"] / ".preparing-1/half").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(sets, "prepare", killed)
    with pytest.raises(KeyboardInterrupt):
        find(str(folder), tmp_path)
    monkeypatch.undo()
    assert len(find(str(folder), tmp_path).train) > 0


def test_each_folder_of_images_is_a_set_of_its_own(folder, tmp_path):
    other = tmp_path / "other"
    folder.rename(other)
    first = find(str(other), tmp_path)
    for name in ("I1", "I2"):
        (folder / name).mkdir(parents=True)
        images.write(folder / f"{name}/1.png", np.full((20, 24), 9, np.uint8))
    assert find(str(folder), tmp_path).fingerprint != first.fingerprint


def test_a_damaged_set_is_never_replaced_by_another(folder, tmp_path):
    prepared = prepare("tno", folder, data_dir=tmp_path / "sets")
    for which in ("msrs", "tno"):
        target = prepared.folder.parent.parent / which / prepared.folder.name
        if not target.exists():
            target.parent.mkdir()
            prepared.folder.rename(target)
        (target / "dataset_info.json").write_text("{}")
        with pytest.raises(InputError, match="damaged"):
            find("auto" if which == "msrs" else which, tmp_path)
        target.rename(prepared.folder.parent / prepared.folder.name)


def test_what_was_prepared_in_the_workdir_and_is_damaged_is_named(folder, tmp_path):
    find(str(folder), tmp_path)
    (info,) = (tmp_path / "runs").rglob("dataset_info.json")
    info.write_text("{}")
    with pytest.raises(InputError, match="is damaged .* remove .* to have it prepared again"):
        find(str(folder), tmp_path)


def test_what_cannot_be_found_is_named(folder, tmp_path):
    with pytest.raises(InputError, match="train.prepare tno"):
        find("tno", tmp_path)
    with pytest.raises(InputError, match="smaller than the crops of 24; use --crop 20 or less"):
        find(str(folder), tmp_path, crop=24)
    with pytest.raises(InputError, match="--split train: synthetic scenes have no splits"):
        find("synthetic", tmp_path, split="train")
    with pytest.raises(InputError, match="has no split test"):
        find(str(folder), tmp_path, split="test")
