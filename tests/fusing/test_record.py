"""A job that was stopped goes on, and nothing else is taken for its images."""

import os

import jax
import numpy as np
import pytest
from made_up_files import drawn

from fnet_jax import Fuser, images
from fnet_jax.fusing.batch import fuse_pairs
from fnet_jax.fusing.record import NAME
from fnet_jax.pairs.match import match


@pytest.fixture
def folder(tmp_path, rng):
    for name in ("vi", "ir"):
        drawn(rng, tmp_path / name, "0.png", "1.png", "2.png", size=(12, 14))
    return tmp_path


def run(folder, network, **options):
    """What was written, what was there, and what failed."""
    pairs, _ = match(folder / "vi", folder / "ir")
    there, failed = [], []
    given = {"resume": True, "finished": there.append, "report": failed.append, **options}
    written = list(fuse_pairs(Fuser(*network), pairs, folder / "out", **given))
    return [p.name for p in written], [p.name for p in there], failed


def test_what_is_finished_is_skipped(folder, small_network):
    assert run(folder, small_network) == (["0.png", "1.png", "2.png"], [], [])
    before = {path: path.stat().st_mtime_ns for path in images.find(folder / "out")}
    assert run(folder, small_network) == ([], ["0.png", "1.png", "2.png"], [])
    (folder / "out/1.png").unlink()
    assert run(folder, small_network) == (["1.png"], ["0.png", "2.png"], [])
    assert (folder / "out/0.png").stat().st_mtime_ns == before[folder / "out/0.png"]
    assert [path.name for path in images.find(folder / "out")] == ["0.png", "1.png", "2.png"]


def deep(folder):
    """Makes the infrared images 16-bit ones, to which the rules of ranges apply."""
    for path in (folder / "ir").iterdir():
        counts = 20_000 + images.read(path).astype(np.uint16)
        images.write(path, counts, overwrite=True)


def test_a_rule_of_deep_images_changes_nothing_of_others(folder, small_network):
    run(folder, small_network)
    written, there, failed = run(folder, small_network, rule="image")
    assert (written, len(there), failed) == ([], 3, [])


@pytest.mark.parametrize("change", ["weights", "color", "range", "source", "foreign"])
def test_what_was_made_otherwise_is_not_taken_for_finished(folder, rng, small_network, change):
    if change == "range":
        deep(folder)
    run(folder, small_network)
    network, params = small_network
    options = {}
    if change == "weights":
        params = jax.tree.map(lambda x: 0.9 * x, params)
    elif change == "color":
        options = {"color": "grey"}
    elif change == "range":
        options = {"rule": "image"}
    elif change == "source":
        drawn(rng, folder / "ir", "0.png", "1.png", "2.png", size=(12, 14))
    else:
        (folder / "out" / NAME).unlink()
    written, there, failed = run(folder, (network, params), **options)
    assert (written, there) == ([], [])
    assert [line.partition(" ")[2] for line in failed] == [
        "was made with other weights, options or sources; use --overwrite to replace it"
    ] * 3
    options["overwrite"] = True
    assert run(folder, (network, params), **options)[0] == ["0.png", "1.png", "2.png"]


def test_a_damaged_record_makes_images_again(folder, small_network):
    run(folder, small_network)
    path = folder / "out" / NAME
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\xff\n" + lines[0] + b"\n[]\n" + lines[2][:40])
    written, there, _ = run(folder, small_network, overwrite=True)
    assert (written, there) == (["1.png", "2.png"], ["0.png"])


def test_a_record_is_kept_where_it_is_asked_for(folder, small_network):
    pairs, _ = match(folder / "vi", folder / "ir")
    assert len(list(fuse_pairs(Fuser(*small_network), pairs, folder / "out"))) == 3
    assert NAME not in os.listdir(folder / "out")
    done = list(fuse_pairs(Fuser(*small_network), pairs, folder / "other", recorded=True))
    assert sorted(os.listdir(folder / "other")) == [NAME, *(path.name for path in done)]
