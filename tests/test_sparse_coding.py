"""The sparse-coding experiment at toy size: its form, its choices, and what its page promises."""

import json
import re

import command
import jax
import numpy as np
import pytest

from benchmarks import recovery
from benchmarks.recovery import SOLVERS, Bench, Problem
from benchmarks.sparse_coding import reached, spread
from fnet_jax.conv import operator_norm
from fnet_jax.lzsc import LZSC

TOY = Problem(features=3, size=3, side=12, iterations=4, modules=1, steps=30, density=0.03)
PAGE = (command.ROOT / "docs/sparse_coding.md").read_text()


@pytest.fixture(scope="module")
def bench():
    return Bench(TOY, 0)


def test_images_are_made_of_the_codes(bench):
    quiet = Problem(**{**vars(TOY), "noise": 0.0})
    u, e = recovery.draw(quiet, jax.random.key(1), bench.D, 5)
    found = recovery.figures(u, u, bench.D)
    assert found["code"] == found["image"] == 0
    assert found["f1"][0] == 1
    assert set(np.sign(u).ravel().astype(int).tolist()) == {-1, 0, 1}
    sizes = np.abs(u[u != 0])
    assert (sizes >= 0.5).all()
    assert (sizes <= 1.5).all()
    np.testing.assert_allclose(np.linalg.norm(bench.D, axis=(0, 1)), 1, rtol=1e-5)
    assert e.shape == (5, 12, 12, 1)


def test_figures_of_a_code_that_is_half_right(bench):
    u = np.zeros((1, 12, 12, 3), np.float32)
    u[0, 5, 5, :2] = 1
    found = np.zeros_like(u)
    found[0, 5, 5, 0], found[0, 5, 5, 2] = 1, 0.3
    figures = recovery.figures(found, u, bench.D)
    assert figures["code"] == pytest.approx(np.sqrt(1.09 / 2))
    expected = [0.5 if epsilon < 0.3 else 2 / 3 for epsilon in recovery.EPSILONS]
    np.testing.assert_allclose(figures["f1"], expected, rtol=1e-6)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_solver_has_a_figure_for_each_iteration(bench, name):
    calls = []
    found = bench.solve(name, progress=lambda: calls.append(1))
    power = SOLVERS[name][1]
    assert len(calls) == len(recovery.PENALTIES[power])
    assert len(found["code"]) == len(found["image"]) == len(found["f1"]) == 4
    assert len(found["objective"]) == 5
    assert found["penalty"] in recovery.PENALTIES[power]
    assert found["code"][-1] < 1  # better than no code at all
    assert all(0 <= value <= 1 for value in found["f1"])


def test_lzsc_starts_as_steps_of_accelerated_iht_and_learns(bench):
    params = recovery.start(TOY, bench.D)
    np.testing.assert_array_equal(params["W_d_1"], bench.D)
    norm = operator_norm(bench.D)
    np.testing.assert_allclose(operator_norm(params["W_e_0"]) * norm, 1, rtol=1e-5)
    u, _ = LZSC(features=3, iterations=1, kernel_size=3).apply({"params": params}, bench.e)
    assert u.shape == bench.u.shape
    found = bench.lzsc(progress=lambda: None)
    assert found["trained"]["code"] < found["untrained"]["code"]


def test_iterations_seen():
    assert recovery.seen(4) == [1, 2, 3, 4]
    many = recovery.seen(100)
    assert many[:40] == list(range(1, 41))
    assert many[-1] == 100
    assert len(many) == 47


def test_reached_and_spread():
    assert reached([0.9, 0.5, 0.6], [1, 3, 5], 0.5) == 3
    assert reached([0.9], [1], 0.5) == float("inf")
    assert spread([0.5, 0.25]) == "0.375 (0.250–0.500)"
    assert spread([0.5]) == "0.500"


def test_the_command_prints_and_writes(tmp_path):
    small = ("--seeds", 1, "--features", 2, "--size", 3, "--side", 8, "--density", 0.05)
    done = command.run(
        "benchmarks.sparse_coding",
        *("--out", "out", *small, "--iterations", 3, "--modules", 1, "--steps", 2),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ")[0].strip("| ") for line in done.stdout.splitlines()[2:]]
    assert rows == [*SOLVERS, "LZSC, untrained", "LZSC, trained"]
    found = json.loads((tmp_path / "out/sparse_coding.json").read_text())
    assert found["problem"]["features"] == 2
    assert [seed.keys() for seed in found["seeds"]] == [{*SOLVERS, "LZSC"}]
    assert (tmp_path / "out/sparse_coding.png").read_bytes().startswith(b"\x89PNG")


def test_help_teaches(tmp_path):
    done = command.run("benchmarks.sparse_coding", "--help", cwd=tmp_path)
    assert done.returncode == 0
    for text in ("normalised IHT", "LZSC", "--density", "About two minutes"):
        assert text in done.stdout


def test_python_of_the_page_runs(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    exec(block, {})
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    errors = {name: float(error) for name, error in printed}
    expected = dict(re.findall(r"^(\w+) (0\.\d+)$", PAGE, re.M))
    assert errors.keys() == expected.keys() != set()
    for name, error in errors.items():  # printed with 2 digits; float32 elsewhere may round apart
        assert error == pytest.approx(float(expected[name]), abs=0.02)


def test_files_of_the_page_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert target.startswith("https://") or (command.ROOT / "docs" / target).exists(), target
