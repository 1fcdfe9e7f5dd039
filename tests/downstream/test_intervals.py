import numpy as np
import pytest

from eval.downstream.intervals import summary, with_mean


class Model:
    """Scores of images, whose mean over the chosen is the score of each class."""

    def __init__(self, scores):
        self.scores = np.asarray(scores, float)

    @property
    def images(self):
        return len(self.scores)

    def values(self, counts=None):
        return np.average(self.scores, axis=0, weights=counts)


def test_the_mean_is_over_classes_that_have_a_score():
    np.testing.assert_allclose(with_mean(np.array([0.2, np.nan, 0.6])), [0.2, np.nan, 0.6, 0.4])
    assert np.isnan(with_mean(np.full(2, np.nan))).all()


def test_what_all_models_find_difficult_cancels_in_the_differences(rng):
    hard = rng.random((200, 3))
    found = summary({"A": [Model(hard)], "B": [Model(hard + 0.01)]}, against="A", resamples=200)
    np.testing.assert_allclose(found.values[1] - found.values[0], 0.01)
    np.testing.assert_allclose(found.differences[1], 0.01, atol=1e-12)
    np.testing.assert_array_equal(found.differences[0], 0)
    width = found.intervals[..., 1] - found.intervals[..., 0]
    # Of means of 200 numbers of standard deviation 0.29: 4 · 0.29 / √200 = 0.08 wide.
    assert width[:, :3].min() > 0.05
    assert width.max() < 0.12


def test_seeds_that_differ_widen_the_intervals(rng):
    scores = rng.random((400, 2)) * 0.01
    same = summary({"A": [Model(scores), Model(scores)]}, against="A", resamples=300)
    apart = summary({"A": [Model(scores), Model(scores + 0.2)]}, against="A", resamples=300)
    width = [np.ptp(x.intervals[0], axis=1) for x in (same, apart)]
    assert (width[1] > 20 * width[0]).all()
    np.testing.assert_allclose(apart.values - same.values, 0.1)


def test_intervals_are_the_same_again(rng):
    scored = {"A": [Model(rng.random((30, 2)))], "B": [Model(rng.random((30, 2)))]}
    one, two = (summary(scored, against="B", resamples=50) for _ in range(2))
    np.testing.assert_array_equal(one.intervals, two.intervals)


def test_a_class_that_the_truth_lacks_has_no_score():
    found = summary({"A": [Model([[0.5, np.nan]] * 5)]}, against="A", resamples=20)
    assert np.isnan(found.values[0, 1])
    assert np.isnan(found.intervals[0, 1]).all()
    assert found.values[0, 2] == pytest.approx(0.5)


def test_of_the_same_models_the_same_seeds_are_drawn(rng):
    """Two models that differ much, each a little worse on the other images."""
    scores = rng.random((50, 2)) * 0.01
    one = [Model(scores), Model(scores + 0.1)]
    two = [Model(scores - 0.02), Model(scores + 0.08)]
    apart = summary({"A": one, "B": two}, against="A", resamples=200)
    same = summary({"A": one, "B": two}, against="A", same_models=True, resamples=200)
    np.testing.assert_allclose(same.differences[1], -0.02, atol=1e-12)
    assert np.ptp(apart.differences[1, 0]) > 0.1
