"""That the benchmarks run and say what they measured; never how fast anything is."""

import json

import command
import jax.numpy as jnp
import pytest

from benchmarks import networks, timing
from benchmarks.growth import Growth, Point, draw, table


def test_the_command_writes_what_it_prints(tmp_path):
    done = command.run(
        "benchmarks.speed",
        *("--only", "start", "--repeat", "1", "--json", "figures.json"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "figures.json").read_text())
    assert f"| {row['what']} | {row['figure']} | {row['details']} |" in done.stdout
    assert row["numbers"]["seconds"] >= 0


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_programs_count_the_operations_of_the_network(stage):
    small = {"iterations": 1, "features": 2}
    work, operations, costs = networks.step_program(stage, batch=2, crop=8, **small)
    # Filters of 81 weights: an LZSC of c channels with N = 1 has 4·c·K of them (W_e, twice, W_d and
    # W_u); FNet has three, of 1, 1 and 2 channels, and D and G of both and of c: 5·K more.
    fnet = 81 * 2 * (4 * (1 + 1 + 2) + 5)
    if stage == "stage2":
        assert operations == 6 * fnet * 2 * 8 * 8
        work_forward, forward, _ = networks.forward_program(8, 8, batch=2, **small)
        assert operations == 3 * forward
        assert work_forward().shape == (2, 8, 8, 1)
    else:
        assert operations > 6 * fnet * 2 * 8 * 8  # IFNet is in it too
    _, metrics = work()
    assert jnp.isfinite(metrics["loss"])
    assert costs["bytes"] > 0
    assert costs["compile"] > 0


def test_a_share_is_a_rate_over_the_ceiling(monkeypatch):
    monkeypatch.setitem(timing.CEILING, "cpu", 8)
    monkeypatch.setattr(timing, "in_turn", lambda works, repeat: dict.fromkeys(works, 2.0))
    share, numbers = timing.against_ceiling(lambda: None, 1024.0, repeat=1)
    assert numbers == {"seconds": 2.0, "flops": 512.0, "ceiling": 4 * 2 * 8**3 / 2}
    assert share == 512 / 2048


def test_works_are_called_in_turn():
    calls = []
    found = timing.in_turn({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b"] * 3
    assert set(found) == {"a", "b"}


def test_growth_is_relative_to_the_line_through_the_marked_point(tmp_path):
    points = [Point(1, 10, 1, 8e9), Point(2, 20, 3, 8e9), Point(4, 40, 4, 8e9)]
    growth = Growth("batch", "forward", 1, points)
    assert [growth.relative(point) for point in points] == [(1, 1), (1.5, 0.5), (1, 0.25)]
    assert "| 1 * | 1 | 1.00 | 8 | 1.00 |\n| 2 | 3 | 1.50 | 8 | 0.50 |" in table(growth)
    draw([growth], tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
