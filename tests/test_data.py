"""Batches: what they hold, and that each depends on the seed and its number alone."""

import numpy as np
import pytest

from fnet_jax import images
from fnet_jax.errors import InputError
from fnet_jax.synthetic import night_street
from train import data
from train.datasets import prepare


class Coded:
    """Pairs whose pixels tell where they come from: I1 tells the row, I2 the column."""

    def __len__(self):
        return 7

    def __getitem__(self, index):
        y, x = np.mgrid[:40, :50].astype(np.uint8)
        return {"I1": y, "I2": x, "name": f"pair {index}"}


def take(count, **options):
    options = {"batch": 4, "crop": 8, "seed": 1} | options
    iterator = data.batches(Coded(), **options)
    return [next(iterator) for _ in range(count)]


def same(one, other):
    for a, b in zip(one, other, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def test_crops_of_a_pair_come_from_one_place_and_are_flipped_alike():
    seen = set()
    for batch in take(20):
        assert batch["I1"].shape == batch["I2"].shape == (4, 8, 8, 1)
        assert batch["I1"].dtype == np.float32
        for rows, columns in zip(batch["I1"][..., 0] * 255, batch["I2"][..., 0] * 255, strict=True):
            down, right = np.sign(rows[1, 0] - rows[0, 0]), np.sign(columns[0, 1] - columns[0, 0])
            expected = rows[0, 0] + down * np.arange(8)[:, None]
            np.testing.assert_allclose(rows, np.tile(expected, 8), atol=1e-4)
            expected = columns[0, 0] + right * np.arange(8)
            np.testing.assert_allclose(columns, np.tile(expected, (8, 1)), atol=1e-4)
            seen.add((down, right))
    assert seen == {(1, 1), (1, -1), (-1, 1), (-1, -1)}


def test_every_pair_comes_once_before_any_comes_again():
    indices = np.concatenate([batch["index"] for batch in take(14)])  # 8 rounds of 7
    rounds = indices.reshape(8, 7)
    assert (np.sort(rounds, axis=1) == np.arange(7)).all()
    assert any((rounds[0] != other).any() for other in rounds[1:])


def test_the_seed_decides():
    same(take(5), take(5))
    one, other = take(1), take(1, seed=2)
    assert (one[0]["I1"] != other[0]["I1"]).any()


def test_a_batch_depends_on_its_number_not_on_where_one_starts():
    same(take(9)[6:], take(3, start=6))


def test_a_batch_is_the_same_for_any_number_of_processes():
    whole = take(9)
    parts = [take(9, process=p, processes=2) for p in (0, 1)]
    for t, batch in enumerate(whole):
        for name in batch:
            together = np.stack([parts[p][t][name] for p in (0, 1)], axis=1)
            np.testing.assert_array_equal(together.reshape(batch[name].shape), batch[name])


def test_a_batch_is_the_same_with_worker_processes():
    same(take(4), take(4, workers=2))


def test_the_state_of_an_iterator_is_its_place():
    iterator = data.batches(Coded(), batch=4, crop=8, seed=1)
    for _ in range(3):
        next(iterator)
    state = iterator.get_state()
    after = [next(iterator) for _ in range(3)]
    other = data.batches(Coded(), batch=4, crop=8, seed=1)
    other.set_state(state)
    same(after, [next(other) for _ in range(3)])


def test_luma_is_that_of_limited_range():
    colours = np.uint8([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [10, 200, 90]]])
    expected = [16, 235, round(16 + 65.481), round(16 + (654.81 + 25710.6 + 2246.94) / 255)]
    np.testing.assert_array_equal(data.limited_luma(colours), [expected])


def find(which, tmp_path, **options):
    options = {"split": None, "data_dir": tmp_path / "sets", "crop": 16, "validation": 2} | options
    return data.find(which, workdir=tmp_path / "runs", **options)


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
    assert len(found.train) + len(found.validation) == data.SCENES
    pair = found.train[0]
    assert pair["I1"].shape == pair["I2"].shape == (data.SCENE_SIDE, data.SCENE_SIDE)
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
    np.testing.assert_array_equal(pair["I1"], data.limited_luma(colour))
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
    with pytest.raises(InputError, match="remove it, and it is prepared anew"):
        find(str(folder), tmp_path)


def test_what_cannot_be_found_is_named(folder, tmp_path):
    with pytest.raises(InputError, match="train.prepare tno"):
        find("tno", tmp_path)
    with pytest.raises(InputError, match="smaller than the crops of 24; give --crop 20 or less"):
        find(str(folder), tmp_path, crop=24)
    with pytest.raises(InputError, match="--split train: synthetic scenes have no splits"):
        find("synthetic", tmp_path, split="train")
    with pytest.raises(InputError, match="has no split test"):
        find(str(folder), tmp_path, split="test")
