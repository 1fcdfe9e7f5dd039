import json
import math

import numpy as np
import pytest
from made_up_cameras import random_scene, scene, seen, transform
from matplotlib import colormaps

from fnet_jax import images
from fnet_jax.checking.check import as_json, check, counts, displaced
from fnet_jax.pairs.match import Pair

SIZE = (240, 320)


@pytest.fixture
def pair(tmp_path):
    """Writes a pair; returns its files."""

    def write(name, one, two, split=""):
        for side, image in (("vi", one), ("ir", two)):
            folder = tmp_path / split / side
            folder.mkdir(parents=True, exist_ok=True)
            images.write(folder / f"{name}.png", image)
        return split, Pair(tmp_path / split / f"vi/{name}.png", tmp_path / split / f"ir/{name}.png")

    return write


def kinds(found):
    return {each.name: [finding.kind for finding in each.findings] for each in found}


def test_each_kind_is_found_and_sound_pairs_are_left_alone(pair):
    visible, infrared = scene(1)
    pairs = [
        pair("a", visible, infrared),
        pair("b", scene(2)[0], seen(scene(2)[1], transform(0, 1, 6, 0, size=SIZE))),
        pair("c", scene(3)[0], np.full(SIZE, 80, np.uint8)),
        pair("d", scene(4)[1], scene(4)[0]),
        pair("e", scene(5)[0], np.uint8(255 * colormaps["inferno"](scene(5)[1])[..., :3])),
        pair("f", random_scene(*SIZE, seed=1)[0], random_scene(*SIZE, seed=1)[1][:200]),
        pair("g", visible, infrared),
    ]
    told = []
    found = check(pairs, report=told.append)
    assert kinds(found) == {
        "a": [], "b": ["frame", "displaced"], "c": ["empty"], "d": ["swapped"], "e": ["palette"],
        "f": ["sizes"], "g": ["duplicate"],
    }  # fmt: skip
    assert found[1].displacement == pytest.approx(6, abs=1)
    assert math.isnan(found[2].displacement)
    assert found[6].findings[0].other == "a"
    assert counts(found)["displaced"] == 1
    known, far, median = displaced(found)
    assert known >= 4
    assert far == 1
    assert median == pytest.approx(6, abs=1)
    assert not told


def test_the_same_pair_in_two_splits_is_a_leak(pair):
    pairs = [pair("1", *scene(1), "train"), pair("2", *scene(2), "train")]
    pairs.append(pair("9", *scene(1), "test"))
    found = check(pairs, report=print)
    assert kinds(found) == {"1": [], "2": [], "9": ["leak"]}
    assert found[2].findings[0].text == "the same as 1 in train"


def test_bad_files_are_findings_and_the_others_are_checked(pair, tmp_path):
    pairs = [pair("1", *scene(1)), pair("2", *scene(2))]
    (tmp_path / "ir/1.png").write_bytes(b"damaged")
    found = check(pairs, report=print)
    assert kinds(found) == {"1": ["unreadable"], "2": []}
    assert "ir/1.png" in found[0].findings[0].text


def test_deep_images_are_judged_by_their_own_range(pair):
    counts_of = (7000 + 3 * scene(1)[1].astype(np.uint16)).astype(np.uint16)
    told = []
    found = check([pair("1", scene(1)[0], counts_of)], report=told.append)
    assert kinds(found) == {"1": []}
    assert len(told) == 1  # the range that was chosen


def test_what_was_found_is_json(pair):
    found = check([pair("1", scene(1)[0], np.zeros(SIZE, np.uint8))], report=print)
    (content,) = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert content["name"] == "1"
    assert content["displacement"] is None
    assert content["findings"][0]["kind"] == "empty"
    assert content["findings"][0]["side"] == "i2"
