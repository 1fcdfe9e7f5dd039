import json

import numpy as np
import pytest

from fnet_jax import images
from fnet_jax.errors import InputError
from fnet_jax.pairs.public_sets import SETS
from fnet_jax.paper.protocols import PROTOCOLS, locate, paper

LIES = {  # a pair of each set as in its public home: folder, I1, I2, name
    "tno": ("TNO", "vi/01", "ir/01", "01"),
    "roadscene": ("road_scene", "crop_LR_visible/a", "cropinfrared/a", "a"),
    "cats": (
        "CATS_Release",
        "INDOOR/BOOKS/scene1/rectified/cross/right_color_default",
        "INDOOR/BOOKS/scene1/rectified/cross/left_thermal_default",
        "INDOOR_BOOKS_1_default",
    ),
    "kaist": (
        "kaist",
        "images/set00/V000/visible/I00001",
        "images/set00/V000/lwir/I00001",
        "00_000_00001",
    ),
    "rgb_nir_scene": ("nirscene1", "country/0000_rgb", "country/0000_nir", "country_0000"),
    "harvard_ct": ("MRI-CT", "CT/11", "MRI/11", "11"),
    "harvard_pet": ("MRI_PET", "PET/11", "MRI/11", "11"),
    "harvard_spect": ("SPECT-MRI", "SPECT/11", "MRI/11", "11"),
}


def lay(folder, *names):
    for name in names:
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        images.write(path, np.zeros((4, 4), np.uint8))


@pytest.fixture
def data(tmp_path):
    for folder, i1, i2, _ in LIES.values():
        lay(tmp_path / folder, i1, i2)
    return tmp_path


def test_all_eight_sets_are_found(data):
    found = locate(data)
    assert list(found) == list(PROTOCOLS) == list(LIES)
    for name, (folder, *_, pair) in LIES.items():
        assert found[name].folder == data / folder
        assert list(found[name].pairs) == [pair]
        assert found[name].pairs[pair].name == pair


def test_sets_may_lie_below_test_img_or_be_the_folder_itself(tmp_path):
    lay(tmp_path / "test_img/TNO", "vi/1", "ir/1")
    assert list(locate(tmp_path)["tno"].pairs) == ["1"]
    assert list(locate(tmp_path / "test_img/TNO")["tno"].pairs) == ["1"]
    lay(tmp_path / "TNO", "vi/2", "ir/2")
    assert list(locate(tmp_path)["tno"].pairs) == ["2"]


def test_only_what_is_asked_for(data):
    assert list(locate(data, ("harvard_ct", "tno"))) == ["tno", "harvard_ct"]


def test_problems_are_kept(data):
    lay(data / "TNO", "vi/02")
    (line,) = locate(data)["tno"].problems
    assert "vi/02.png: has no partner" in line


def test_pairs_are_spread_over_the_set(tmp_path):
    lay(tmp_path / "TNO", *(f"{kind}/{i}" for kind in ("vi", "ir") for i in range(9)), "vi/alone")
    found = locate(tmp_path)["tno"]
    assert list(found.spread(3).pairs) == ["1", "4", "7"]
    assert found.spread(100).pairs == found.pairs
    assert found.spread(1).problems == found.problems != ()
    lay(tmp_path / "alone/TNO", "vi/1", "ir/2")
    with pytest.raises(InputError, match="TNO has no pairs: .*vi/1.png: has no partner"):
        locate(tmp_path / "alone")["tno"].spread(1)


def test_nothing_found_names_the_folders(tmp_path):
    with pytest.raises(InputError, match=r"none of the sets; .* TNO, RoadScene, .*MRI_SPECT"):
        locate(tmp_path)
    with pytest.raises(InputError, match=r"nowhere cannot be read \(no such file"):
        locate(tmp_path / "nowhere")


def test_the_table_is_the_paper_s(official_folder):
    theirs = json.loads((official_folder / "paper_tables.json").read_text())
    table = paper()
    assert list(theirs["table1_params_k"]) == table["methods"]
    assert list(theirs["table1_params_k"].values()) == table["parameters (thousands)"]
    assert len(theirs["table1"]) == len(table["sets"])
    for ours, of_set in zip(table["sets"].values(), theirs["table1"].values(), strict=True):
        expected = {metric: [row[m] for m in table["methods"]] for metric, row in of_set.items()}
        assert ours == expected


def test_the_table_is_complete():
    table = paper()
    assert len(table["methods"]) == 13
    assert list(table["sets"]) == list(PROTOCOLS)
    for name, rows in table["sets"].items():
        assert list(rows) == ["MI", "CE", "VIF", "Qabf", "Qcb", "SSIM"]
        assert {len(row) for row in rows.values()} == {13}
        assert SETS[name].paper["test"] > 0
    for row in ("parameters (thousands)", "FLOPs (billions)", "runtime (seconds)"):
        assert len(table[row]) == 13
