import numpy as np
import pytest
from made_up_cameras import transform
from scipy import ndimage

from fnet_jax.errors import InputError
from fnet_jax.registration import apply, covered

SIZE = (60, 80)


def smooth(rng, size=SIZE):
    return ndimage.gaussian_filter(rng.uniform(0, 1, size), 3).astype(np.float32)


def test_whole_shifts_are_exact(rng):
    image = rng.integers(0, 256, SIZE, np.uint8)
    laid = apply(image, [[1, 0, 3], [0, 1, -2]], SIZE)
    np.testing.assert_array_equal(laid[2:, :-3], image[:-2, 3:])
    assert (laid[:2] == image.min()).all()
    there = covered([[1, 0, 3], [0, 1, -2]], SIZE, SIZE)
    assert there[2:, :-3].all()
    assert not there[:2].any()
    assert not there[:, -3:].any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_types_and_bounds_are_kept(rng, dtype):
    top = 1 if dtype == np.float32 else np.iinfo(dtype).max
    image = (rng.integers(0, 2, (*SIZE, 3)) * top).astype(dtype)  # a spline would overshoot
    laid = apply(image, transform(7, 1.1, 2, 3, size=SIZE), (50, 70))
    assert laid.shape == (50, 70, 3)
    assert laid.dtype == dtype
    assert laid.min() >= image.min()
    assert laid.max() <= image.max()


def test_there_and_back_is_the_same_image(rng):
    """Two bicubic interpolations of a smooth image: 2 % of its range."""
    image, matrix = smooth(rng), transform(5, 1.05, 2, 1, size=SIZE)
    back = apply(apply(image, matrix, SIZE), np.linalg.inv(matrix), SIZE)
    inner = (slice(12, -12), slice(12, -12))
    assert np.abs(back - image)[inner].max() < 0.02 * np.ptp(image)


def test_a_homography_is_looked_up_where_it_leads(rng):
    image = smooth(rng)
    matrix = np.array([[1, 0.02, 1], [0.01, 0.98, 2], [2e-4, -1e-4, 1]])
    laid = apply(image, matrix, SIZE)
    x, y, w = matrix @ [40, 30, 1]
    expected = ndimage.map_coordinates(image, [[y / w], [x / w]], order=3)[0]
    assert laid[30, 40] == pytest.approx(expected, abs=1e-2 * float(np.ptp(image)))


def test_fine_detail_does_not_alias():
    """Stripes of one pixel, on a grid three times as coarse, are grey."""
    stripes = np.tile([0, 255], 120).astype(np.uint8)[None].repeat(180, 0)
    laid = apply(stripes, np.diag([3.0, 3, 1]), SIZE)
    inner = laid[5:-5, 5:-5].astype(float)
    assert inner.std() < 20
    assert abs(inner.mean() - 127.5) < 10


def test_a_matrix_counts_up_to_a_factor(rng):
    image = smooth(rng)
    matrix = transform(5, 1.05, 2, 1, size=SIZE)
    np.testing.assert_allclose(apply(image, -3 * matrix, SIZE), apply(image, matrix, SIZE))
    np.testing.assert_array_equal(covered(-matrix, SIZE, SIZE), covered(matrix, SIZE, SIZE))


def test_what_is_no_transform_is_refused(rng):
    image = smooth(rng)
    for wrong in (np.eye(2), np.full((3, 3), np.nan), np.zeros((3, 3)), np.zeros((2, 3))):
        with pytest.raises(InputError, match="matrix"):
            apply(image, wrong, SIZE)
    with pytest.raises(InputError, match="i2 has shape"):
        apply(np.zeros(5), np.eye(3), SIZE)
