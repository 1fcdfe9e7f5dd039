"""The shipped weights still give what they gave; see ``tests/golden/README.md``."""

import json

import golden_values
import numpy as np
import pytest
from golden_values import FOLDER

from fnet_jax import images


def kept(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def test_the_samples_are_fused_as_before():
    listed = {name.removesuffix(".png") for name in kept("fused")["images"]}
    found = golden_values.fused()
    assert found.keys() == listed
    for name, image in found.items():
        expected = images.read(FOLDER / "fused" / f"{name}.png")
        assert image.shape == expected.shape
        # Sums in another order, of another processor, can turn what rounds to one level into the
        # next.
        assert np.abs(image.astype(int) - expected).max() <= 1, name


def test_metrics_of_a_fused_sample_are_as_before():
    golden, found = kept("metrics")["values"], golden_values.scores()
    assert found.keys() == golden.keys()
    assert len(golden["paper"]) == len(golden["textbook"]) == 14
    for profile, values in golden.items():
        # Versions of SciPy sum in other orders; where variances cancel, that reaches 1e-8.
        assert found[profile] == pytest.approx(values, rel=1e-6), profile


@pytest.mark.slow  # takes long to compile
def test_losses_and_gradients_are_as_before():
    golden, found = kept("losses")["values"], golden_values.losses_and_gradients()
    for stage, values in golden.items():
        norms = values.pop("gradient_norms")
        # In float64 all that differs is the order of sums.
        assert found[stage].pop("gradient_norms") == pytest.approx(norms, rel=1e-6), stage
        assert found[stage] == pytest.approx(values, rel=1e-8), stage
    assert found.keys() == golden.keys()
