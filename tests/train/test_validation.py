"""The loss and the pictures of validation pairs."""

import jax
import numpy as np

from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.start import initial_params
from train.data.sources import SyntheticPairs
from train.run import steps, validation


def test_validation_is_the_mean_over_the_middles_of_the_pairs():
    fnet = FNet(features=2, iterations=0, kernel_size=3)  # compiled soon
    loss = steps.stage2_loss(fnet)
    pairs, crop = [SyntheticPairs(3, 40)[i] for i in range(3)], 16
    pairs = [{"I1": p["I1"][..., 0], "I2": p["I2"][..., 0]} for p in pairs]
    params = {"fnet": initial_params(fnet, 0)}
    validate = validation.validator(loss, fnet, pairs, crop=crop)
    values, none = validate(params)
    assert none is None
    expected, measured = [], jax.jit(loss)
    for pair in pairs:
        middle = [pair[n][None, 12:28, 12:28, None] / np.float32(255) for n in ("I1", "I2")]
        expected.append(float(measured(params, *middle)[0]))
    np.testing.assert_allclose(values["validation_loss"], np.mean(expected), rtol=1e-5)
    parts = [v for name, v in values.items() if name.startswith("validation_loss/")]
    np.testing.assert_allclose(sum(parts), values["validation_loss"], rtol=1e-5)

    _, grid = validate(params, picture=True)
    side = crop + 2 * validation.GAP
    assert grid.shape == (3 * side, 6 * side)
    first = grid[validation.GAP : validation.GAP + crop, validation.GAP : validation.GAP + crop]
    np.testing.assert_array_equal(first, pairs[0]["I1"][12:28, 12:28])
    If, found = jax.jit(fnet.apply)(params["fnet"], *middle)
    panels = {"I1": middle[0], "I2": middle[1], "If": If} | {
        name: np.linalg.norm(found[name], axis=3, keepdims=True) for name in ("u1", "u2", "c")
    }
    last_row = grid[-side:].reshape(side, 6, side)[validation.GAP : -validation.GAP]
    for i, (name, panel) in enumerate(panels.items()):
        shown = last_row[:, i, validation.GAP : -validation.GAP].ravel()
        shade = np.clip(panel, 0, 1 if i < 3 else None).ravel()  # energies are scaled
        if shade.std() > 0:
            assert np.corrcoef(shown, shade)[0, 1] > 0.95, name  # the brightest 0.5 % are cut off
