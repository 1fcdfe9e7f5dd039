import json

import numpy as np
import pytest
from conftest import SMALL

from fnet_jax import images
from fnet_jax.errors import InputError
from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.start import initial_params
from train.data.sources import SyntheticPairs
from train.run import curves, steps


@pytest.fixture
def report(tmp_path):
    one = curves.Curves(tmp_path, start=0, steps=5, batch=2)
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
    (tmp_path / curves.CURVES).write_text("{")
    with pytest.raises(InputError, match="metrics.jsonl: cannot be read"):
        curves.validation_course(tmp_path)


def test_points_after_the_step_one_goes_on_from_are_dropped(report, tmp_path):
    for step in range(1, 6):
        report.point(step, {"loss": step})
    with (tmp_path / curves.CURVES).open("a") as file:
        file.write('{"step": 6, "lo')  # killed while writing
    curves.Curves(tmp_path, start=3, steps=5, batch=2).close()
    assert [point["step"] for point in lines(tmp_path)] == [1, 2, 3]


def test_pictures_are_files_named_by_their_step(report, tmp_path):
    grid = np.arange(12, dtype=np.uint8).reshape(3, 4)
    report.picture(40, grid)
    np.testing.assert_array_equal(images.read(tmp_path / "pictures/00000040.png"), grid)


def test_validation_is_the_mean_over_the_middles_of_the_pairs():
    fnet = FNet(**SMALL)
    loss = steps.stage2_loss(fnet)
    pairs, crop = [SyntheticPairs(3, 40)[i] for i in range(3)], 16
    pairs = [{"I1": p["I1"][..., 0], "I2": p["I2"][..., 0]} for p in pairs]
    params = {"fnet": initial_params(fnet, 0)}
    validate = curves.validator(loss, fnet, pairs, crop=crop)
    values, none = validate(params)
    assert none is None
    expected = []
    for pair in pairs:
        middle = [pair[n][None, 12:28, 12:28, None] / np.float32(255) for n in ("I1", "I2")]
        expected.append(float(loss(params, *middle)[0]))
    np.testing.assert_allclose(values["validation_loss"], np.mean(expected), rtol=1e-5)
    parts = [v for name, v in values.items() if name.startswith("validation_loss/")]
    np.testing.assert_allclose(sum(parts), values["validation_loss"], rtol=1e-5)

    _, grid = validate(params, picture=True)
    side = crop + 2 * curves.GAP
    assert grid.shape == (3 * side, 6 * side)
    first = grid[curves.GAP : curves.GAP + crop, curves.GAP : curves.GAP + crop]
    np.testing.assert_array_equal(first, pairs[0]["I1"][12:28, 12:28])
    If, found = fnet.apply(params["fnet"], *middle)
    panels = {"I1": middle[0], "I2": middle[1], "If": If} | {
        name: np.linalg.norm(found[name], axis=3, keepdims=True) for name in ("u1", "u2", "c")
    }
    last_row = grid[-side:].reshape(side, 6, side)[curves.GAP : -curves.GAP]
    for i, (name, panel) in enumerate(panels.items()):
        shown = last_row[:, i, curves.GAP : -curves.GAP].ravel()
        shade = np.clip(panel, 0, 1 if i < 3 else None).ravel()  # energies are scaled
        if shade.std() > 0:
            assert np.corrcoef(shown, shade)[0, 1] > 0.95, name  # the brightest 0.5 % are cut off


def test_a_curve_that_cannot_be_written_is_named(report, tmp_path):
    (tmp_path / curves.CURVES).mkdir()
    with pytest.raises(InputError, match=f"{curves.CURVES}: cannot be written"):
        report.point(1, {"loss": 1.0})
