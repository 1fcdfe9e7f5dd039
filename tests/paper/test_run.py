"""A benchmark's run: what is fused and scored, what is kept, and what is done again."""

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
from fnet_jax.paper.table1 import report

MADE_WITH = {"weights": "w", "versions": {"jax": "1", "scipy": "1"}, "devices": "cpu:0"}


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

    def progress(items, /, *, total, desc):
        if desc.startswith("scoring"):
            scored.append(total)
        return items

    monkeypatch.setattr(Fuser, "fuse", counted)

    def go(made_with=MADE_WITH):
        for told in (fused, scored, said):
            told.clear()
        run = Run.resumed(tmp_path / "out", made_with, note=said.append)
        about = {"workers": 1, "report": said.append, "note": said.append, "progress": progress}
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


def without_values(run, _):
    del run.pairs["tno"]["b"]["values"]


def without_checksum(run, _):
    del run.pairs["tno"]["b"]["fused"]


REPLACED = ["tno: replacing 1 fused image without a valid record"]


@pytest.mark.parametrize(
    ("change", "fused_again", "expected"),
    [
        (lambda _, root: other_image(root / "data/TNO/vi/b.png"), 1, REPLACED),
        (lambda _, root: other_image(root / "data/TNO/ir/b.png"), 1, REPLACED),
        (lambda _, root: other_image(root / "out/fused/tno/b.png"), 1, REPLACED),
        (lambda _, root: (root / "out/fused/tno/b.png").unlink(), 1, []),
        (without_checksum, 1, REPLACED),
        (without_values, 0, []),
    ],
    ids=["i1", "i2", "fused altered", "fused removed", "fused unknown", "values unknown"],
)
def test_only_what_changed_is_done_again(work, tmp_path, change, fused_again, expected):
    first, *_ = work()
    run = Run.resumed(tmp_path / "out", MADE_WITH)
    change(run, tmp_path)
    run.save()
    again, fused, scored, said = work()
    assert (len(fused), scored, said) == (fused_again, 1, expected)
    if fused:
        luma = images.read(tmp_path / "data/TNO/vi/b.png", grey=True)
        np.testing.assert_array_equal(fused[0], luma)
    for name in "ac":
        assert again.pairs["tno"][name] == first.pairs["tno"][name]
    assert set(again.pairs["tno"]["b"]) == {"ranges", "i1", "i2", "fused", "values"}
    assert again.pairs["harvard_ct"] == first.pairs["harvard_ct"]
    _, fused, scored, _ = work()
    assert (len(fused), scored) == (0, 0)


def test_other_versions_do_again_what_depends_on_them(work):
    work()
    for package, fused_again, expected in (
        ("python", 0, []),
        ("scipy", 0, ["out: computing the scores again: scipy was 1, is 2"]),
        ("jax", 4, ["out: computing the fused images and their scores again: jax was 1, is 2"]),
    ):
        versions = MADE_WITH["versions"] | {package: "2"}
        _, fused, scored, said = work(MADE_WITH | {"versions": versions})
        first = [line.rpartition("/")[2] for line in said if "computing" in line]
        assert (len(fused), scored, first) == (fused_again, 4 if expected else 0, expected)
        work()


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
    kept = set(Run.resumed(tmp_path / "out", MADE_WITH).pairs["tno"])
    assert {"a"} <= kept <= {"a", "b"}  # the second may still have been on its way to the disk
    run, fused, scored, _ = work()
    assert (len(fused), scored) == (4 - len(kept), 4)
    assert set(run.pairs["tno"]) == {"a", "b", "c"}


def test_deep_images_of_a_set_share_a_range(fuser, tmp_path, rng):
    """Also when only one of them is fused, and again when another range is asked for."""
    for i, low in enumerate((6743, 6900)):
        for side, image in (
            ("vi", rng.integers(0, 256, (40, 48), np.uint8)),
            ("ir", rng.integers(low, low + 100, (40, 48)).astype(np.uint16)),
        ):
            (tmp_path / "TNO" / side).mkdir(parents=True, exist_ok=True)
            images.write(tmp_path / f"TNO/{side}/{i}.png", image)
    said, about = [], {"workers": 1, "report": pytest.fail}

    def fused(name):
        return (tmp_path / f"out/fused/tno/{name}.png").read_bytes()

    def go(rule=None):
        run = Run.resumed(tmp_path / "out", MADE_WITH)
        run_sets(run, fuser, locate(tmp_path), rule=rule, warn=said.append, **about)
        return run

    run = go()
    assert "fills a small part" in said[0]
    ranges = [str(rule) for rule in run.rules["tno"]]
    assert ranges[0] == "type"
    assert report(run, locate(tmp_path), {})["sets"]["tno"]["ranges"] == ranges
    before = fused("1")
    (tmp_path / "out/fused/tno/1.png").unlink()
    go()
    assert fused("1") == before
    go("type")
    assert fused("1") != before
    go()
    assert fused("1") == before


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
