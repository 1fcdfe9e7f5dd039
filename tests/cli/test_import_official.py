"""``python -m eval.import_official``."""

import command
import numpy as np
import pytest

from fnet_jax.cli.import_official import main
from fnet_jax.networks.fnet import FNet
from fnet_jax.weights import checkpoints, official


@pytest.fixture
def weights(tmp_path, rng):
    """An .npz file with the names and shapes of the authors' network."""
    arrays = {n: rng.normal(size=s).astype("f4") for n, s in official.expected_shapes().items()}
    for block in official.BLOCKS:
        arrays[f"{block}.w_theta"], arrays[f"{block}.w_ro"] = np.float32([-1]), np.float32([1])
    np.savez(tmp_path / "w.npz", **arrays)
    return tmp_path / "w.npz"


def test_the_command_writes_a_checkpoint(weights, tmp_path):
    done = command.run("eval.import_official", "--weights", weights, "--out", "ckpt/", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"ckpt: FNet with 419,916 parameters from {weights}\n"
    _, params, meta = checkpoints.load(tmp_path / "ckpt", FNet)
    assert meta["source"]["file"] == "w.npz"
    arrays = official.read(weights)
    np.testing.assert_array_equal(
        params["params"]["lzsc_u2"]["W_u_3"],
        np.transpose(arrays["net_u.IM.1.basic_layer1.ch_up.weight"], (2, 3, 1, 0)),
    )


def test_nothing_is_overwritten_unless_asked(weights, tmp_path, capsys):
    call = ["--weights", str(weights), "--out", str(tmp_path / "ckpt")]
    assert main(call) == 0
    assert main(call) == 1
    assert "use --overwrite" in capsys.readouterr().err
    assert main([*call, "--overwrite"]) == 0


def test_bad_weights_make_no_checkpoint(weights, tmp_path, capsys):
    (tmp_path / "bad.npz").write_bytes(weights.read_bytes()[:1000])
    np.savez(tmp_path / "other.npz", **{"conv.weight": np.zeros((3, 3))})
    for name, message in [
        ("bad.npz", "not a readable .npz"),
        ("other.npz", "net_v.w_theta of shape (1,) is missing"),
        ("gone.npz", "does not exist"),
    ]:
        assert main(["--weights", str(tmp_path / name), "--out", str(tmp_path / "ckpt")]) == 1
        error = capsys.readouterr().err
        assert error.startswith((f"error: {tmp_path / name} ", f"error: {tmp_path / name}: "))
        assert message in error
        assert error.count("\n") == 1
    assert not (tmp_path / "ckpt").exists()
