import numpy as np
import pytest

from fnet_jax.synthetic import Scene, night_street


@pytest.mark.parametrize("size", [(240, 320), (16, 16), (65, 33)])
def test_a_pair_of_the_size_asked_for(size):
    visible, infrared = night_street(*size)
    assert visible.shape == (*size, 3)
    assert infrared.shape == size
    assert visible.dtype == infrared.dtype == np.uint8


def test_the_seed_decides_everything():
    one, same, other = night_street(seed=4), night_street(seed=4), night_street(seed=5)
    for a, b, c in zip(one, same, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).mean() > 0.1


def test_each_camera_sees_what_the_other_cannot():
    scene = Scene(64, 64, seed=0)
    warm_and_dark = scene.mask("rectangle", 0.1, 0.1, 0.4, 0.9)
    painted = scene.mask("rectangle", 0.6, 0.1, 0.9, 0.9)
    scene.paint(warm_and_dark, (0, 0, 0), heat=0.9)
    scene.paint(painted, (1, 1, 1), heat=0.12)
    scene.shine((0.5, 0.75), 0.5, 2.0)
    visible, infrared = scene.photographs()
    inside = {"warm": warm_and_dark == 1, "painted": painted == 1}
    assert infrared[inside["warm"]].mean() > 2 * infrared[inside["painted"]].mean()
    assert visible[inside["painted"]].mean() > 4 * visible[inside["warm"]].mean()
