import numpy as np
from made_up_cameras import scene

from fnet_jax.registration.directions import directions, inside, pooled

ALL = np.ones((240, 320), np.float32)


def correlation(a, b):
    return float((a * np.conj(b)).sum().real / np.sqrt((abs(a) ** 2).sum() * (abs(b) ** 2).sum()))


def test_contrast_may_be_reversed_scaled_and_bent():
    """Only rounding, the floor for noise and blur in between differ."""
    image = scene()[0][..., 1].astype(np.float32) / 255
    found = directions(image, ALL)
    for other in (1 - image, 0.2 * image + 0.3, np.sqrt(image)):
        assert correlation(found, directions(other.astype(np.float32), ALL)) > 0.9
    assert abs(correlation(found, directions(image[::-1].copy(), ALL))) < 0.1


def test_a_quarter_turn_negates_the_first_number_and_keeps_the_second():
    image = scene()[0][:, :240, 1].astype(np.float32) / 255
    square = np.ones(image.shape, np.float32)
    found = directions(image, square)
    turned = directions(np.rot90(image).copy(), square)
    np.testing.assert_allclose(np.rot90(turned[0], -1), -found[0], atol=1e-3)
    np.testing.assert_allclose(np.rot90(turned[1], -1), found[1], atol=1e-3)


def test_nothing_is_said_of_flat_images_and_outside():
    assert np.abs(directions(np.full((64, 64), 0.3, np.float32), ALL[:64, :64])).max() < 1e-3
    valid = ALL.copy()
    valid[:, :100] = 0
    inner = inside(valid)
    assert not directions(scene()[1].astype(np.float32), inner)[:, :, :102].any()
    assert not inner[:, -2:].any()  # the edge of the array is one too


def test_sums_over_squares():
    image = np.arange(35.0).reshape(5, 7)
    found = pooled(image)
    assert found.shape == (2, 2)
    assert found.sum() == image.sum()
    assert found[0, 0] == image[:4, :4].sum()
