"""Curves and pictures of a run."""

import contextlib
import json

import numpy as np
import pytest

from fnet_jax import images
from fnet_jax.errors import InputError
from train.run import curves


@pytest.fixture
def report(tmp_path):
    one = curves.Curves(tmp_path, start=0, report=print)
    yield one
    one.close()


def lines(folder):
    return [json.loads(line) for line in (folder / curves.CURVES).read_text().splitlines()]


def test_vectors_get_a_curve_for_each_part(report, tmp_path):
    report.point(3, {"loss": np.float32(0.5), "theta/u1": np.float32([0.25, 0.125])})
    assert lines(tmp_path) == [{"step": 3, "loss": 0.5, "theta/u1/0": 0.25, "theta/u1/1": 0.125}]


def test_the_course_of_the_validation_loss(report, tmp_path):
    for step, metrics in [
        (0, {"validation_loss": 2.0}),
        (1, {"loss": 3.0}),
        (2, {"validation_loss": 1.0}),
    ]:
        report.point(step, metrics)
    assert curves.validation_course(tmp_path) == {0: 2.0, 2: 1.0}
    with (tmp_path / curves.CURVES).open("ab") as file:
        file.write(b'\xff\n{"step": 3, "validation_loss": "low"}\n{"step": 4, "valid')
    assert curves.validation_course(tmp_path) == {0: 2.0, 2: 1.0}
    (tmp_path / curves.CURVES).unlink()
    assert curves.validation_course(tmp_path) == {}
    (tmp_path / curves.CURVES).mkdir()
    with pytest.raises(InputError, match="metrics.jsonl cannot be read .is a directory"):
        curves.validation_course(tmp_path)


def test_points_after_the_step_of_the_checkpoint_are_dropped(report, tmp_path):
    said = []
    for step in range(1, 6):
        report.point(step, {"loss": step})
    with (tmp_path / curves.CURVES).open("a") as file:
        file.write('{"step": 6, "lo')  # killed while writing
    curves.Curves(tmp_path, start=3, report=said.append).close()
    assert [point["step"] for point in lines(tmp_path)] == [1, 2, 3]
    assert said == [f"{tmp_path / curves.CURVES}: 1 damaged line was dropped"]


def test_pictures_are_files_named_by_their_step(report, tmp_path):
    grid = np.arange(12, dtype=np.uint8).reshape(3, 4)
    report.picture(40, grid)
    np.testing.assert_array_equal(images.read(tmp_path / "pictures/00000040.png"), grid)


def test_pictures_that_cannot_be_written_stop_a_run_before_its_first_step(tmp_path):
    (tmp_path / curves.PICTURES).touch()
    with pytest.raises(InputError, match="pictures: cannot be written"):
        curves.Curves(tmp_path, start=0, report=print)


def test_a_curve_that_cannot_be_written_is_named(report, tmp_path):
    (tmp_path / curves.CURVES).mkdir()
    with pytest.raises(InputError, match=f"{curves.CURVES}: cannot be written"):
        report.point(1, {"loss": 1.0})


@pytest.mark.parametrize(
    ("damage", "count"),
    [
        (lambda lines: [*lines, b'{"step": 2, "lo'], 1),
        (lambda lines: [*lines[:1], b"\0" * 4096, *lines[1:]], 1),
        (lambda lines: [*lines, lines[0].replace(b'"step"', b'"st\xe5p"')], 1),
        (lambda lines: [*lines, lines[0].replace(b"step", b"stfp")], 1),
        (lambda lines: [b"[1, 2]", b'{"step": "5"}', b'{"step": 1, "loss": NaN}', *lines], 3),
        (lambda lines: [b"[" * 100_000, *lines], 1),
        (lambda lines: [*lines[:1], b"", *lines[1:]], 0),
    ],
)
def test_damaged_lines_are_dropped_and_counted(report, tmp_path, damage, count):
    for step in (1, 2):
        report.point(step, {"loss": step / 3})
    path, said = tmp_path / curves.CURVES, []
    before = path.read_bytes()
    path.write_bytes(b"\n".join(damage(before.splitlines())))  # nor does the last line end
    with contextlib.closing(curves.Curves(tmp_path, start=2, report=said.append)) as resumed:
        assert path.read_bytes() == before
        resumed.point(3, {"loss": 1.0})
    assert [point["step"] for point in lines(tmp_path)] == [1, 2, 3]
    assert len(said) == bool(count)
    assert all(f": {count} damaged line" in line for line in said)


def test_points_of_starts_that_saved_nothing_are_dropped(report, tmp_path):
    report.point(0, {"validation_loss": 1.0})
    report.point(1, {"loss": 1.0})
    curves.Curves(tmp_path, start=0, report=print).close()
    assert lines(tmp_path) == []
