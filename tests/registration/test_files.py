import dataclasses
import json
import math

import numpy as np
import pytest

from fnet_jax.errors import InputError
from fnet_jax.registration import Registration, files

MATRIX = np.array([[0.5, 0.01, 3], [0, 0.5, 4], [1e-5, 0, 1]])
FOUND = Registration(MATRIX, True, 0.7, 42.0, "homography", "", (240, 320), (120, 160))
REFUSED = dataclasses.replace(
    FOUND, accepted=False, expected_error=math.inf, reason="the images have nothing in common"
)


def written(folder, rig, pairs):
    """A transform file."""
    path = folder / "rig.json"
    path.write_text(files.as_text(rig, pairs), encoding="utf-8")
    return path


def test_a_rig_comes_back_as_it_was(tmp_path):
    path = written(
        tmp_path, FOUND, [{"name": "a", "i1": "vi/a.png", "i2": "ir/a.png", "evidence": 3.0}]
    )
    found = files.read(path).of("whatever", (240, 320), (120, 160))
    np.testing.assert_array_equal(found.matrix, MATRIX)
    known, there = ({**vars(each), "matrix": None} for each in (FOUND, found))
    assert there == known
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["pairs"][0]["i1"] == "vi/a.png"
    assert "fnet-jax" in content["versions"]


def test_single_pairs_are_found_by_name_and_refused_ones_are_not_used(tmp_path):
    pairs = [
        {"name": "a", "i1": "a", "i2": "b", "registration": FOUND},
        {"name": "é", "i1": "a", "i2": "b", "registration": REFUSED},
    ]
    path = written(tmp_path, None, pairs)
    found = files.read(path)
    assert found.rig is None
    assert found.of("a", (240, 320), (120, 160)).accepted
    assert found.pairs["é"].expected_error == math.inf
    with pytest.raises(InputError, match=r"rig\.json: the transform of é was refused .the images"):
        found.of("é", (240, 320), (120, 160))
    with pytest.raises(InputError, match=r"contains no transform of c; register that pair"):
        found.of("c", (240, 320), (120, 160))
    with pytest.raises(InputError, match="is for I2 of 160×120 pixels, but that of a has 161×120"):
        found.of("a", (240, 320), (120, 161))


def test_two_pairs_of_one_name_are_refused(tmp_path):
    pairs = [{"name": "a", "i1": each, "i2": each, "registration": FOUND} for each in "xy"]
    with pytest.raises(InputError, match="damaged .two pairs have the same name"):
        files.read(written(tmp_path, None, pairs))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("{" * 5000, "not JSON"),
        ("[1]", "not a transform file"),
        ('{"format": "other"}', "not a transform file"),
        ('{"format": "fnet-registration 1"}', "damaged"),
        ('{"format": "fnet-registration 1", "rig": {"matrix": [[1]]}}', "damaged"),
        ('{"format": "fnet-registration 1", "rig": null, "pairs": [{}]}', "damaged"),
        ('{"format": "fnet-registration 1", "rig": null, "pairs": 3}', "damaged"),
    ],
)
def test_what_is_no_transform_file_is_named(tmp_path, text, why):
    path = tmp_path / "rig.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=rf"rig\.json: {why}"):
        files.read(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("matrix", "x"), ("matrix", [[0, 0, 0]] * 3), ("size1", [3]), ("evidence", None)],
)
def test_a_damaged_field_is_an_error(tmp_path, field, value):
    path = written(tmp_path, FOUND, [])
    content = json.loads(path.read_text(encoding="utf-8"))
    content["rig"][field] = value
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=r"rig\.json: damaged"):
        files.read(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.json: no such file or directory"):
        files.read(tmp_path / "none.json")
