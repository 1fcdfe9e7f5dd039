"""``python -m train.validate``."""

import jax
import numpy as np
import pytest

from fnet_jax.networks import losses
from fnet_jax.weights import checkpoints
from train.data import sources
from train.run.validate import main
from train.run.validation import center


@pytest.fixture
def validation(tmp_path):
    """The two pairs that ``--validation 2`` keeps out of the synthetic scenes."""
    return sources.find(
        "synthetic", split=None, data_dir=None, crop=24, validation=2, workdir=tmp_path
    ).validation


def test_it_is_the_loss_of_the_middles(validation, small_network, small_checkpoint, capsys):
    network, params = small_network
    call = ["--data=synthetic", "--crop=24", "--validation=2", f"--ckpt={small_checkpoint}"]
    assert main(call) == 0
    title, header, row = capsys.readouterr().out.splitlines()
    assert title.startswith("2 pairs of 1,000 synthetic scenes")
    found = dict(zip(header.split(" | "), row.split(" | "), strict=True))
    assert found.pop("checkpoint") == str(small_checkpoint)
    expected, fused, loss = [], jax.jit(network.apply), jax.jit(losses.stage2)
    for pair in validation:
        I1, I2 = center(pair, 24)
        If, _ = fused(params, I1, I2)
        expected.append(float(loss(If, I1, I2)[0]))
    # Printed to five digits; float32 sums in another order differ in the sixth.
    assert float(found["loss"]) == pytest.approx(np.mean(expected), rel=1e-4)
    terms = [float(value) for name, value in found.items() if name != "loss"]
    assert sum(terms) == pytest.approx(float(found["loss"]), rel=1e-3)


def test_several_on_the_same_pairs(small_network, small_checkpoint, tmp_path, capsys):
    network, params = small_network
    checkpoints.save(tmp_path / "other", network, params)
    call = ["--data=synthetic", "--crop=16", "--validation=1"]
    assert main([*call, f"--ckpt={small_checkpoint}", f"--ckpt={tmp_path / 'other'}"]) == 0
    *_, one, two = capsys.readouterr().out.splitlines()
    assert one.split(" | ")[1:] == two.split(" | ")[1:]


def test_checkpoints_and_sizes_together(small_checkpoint, capsys):
    call = ["--data=synthetic", "--crop=16", "--validation=1"]
    assert main([*call, f"--ckpt={small_checkpoint}", "--size=base"]) == 0
    *_, one, two = capsys.readouterr().out.splitlines()
    assert one.startswith(str(small_checkpoint))
    assert two.split(" | ")[0].endswith("pretrained/base")


def test_what_is_missing_is_named(tmp_path, small_checkpoint, capsys):
    assert main(["--data=synthetic", f"--ckpt={tmp_path / 'none'}"]) == 1
    assert f"{tmp_path / 'none'} does not exist" in capsys.readouterr().err
    assert main(["--data=nothing", f"--data-dir={tmp_path}", f"--ckpt={small_checkpoint}"]) == 1
    assert "nothing is not prepared" in capsys.readouterr().err
