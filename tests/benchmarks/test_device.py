import numpy as np
import pytest

from benchmarks import device
from fnet_jax import Fuser

SMALL = {"features": 3, "iterations": 1, "kernel_size": 3}


def test_a_gpu_that_agrees_and_one_that_does_not(monkeypatch):
    row, agrees = device.fused(24, repeat=1)
    assert agrees
    assert row.numbers["error"] == 0  # the CPU against itself
    assert row.numbers["equal"] == 1
    right, calls = Fuser.fuse, []

    def wrong(self, *pair):
        calls.append(self)
        return right(self, *pair) + np.float32(0.01 * (len(calls) == 1))

    monkeypatch.setattr(Fuser, "fuse", wrong)
    row, agrees = device.fused(24, repeat=1)
    assert not agrees
    assert row.numbers["error"] == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize("stage", ["stage2"])  # the other compiles twice as long
def test_gradients_agree_with_themselves(stage):
    row, agrees = device.gradient(stage, **SMALL)
    assert agrees
    assert row.numbers["error"] == 0


def test_the_worst_row_decides_the_exit_status(monkeypatch, capsys):
    row = device.Row("fused", "differs", "", {})
    monkeypatch.setattr(device.jax, "default_backend", lambda: "gpu")
    for rows, status in (([(row, True)], 0), ([(row, False), (row, True)], 1)):
        monkeypatch.setattr(device, "rows", lambda repeat, rows=rows: iter(rows))
        monkeypatch.setattr("sys.argv", ["device"])
        assert device.main() == status
        assert ("too much" in capsys.readouterr().out) == bool(status)


def test_without_a_gpu_it_says_so(monkeypatch):
    monkeypatch.setattr("sys.argv", ["device"])
    with pytest.raises(device.InputError, match="no GPU"):
        device.main()
