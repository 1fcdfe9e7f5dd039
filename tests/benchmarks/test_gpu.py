import json

import command
import numpy as np
import pytest

from benchmarks import gpu, gpu_findings
from fnet_jax import Fuser

SMALL = {"features": 3, "iterations": 0, "kernel_size": 3}


def finding(**values):
    return gpu_findings.Finding(
        **{"part": "images", "what": "fused", "figure": "", "details": "", **values}
    )


def test_the_command_measures_and_writes_what_it_prints(tmp_path):
    done = command.run(
        "benchmarks.gpu",
        *("--out", "gpu", "--scale", "64", "--repeat", "1", "--only", "images"),
        cwd=tmp_path,
    )
    assert "Traceback" not in done.stderr
    report = (tmp_path / "gpu/report.md").read_text()
    assert report in done.stdout
    content = json.loads((tmp_path / "gpu/report.json").read_text())
    rows = {row["what"]: row for row in content["rows"]}
    exact = rows["`Fuser.fuse`, 16×16, highest, against the CPU in float32"]
    # The tests' device is a CPU: against itself it differs by nothing.
    assert exact["numbers"]["largest"] == 0
    assert exact["numbers"]["equal"] == 1
    rounded = rows["`Fuser.fuse`, 16×16, bf16, against the CPU in float32"]["numbers"]
    assert 0 < rounded["largest"] < 2
    assert all(row["what"] in report for row in content["rows"])
    assert done.returncode == int(any(row["good"] is False for row in content["rows"]))


def test_a_device_that_differs_is_found(monkeypatch):
    right, calls = Fuser.fuse, []

    def wrong(self, *pair):
        calls.append(self)
        return right(self, *pair) + np.float32(0.01 * (len(calls) == 1))  # the CPU's

    monkeypatch.setattr(Fuser, "fuse", wrong)
    monkeypatch.setattr(gpu_findings, "PRECISIONS", ("highest",))
    first, default = gpu_findings.images(24, repeat=1)
    assert first.good is False
    assert first.numbers["largest"] == pytest.approx(2.55, rel=1e-4)
    assert default.good is False  # no pixel is equal


@pytest.mark.parametrize(
    ("equal", "seconds", "good"),
    [
        ({"highest": 1.0}, {"highest": 2.0}, True),
        ({"highest": 1.0, "tf32": 0.9}, {"highest": 2.0, "tf32": 1.0}, True),
        ({"highest": 1.0, "tf32": 0.9995}, {"highest": 2.0, "tf32": 1.0}, False),
        ({"highest": 1.0, "tf32": 0.9995}, {"highest": 1.1, "tf32": 1.0}, True),
        ({"highest": 0.9, "tf32": 0.9}, {"highest": 2.0, "tf32": 1.0}, False),
    ],
)
def test_the_rule_for_the_default_precision(equal, seconds, good):
    assert gpu_findings.rule(16, equal, seconds).good is good


def test_gradients_agree_with_themselves(monkeypatch):
    monkeypatch.setattr(gpu_findings, "PRECISIONS", ("highest", "bf16"))
    exact, rounded = gpu_findings.losses("stage2", 16, **SMALL)
    assert exact.good
    assert exact.numbers == {"gradient": 0, "loss": 0}
    assert rounded.good
    assert rounded.numbers["gradient"] > 0


@pytest.mark.slow
def test_a_step_on_all_devices_is_that_of_one():
    found = gpu_findings.on_all_devices("stage2", 3, 16, repeat=1, **SMALL)
    assert found.numbers["devices"] == 2
    assert "4 of 16×16" in found.what  # rounded up to a multiple of the devices
    assert found.good
    assert found.numbers["error"] <= gpu_findings.STEP


def test_one_bad_row_decides_the_exit_status(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("sys.argv", ["gpu", "--out", str(tmp_path)])
    for rows, status in (
        ([finding(good=True, numbers={})], 0),
        ([finding(good=False, numbers={}), finding(numbers={})], 1),
    ):
        monkeypatch.setattr(gpu, "findings", lambda config, rows=rows: iter(rows))
        assert gpu.main() == status
        printed = capsys.readouterr()
        assert ("✗" in printed.out) == bool(status)
        assert ("not as it should be: fused" in printed.err) == bool(status)
