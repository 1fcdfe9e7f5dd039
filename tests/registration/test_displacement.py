import numpy as np
import pytest
from made_up_cameras import random_scene, scene, seen, transform

from fnet_jax.registration.displacement import displacement

SIZE = (240, 320)


@pytest.mark.parametrize(("x", "y"), [(5, 0), (-4, 6), (0, -3)])
def test_displaced_images_are_noticed_and_measured(x, y):
    visible, infrared = scene(1)
    found = displacement(visible, seen(infrared, transform(0, 1, x, y, size=SIZE)))
    assert found is not None
    assert found.known
    assert found.pixels == pytest.approx(np.hypot(x, y), abs=0.7)


def test_images_that_fit_or_show_different_things_are_not_accused():
    for seed in range(3):
        visible, infrared = scene(seed)
        fits = displacement(visible, infrared)
        assert fits is not None
        assert fits.known
        assert fits.pixels == 0
        other = displacement(visible, random_scene(*SIZE, seed=seed + 30)[1])
        assert other is None or not other.known


def test_tiny_and_empty_images_say_nothing():
    assert displacement(np.zeros((20, 30)), np.zeros((20, 30))) is None
    assert displacement(np.zeros((60, 60)), np.zeros((60, 60))) is None
