"""The sparse-coding experiment at toy size: its form, its choices, and what its page promises."""

import dataclasses
import json
import re

import command
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import recovery, sparse_coding
from benchmarks.recovery import SOLVERS, Bench, Problem
from benchmarks.sparse_coding import reached, spread
from fnet_jax.sparse_coding import solvers
from fnet_jax.sparse_coding.correlation import correlate
from fnet_jax.sparse_coding.lzsc import LZSC
from fnet_jax.sparse_coding.operators import operator_norm
from fnet_jax.sparse_coding.solvers import Coded

TOY = Problem(features=3, size=3, side=12, iterations=4, modules=1, steps=30, density=0.03)
PARTS = ("validation", "test")
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


def test_what_is_chosen_is_chosen_on_validation_images(monkeypatch):
    """A solver whose codes are known: after k iterations and with λ, w times the true code.

    Of validation images w is 1 (the best) for another λ than of test images, and for another λ at
    each k. One entry that should be 0 is as large as λ, which tells which ε is chosen for F1.
    """
    problem = dataclasses.replace(TOY, iterations=3)
    bench, n = Bench(problem, 1), problem.validation
    penalties = np.array([1.0, 2.0, 3.0])
    spare = tuple(np.argwhere((bench.u == 0).all(axis=0))[0])

    def scale(penalty, k, part):
        best = 1 + (k + (part == "test")) % 3
        return 1 + 0.1 * abs(penalty - best) * (1 if part == "validation" else 2)

    def solve(e, D, penalty, *, iterations, keep):
        iterates = []
        for k in range(iterations + 1):
            w = np.where(np.arange(len(e)) < n, *(scale(penalty, k, x) for x in PARTS))
            u = np.array(bench.u) * w[:, None, None, None]
            u[(..., *spare)] = 0.06 * penalty
            iterates.append(u)
        objective = np.tile(penalty * np.arange(iterations + 1.0), (len(e), 1))
        return Coded(iterates[-1], jnp.array(objective), None, jnp.stack(iterates))

    monkeypatch.setitem(SOLVERS, "ISTA", (solve, 1))
    monkeypatch.setitem(recovery.PENALTIES, 1, penalties)
    found = bench.solve("ISTA", progress=lambda: None)
    chosen = [
        penalties[np.argmin([scale(x, k, "validation") for x in penalties])] for k in (1, 2, 3)
    ]
    assert chosen == [2.0, 3.0, 1.0]
    test, D = np.array(bench.u[n:]), bench.D
    for i, (k, penalty) in enumerate(zip((1, 2, 3), chosen, strict=True)):
        u = test * scale(penalty, k, "test")
        u[(..., *spare)] = 0.06 * penalty
        error = np.linalg.norm(u - test) / np.linalg.norm(test)
        assert found["code"][i] == pytest.approx(error, rel=1e-4)
        image, true_image = (np.asarray(correlate(jnp.array(x), D)) for x in (u, test))
        error = np.linalg.norm(image - true_image) / np.linalg.norm(true_image)
        assert found["image"][i] == pytest.approx(error, rel=1e-4)  # of the same code
        assert found["f1"][i] == 1  # the spare entries are below the ε that is chosen
    assert found["penalty"] == 1.0
    truth = solvers.objective(bench.e, correlate(bench.u, D), bench.u, 1.0, power=1)[n:]
    expected = [float(jnp.mean(k / truth)) for k in range(4)]
    np.testing.assert_allclose(found["objective"], expected, rtol=1e-5)


def test_f1_is_of_the_threshold_that_is_best_on_validation_images(bench, monkeypatch):
    n, size = TOY.validation, 0.3
    assert size in recovery.EPSILONS
    u = np.array(bench.u)
    zeros = u == 0
    u[:n][zeros[:n]] = 0.9 * size  # wrong entries: cut by ε ≥ 0.3
    u[n:][zeros[n:]] = 1.1 * size  # not cut by that, but by more
    (row,) = bench.chosen([jnp.array(u)], 0.1)["f1"]
    wrong, right = zeros[n:].sum(), (~zeros[n:]).sum()
    assert row == pytest.approx(2 * right / (wrong + 2 * right), rel=1e-4)


def test_the_objective_of_lzsc_is_of_what_counts_as_found(bench):
    rows = bench.chosen([bench.u, bench.u + 0.01 * (bench.u == 0)], 0.1)
    assert rows["f1"] == [1, 1]
    np.testing.assert_allclose(rows["objective"], 1, rtol=1e-5)


def test_density_and_noise_are_those_asked_for(bench):
    problem = dataclasses.replace(TOY, side=40, density=0.1, noise=0.2)
    u, e = recovery.draw(problem, jax.random.key(2), bench.D, 8)
    count, share = u.size, np.count_nonzero(u) / u.size
    assert abs(share - 0.1) < 5 * np.sqrt(0.1 * 0.9 / count)  # five standard deviations
    noise = np.asarray(e - correlate(u, bench.D))
    assert np.std(noise) == pytest.approx(0.2, rel=5 / np.sqrt(2 * noise.size))


def test_lzsc_starts_as_steps_of_accelerated_iht_and_learns(bench):
    params = recovery.start(TOY, bench.D)
    np.testing.assert_array_equal(params["W_d_1"], bench.D)
    norm = operator_norm(bench.D)
    np.testing.assert_allclose(operator_norm(params["W_e_0"]) * norm, 1, rtol=1e-5)
    u, _ = LZSC(features=3, iterations=1, kernel_size=3).apply({"params": params}, bench.e)
    assert u.shape == bench.u.shape
    found = bench.lzsc(penalty=0.02, progress=lambda: None)
    assert found["trained"]["code"][-1] < found["untrained"]["code"][-1]
    assert {len(row) for of in found.values() for row in of.values()} == {2}  # u⁰ and u¹
    error = np.linalg.norm(u[TOY.validation :] - bench.u[TOY.validation :])
    error /= np.linalg.norm(bench.u[TOY.validation :])
    assert found["untrained"]["code"][-1] == pytest.approx(error, rel=1e-4)


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


@pytest.mark.slow  # all solvers are compiled
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


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--density=0", "'0' is not a number above 0 and below 1"),
        ("--noise=-1", "'-1' is not a number of at least 0"),
        ("--size=4", "'4' is not an odd number from 1 to 255"),
    ],
)
def test_settings_that_make_no_problem_are_refused(flag, message, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["benchmarks.sparse_coding", "--out", "out", flag])
    with pytest.raises(SystemExit):
        sparse_coding.main()
    assert message in capsys.readouterr().err


def test_help_teaches(tmp_path):
    done = command.run("benchmarks.sparse_coding", "--help", cwd=tmp_path)
    assert done.returncode == 0
    for text in ("normalised IHT", "LZSC", "--density", "takes about two"):
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
