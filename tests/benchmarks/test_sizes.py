"""``benchmarks.sizes`` at toy size: trainings, scores, the table, and going on."""

import json

import command
import pytest
from made_up_files import write_pair

from benchmarks import sizes
from benchmarks.sizes import main
from fnet_jax import images
from fnet_jax.errors import InputError
from fnet_jax.networks.fnet import FNet
from train.run.watch import Diverged


@pytest.fixture
def compare(tmp_path, small_checkpoint):
    """Runs the command on two pairs of a made-up TNO; returns its status."""
    for seed, name in enumerate(("01", "02")):
        write_pair(tmp_path / "test/TNO", "vi", "ir", name, seed)

    def call(*more, scored=True):
        flags = ["--data=synthetic", "--steps=2", "--batch=2", "--crop=16"]
        places = [f"--out={tmp_path / 'out'}"]
        if scored:
            places += [f"--test={tmp_path / 'test'}", f"--against={small_checkpoint}"]
            places += ["--workers=1"]
        return main(command.flags([*flags, *places], *more))

    return call


def points(tmp_path):
    found = json.loads((tmp_path / "out/sizes.json").read_text())["points"]
    return {tuple(point["setting"]): point for point in found}


@pytest.mark.slow  # it trains small networks
def test_the_whole_way_and_on(compare, tmp_path, capsys):
    assert compare("--only=2,3,0") == 0
    (point,) = points(tmp_path).values()
    network = FNet(features=2, kernel_size=3, iterations=0)
    assert point["share"] == network.products() / FNet().products()
    assert point["cells"].keys() == {"tno"}
    run = tmp_path / "out/runs/K2-side3-N0/seed0"
    kept = [run / "stage2/metrics.jsonl", *tmp_path.glob("out/*/TNO*/*.png"), *run.rglob("*.png")]
    before = [path.stat().st_mtime_ns for path in kept]
    assert images.read(tmp_path / "out/sizes.png").size

    assert compare("--only=3,3,0") == 0  # is added
    assert "nothing left to do" not in capsys.readouterr().out
    assert list(points(tmp_path)) == [(2, 3, 0), (3, 3, 0)]
    assert points(tmp_path)[2, 3, 0] == point
    rows = (tmp_path / "out/sizes.md").read_text().splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == ["| K 2, 3×3, N 0", "| K 3, 3×3, N 0"]
    assert compare("--only=2,3,0") == 0
    assert "nothing left to do" in capsys.readouterr().out
    assert [path.stat().st_mtime_ns for path in kept] == before
    assert len(points(tmp_path)) == 2

    assert compare("--only=2,3,0", scored=False) == 0  # keeps what was scored
    assert points(tmp_path)[2, 3, 0] == point
    assert compare("--only=2,3,0", "--steps=3") == 1
    assert "has sizes of another budget; use another --out" in capsys.readouterr().err


def test_a_training_that_diverges_does_not_end_the_others(compare, tmp_path, monkeypatch, capsys):
    train = sizes.run_stage

    def diverges(stage, config):
        if config.features == 2:
            raise Diverged("step 1 gave loss nan")
        return train(stage, config)

    monkeypatch.setattr(sizes, "run_stage", diverges)
    assert compare("--only=2,3,0", "--only=3,3,0", scored=False) == 1
    assert "K2-side3-N0/seed0: step 1 gave loss nan" in capsys.readouterr().err
    found = points(tmp_path)
    assert found[2, 3, 0]["validation_loss"] is None
    assert found[3, 3, 0]["validation_loss"] > 0
    rows = (tmp_path / "out/sizes.md").read_text().splitlines()
    assert rows[2].endswith("| – |")


def test_a_wrong_size_is_named(compare, capsys):
    for wrong in ("2,4,1", "2,3", "x", "0,3,1"):
        with pytest.raises(SystemExit) as stopped:
            compare(f"--only={wrong}")
        assert stopped.value.code == 2
        assert "is not K,SIDE,N such as 16,5,2" in capsys.readouterr().err


@pytest.mark.slow  # it trains small networks
def test_a_mean_without_a_ratio_keeps_the_loss(compare, tmp_path, monkeypatch, capsys):
    def none(ours, theirs):
        raise ValueError("tno: the mean CE is inf, so it has no ratio")

    monkeypatch.setattr(sizes.weights, "ratios", none)
    assert compare("--only=2,3,0") == 1
    assert "K2-side3-N0/seed0: tno: the mean CE is inf" in capsys.readouterr().err
    assert points(tmp_path)[2, 3, 0]["validation_loss"] > 0


def test_what_cannot_be_used_ends_the_command(compare, monkeypatch, capsys):
    """It would end every other size too."""

    def refuses(stage, config):
        raise InputError("data: cannot be used; mend it")

    monkeypatch.setattr(sizes, "run_stage", refuses)
    assert compare("--only=2,3,0", "--only=3,3,0", scored=False) == 1
    said = capsys.readouterr().err
    assert said.count("data: cannot be used") == 1
    assert "2 of 2" not in said
