"""A benchmark's run: what is fused and scored, what is kept, and what is done again."""

import json

import numpy as np
import pytest
from made_up_files import write_pair

from fnet_jax import images
from fnet_jax.errors import InputError
from fnet_jax.fusing.fuser import Fuser
from fnet_jax.metrics import evaluate
from fnet_jax.paper import costs
from fnet_jax.paper.protocols import locate
from fnet_jax.paper.run import Run, run_sets

MADE_WITH = {"weights": "w", "versions": {"jax": "1"}, "devices": "cpu:0"}


@pytest.fixture(scope="module")
def fuser(small_network):
    return Fuser(*small_network)


@pytest.fixture
def data(tmp_path):
    """Three pairs of TNO, 48 high and 50 wide; one of CT."""
    for seed, name in enumerate("abc"):
        write_pair(tmp_path / "data/TNO", "vi", "ir", name, seed)
    write_pair(tmp_path / "data/MRI_CT", "CT", "MRI", "11", 3)
    return tmp_path / "data"


@pytest.fixture
def work(data, fuser, tmp_path, monkeypatch):
    """Goes on with the run in ``out``; returns it, and what was fused, scored and reported."""
    fused, scored, said = [], [], []
    fuse = Fuser.fuse

    def counted(self, i1, i2, **how):
        fused.append(i1)
        return fuse(self, i1, i2, **how)

    def progress(items, *, total, desc):
        if desc.startswith("scoring"):
            scored.append(total)
        return items

    monkeypatch.setattr(Fuser, "fuse", counted)

    def go(made_with=MADE_WITH):
        for told in (fused, scored, said):
            told.clear()
        run = Run.resumed(tmp_path / "out", made_with)
        about = {"workers": 1, "report": said.append, "progress": progress}
        run_sets(run, fuser, locate(data), **about)
        return run, fused, sum(scored), said

    return go


def test_fused_images_and_values_are_those_of_the_library(work, fuser, data, tmp_path):
    run, _, _, said = work()
    assert not said
    i1, i2 = (images.read(data / f"TNO/{side}/a.png") for side in ("vi", "ir"))
    fused = images.read(tmp_path / "out/fused/tno/a.png")
    np.testing.assert_array_equal(fused, fuser.fuse(i1, i2, color="grey"))
    assert run.pairs["tno"]["a"]["values"] == evaluate(i1, i2, fused, profile="paper")
    i1, i2 = (images.read(data / f"MRI_CT/{side}/11.png") for side in ("CT", "MRI"))
    fused = images.read(tmp_path / "out/fused/harvard_ct/11.png")
    assert fused.shape == (48, 50, 3)
    np.testing.assert_array_equal(fused, fuser.fuse(i1, i2, color="limited"))
    assert run.pairs["harvard_ct"]["11"]["values"] == evaluate(i1, i2, fused, profile="paper")


def test_a_run_is_kept_and_nothing_is_done_twice(work, tmp_path):
    first, fused, scored, _ = work()
    assert (len(fused), scored) == (4, 4)
    files = sorted((tmp_path / "out/fused").rglob("*.png"))
    times = [path.stat().st_mtime_ns for path in files]
    again, fused, scored, _ = work()
    assert (len(fused), scored) == (0, 0)
    assert again.pairs == first.pairs
    assert [path.stat().st_mtime_ns for path in files] == times
    assert len(files) == 4


def other_image(path):
    images.write(path, images.read(path)[::-1], overwrite=True)


def without_values(state, _):
    del state["pairs"]["tno"]["b"]["values"]


def without_checksum(state, _):
    del state["pairs"]["tno"]["b"]["fused"]


@pytest.mark.parametrize(
    ("change", "fused_again"),
    [
        (lambda _, root: other_image(root / "data/TNO/vi/b.png"), 1),
        (lambda _, root: other_image(root / "data/TNO/ir/b.png"), 1),
        (lambda _, root: other_image(root / "out/fused/tno/b.png"), 1),
        (lambda _, root: (root / "out/fused/tno/b.png").unlink(), 1),
        (without_checksum, 1),
        (without_values, 0),
    ],
    ids=["i1", "i2", "fused altered", "fused removed", "fused unknown", "values unknown"],
)
def test_only_what_changed_is_done_again(work, tmp_path, change, fused_again):
    first, *_ = work()
    state = json.loads((tmp_path / "out/state.json").read_text())
    change(state, tmp_path)
    (tmp_path / "out/state.json").write_text(json.dumps(state))
    again, fused, scored, said = work()
    assert (len(fused), scored, said) == (fused_again, 1, [])
    if fused:
        luma = images.read(tmp_path / "data/TNO/vi/b.png", grey=True)
        np.testing.assert_array_equal(fused[0], luma)
    for name in "ac":
        assert again.pairs["tno"][name] == first.pairs["tno"][name]
    assert set(again.pairs["tno"]["b"]) == {"i1", "i2", "fused", "values"}
    assert again.pairs["harvard_ct"] == first.pairs["harvard_ct"]
    _, fused, scored, _ = work()
    assert (len(fused), scored) == (0, 0)


def test_pairs_come_and_go(work, data):
    before, *_ = work()
    for side in ("vi", "ir"):
        (data / f"TNO/{side}/a.png").unlink()
    write_pair(data / "TNO", "vi", "ir", "d", 7)
    run, fused, scored, _ = work()
    assert set(run.pairs["tno"]) == {"b", "c", "d"}
    assert (len(fused), scored) == (1, 1)
    assert run.pairs["tno"]["b"] == before.pairs["tno"]["b"]


def test_a_set_that_is_not_asked_for_now_is_kept(work, fuser, data, tmp_path):
    work()
    run = Run.resumed(tmp_path / "out", MADE_WITH)
    run_sets(run, fuser, locate(data, ("tno",)), workers=1, report=print)
    run.save()
    _, fused, scored, _ = work()
    assert (len(fused), scored) == (0, 0)


def test_a_pair_that_fails_stops_no_other_and_is_done_once_it_is_mended(work, data):
    good = (data / "TNO/ir/b.png").read_bytes()
    (data / "TNO/ir/b.png").write_bytes(good[:50])
    write_pair(data / "TNO", "vi", "ir", "alone", 7)
    (data / "TNO/ir/alone.png").unlink()
    run, fused, scored, said = work()
    assert set(run.pairs["tno"]) == {"a", "c"}
    assert (len(fused), scored) == (3, 3)
    assert [line for line in said if "TNO/ir/b.png: " in line] != []
    assert [line for line in said if "TNO/vi/alone.png: has no partner" in line] != []
    assert len(said) == 2
    (data / "TNO/ir/b.png").write_bytes(good)
    run, fused, scored, said = work()
    assert set(run.pairs["tno"]) == {"a", "b", "c"}
    assert (len(fused), scored, len(said)) == (1, 1, 1)


def test_an_interruption_keeps_what_was_fused(work, tmp_path, monkeypatch):
    counted, calls = Fuser.fuse, []

    def stopped(self, i1, i2, **how):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return counted(self, i1, i2, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Fuser, "fuse", stopped)
        with pytest.raises(KeyboardInterrupt):
            work()
    assert set(Run.resumed(tmp_path / "out", MADE_WITH).pairs["tno"]) == {"a", "b"}
    run, fused, scored, _ = work()
    assert (len(fused), scored) == (2, 4)
    assert set(run.pairs["tno"]) == {"a", "b", "c"}


def test_pairs_of_one_file_name_do_not_collide(fuser, tmp_path):
    for seed, place in enumerate(["set00/V000", "set00/V001", "set01/V000"]):
        write_pair(tmp_path / "KAIST/images" / place, "visible", "lwir", "I00001", seed)
    run = Run(tmp_path / "out", MADE_WITH)
    run_sets(run, fuser, locate(tmp_path), workers=1, report=pytest.fail)
    names = ["00_000_00001", "00_001_00001", "01_000_00001"]
    assert sorted(run.pairs["kaist"]) == names
    assert sorted(path.stem for path in (tmp_path / "out/fused/kaist").iterdir()) == names
    for which in ("i1", "i2", "fused"):
        assert len({record[which] for record in run.pairs["kaist"].values()}) == 3
    assert len({record["values"]["MI"] for record in run.pairs["kaist"].values()}) == 3


def test_a_new_run_is_empty_and_writes_nothing(tmp_path):
    run = Run.resumed(tmp_path / "out", MADE_WITH)
    assert (run.pairs, run.costs, run.made_with) == ({}, {}, MADE_WITH)
    assert not (tmp_path / "out").exists()


def kept(folder):
    run = Run(folder, MADE_WITH, {"tno": {"a": {"values": {"MI": 1.0}}}}, {"side": 320})
    run.save()
    return run


def test_the_same_run_goes_on(tmp_path):
    assert Run.resumed(tmp_path, MADE_WITH) != kept(tmp_path)
    assert Run.resumed(tmp_path, MADE_WITH) == kept(tmp_path)


@pytest.mark.parametrize(
    "other", [{"versions": {"jax": "2"}}, {"devices": "gpu:0"}, {"profile": {"MI": {}}}]
)
def test_what_was_made_otherwise_is_made_anew(tmp_path, other):
    kept(tmp_path)
    run = Run.resumed(tmp_path, MADE_WITH | other)
    assert (run.pairs, run.costs) == ({}, {})
    assert run.made_with == MADE_WITH | other


def test_other_weights_are_refused(tmp_path):
    kept(tmp_path)
    before = (tmp_path / "state.json").read_bytes()
    with pytest.raises(InputError, match=f"{tmp_path}: holds the benchmark of other weights; give"):
        Run.resumed(tmp_path, MADE_WITH | {"weights": "v"})
    assert (tmp_path / "state.json").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{", b"3", b'{"made_with": {}}', None])
def test_a_state_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "state.json"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError) as told:
        Run.resumed(tmp_path, MADE_WITH)
    assert str(told.value).startswith(f"{path}: cannot be used (")
    assert "\n" not in str(told.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(InputError, match=r"taken/state\.json: cannot be written .* another --out"):
        Run(tmp_path / "taken", MADE_WITH).save()


def test_costs_are_measured_once(tmp_path, monkeypatch):
    calls = []
    fake = costs.Costs(320, 7, 1e9, 1e9, 0.5, 1.0, 10**8, "a device")
    monkeypatch.setattr(costs, "measure", lambda ckpt: calls.append(ckpt) or fake)
    for _ in range(2):
        run = Run.resumed(tmp_path, MADE_WITH)
        run.measure(tmp_path / "ckpt")
        assert run.costs == fake.described()
    assert calls == [tmp_path / "ckpt"]
