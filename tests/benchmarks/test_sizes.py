"""``benchmarks.sizes`` at toy size: trainings, scores, the table, and going on."""

import json

import pytest
from made_up_files import write_pair

from benchmarks.sizes import main
from fnet_jax import images
from fnet_jax.networks.fnet import FNet


@pytest.fixture
def compare(tmp_path, small_checkpoint):
    """Runs the command on two pairs of a made-up TNO; returns its status."""
    for seed, name in enumerate(("01", "02")):
        write_pair(tmp_path / "test/TNO", "vi", "ir", name, seed)

    def call(*more):
        flags = ["--data=synthetic", "--steps=2", "--batch=2", "--crop=16", "--workers=1"]
        places = [f"--out={tmp_path / 'out'}", f"--test={tmp_path / 'test'}"]
        return main([*flags, *places, f"--against={small_checkpoint}", *more])

    return call


def test_the_whole_way_and_on(compare, tmp_path, capsys):
    assert compare("--only=2,3,1") == 0
    (point,) = json.loads((tmp_path / "out/sizes.json").read_text())["points"]
    network = FNet(features=2, kernel_size=3, iterations=1)
    assert point["share"] == network.products() / FNet().products()
    run = tmp_path / "out/runs/K2-side3-N1/seed0"
    reports = []
    for state in (run / "scores/state.json", tmp_path / "out/against/state.json"):
        assert state.is_file()
        reports.append(state.stat().st_mtime_ns)
    assert point["cells"].keys() == {"tno"}
    assert images.read(tmp_path / "out/sizes.png").size
    trained = (run / "stage2/metrics.jsonl").read_text()

    assert compare("--only=2,3,1", "--only=3,3,0") == 0
    found = json.loads((tmp_path / "out/sizes.json").read_text())["points"]
    assert found[0] == point
    assert [x["setting"] for x in found] == [[2, 3, 1], [3, 3, 0]]
    assert (run / "stage2/metrics.jsonl").read_text() == trained
    rows = (tmp_path / "out/sizes.md").read_text().splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == ["| K 3, 3×3, N 0", "| K 2, 3×3, N 1"]
    assert "nothing left to do" in capsys.readouterr().out


def test_a_wrong_size_is_named(compare, capsys):
    for wrong in ("2,4,1", "2,3", "x", "0,3,1"):
        with pytest.raises(SystemExit) as stopped:
            compare(f"--only={wrong}")
        assert stopped.value.code == 2
        assert "is not K,SIDE,N such as 16,5,2" in capsys.readouterr().err
