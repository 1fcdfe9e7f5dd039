"""``benchmarks.behaviour``: what the paper's claims can be held against."""

import json

import command
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from benchmarks.behaviour import detail, figures, schedule, table
from fnet_jax import Fuser, images
from fnet_jax.explain.explanation import explain
from fnet_jax.synthetic import night_street


@pytest.fixture(scope="module")
def explained(small_network):
    fuser = Fuser(*small_network)
    return fuser, explain(fuser, *night_street(24, 28))


def test_figures_are_those_of_the_explanation(explained):
    fuser, explanation = explained
    rows = figures(explanation)
    for code, block in explanation.blocks.items():
        assert rows["nulls added by the last threshold, %"][code] == block.null_increase[-1]
        np.testing.assert_array_equal(
            rows["features per pixel that are not null"][code], block.nonzeros
        )
        energy = 100 * block.use.energy[block.use.order[0]]
        assert rows["energy in the strongest feature, %"][code] == pytest.approx(energy)
        correlation = np.corrcoef(block.energy.ravel(), explanation.images["I2"].ravel())[0, 1]
        found = rows["correlation of the energy with I2"][code]
        assert found == pytest.approx(correlation, abs=1e-6)  # of float32 images
    assert rows["correlation of the energy with that of u1"]["u1"] is None
    theta = schedule(explanation, fuser)["θᵏ"]["c"]
    assert schedule(explanation, fuser)["lost by large values, αθᴺ"]["c"] == 0.1 * theta[-1]
    gate = 1 / (1 + np.exp(100 * theta[-1]))
    assert schedule(explanation, fuser)["factor at 0, σ(−γθᴺ)"]["c"] == pytest.approx(gate)


def test_shares_of_detail(rng):
    noise = rng.normal(size=(40, 40)).astype(np.float32)
    smooth = gaussian_filter(noise, 12)
    parts = {"If_u1": noise, "If_u2": -noise, "If_c": smooth}
    shares = detail(parts)
    assert sum(shares.values()) == pytest.approx(100)
    assert shares["u1"] == pytest.approx(shares["u2"])  # what is taken away counts as well
    assert shares["c"] < 1
    black = dict.fromkeys(parts, np.zeros((4, 4), np.float32))
    assert detail(black) == {"u1": None, "u2": None, "c": None}


def test_a_table_has_means_and_ends():
    of_pairs = [
        {"one": dict.fromkeys(("u1", "u2", "c"), x), "all k": dict.fromkeys(("u1", "u2", "c"), y)}
        for x, y in ((1.0, [1.0, None]), (3.0, [2.0, 5.0]), (None, [3.0, None]))
    ]
    lines = table(of_pairs).splitlines()
    assert lines[2].startswith("| one | 2 (1 to 3) |")
    assert lines[3].startswith("| all k | 2, 5 |")
    nothing = table([{"one": dict.fromkeys(("u1", "u2", "c"))}])
    assert nothing.splitlines()[2] == "| one | – | – | – |"


@pytest.mark.slow  # it explains images with the whole network
def test_the_command(small_checkpoint, tmp_path):
    for i in range(3):
        for kind, image in zip(("vi", "ir"), night_street(20, 24, seed=i), strict=True):
            path = tmp_path / "data/TNO" / kind / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            images.write(path, image)
    flags = ("--data", "data", "--ckpt", small_checkpoint, "--pairs", 2, "--json", "found.json")
    done = command.run("benchmarks.behaviour", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "TNO, 2 pairs, grey:" in done.stdout
    assert done.stdout.count("θᵏ") == 1
    found = json.loads((tmp_path / "found.json").read_text())
    assert list(found["tno"]) == ["0", "2"]
    (tmp_path / "file").touch()
    bad = command.run("benchmarks.behaviour", *flags[:-1], "file/found.json", cwd=tmp_path)
    assert (bad.returncode, bad.stdout) == (1, "")
    assert "file/found.json: cannot be written" in bad.stderr
    images.write(tmp_path / "data/TNO/ir/1.png", np.zeros((9, 9), np.uint8), overwrite=True)
    bad = command.run("benchmarks.behaviour", *flags[:4], cwd=tmp_path)
    assert bad.returncode == 1
    assert "vi/1.png and data/TNO/ir/1.png: " in bad.stderr
    bad = command.run("benchmarks.behaviour", "--data", "nowhere", cwd=tmp_path)
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr.startswith("error: nowhere")
