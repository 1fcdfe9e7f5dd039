import numpy as np

from fnet_jax.explain.shares import VISIBLE, mean, of_light, shares


def test_shares_sum_to_one_and_ignore_signs(rng):
    parts = rng.normal(size=(3, 6, 7))
    found = shares(*parts)
    np.testing.assert_allclose(found.sum(axis=2), 1)
    np.testing.assert_array_equal(found, shares(-parts[0], parts[1], -parts[2]))
    assert found.min() >= 0
    np.testing.assert_allclose(found[2, 3, 1], abs(parts[1, 2, 3]) / abs(parts[:, 2, 3]).sum())


def test_parts_that_cancel_have_shares():
    half = np.full((1, 1), 0.5)
    np.testing.assert_array_equal(shares(half, 0 * half, -half)[0, 0], [0.5, 0, 0.5])


def test_where_nothing_is_seen_there_are_no_shares():
    u1 = np.array([[1.0, 0.9 * VISIBLE, VISIBLE]])
    found = shares(u1, 0 * u1, 0 * u1)
    np.testing.assert_array_equal(np.isnan(found[0, :, 0]), [False, True, False])
    np.testing.assert_array_equal(mean(found), [1, 0, 0])
    assert np.isnan(mean(shares(0 * u1, 0 * u1, 0 * u1))).all()


def test_bright_pixels_count_for_more_of_the_light():
    u1, u2 = np.array([[0.9, 0.0]]), np.array([[0.0, -0.1]])
    np.testing.assert_allclose(of_light(u1, u2, 0 * u1), [0.9, 0.1, 0])
    np.testing.assert_array_equal(mean(shares(u1, u2, 0 * u1)), [0.5, 0.5, 0])
    assert np.isnan(of_light(0 * u1, 0 * u1, 0 * u1)).all()
