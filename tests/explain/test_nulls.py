import numpy as np
import pytest

from fnet_jax.explain import nulls


def test_counts_against_loops(rng):
    arrays = [rng.normal(size=(4, 5, 6)) for _ in range(3)]
    expected = [sum(abs(x) < 0.3 for x in array.ravel()) for array in arrays]
    np.testing.assert_array_equal(nulls.count(arrays, 0.3), expected)


def test_increase_is_relative_to_before():
    found = nulls.increase(np.array([100, 50, 0]), np.array([184, 20, 3]))
    np.testing.assert_array_equal(found, [84.0, -60.0, np.nan])


def test_epsilon_is_a_thousandth_of_the_largest():
    assert nulls.epsilon(np.array([[0.2, -2.0], [1.0, 0.0]])) == 0.002
    assert 0 < nulls.epsilon(np.zeros((2, 2))) < 1e-30
    assert nulls.count([np.zeros(4)], nulls.epsilon(np.zeros(4))) == [4]


def test_nulls_are_the_first_of_a_thousand_bins(rng):
    code = rng.normal(size=(8, 9, 10)).astype(np.float32)
    first = nulls.histogram(code, code, bins=nulls.PART).before[0]
    assert nulls.count([code], nulls.epsilon(code)) == [first]


def test_histograms_hold_everything_once(rng):
    before, after = rng.normal(size=(2, 500))
    edges, counted_before, counted_after = nulls.histogram(before, after, bins=20)
    assert counted_before.sum() == counted_after.sum() == 500
    np.testing.assert_allclose(np.diff(edges), edges[-1] / 20)
    assert edges[-1] == max(np.abs(before).max(), np.abs(after).max())
    for k in range(19):
        inside = (np.abs(after) >= edges[k]) & (np.abs(after) < edges[k + 1])
        assert counted_after[k] == inside.sum()
    part = nulls.histogram(before, after, bins=5, upper=0.5)
    assert part.before.sum() == (np.abs(before) <= 0.5).sum()


def test_the_enlarged_histogram_ends_beyond_the_transition():
    assert nulls.near(0.002, gamma=100) == pytest.approx(0.052)  # σ(γ(0.052 − θ)) = 0.993
    assert nulls.near(0.02, gamma=100) == 0.08
    assert nulls.near(0.002, gamma=None) == 0.008


def test_a_histogram_of_zeros():
    assert nulls.histogram(np.zeros(7), np.zeros(7)).after[0] == 7
