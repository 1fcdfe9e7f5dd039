import warnings

import numpy as np
import pytest
from made_up_scores import INF, NAN, compared, noisy, scored
from scipy import stats

from fnet_jax.metrics import METRICS
from fnet_jax.scoring.compare import digits, p_value


def test_the_direction_decides_what_is_best():
    values = [[[mean] * 2] * 3 for mean in (1, 2, 3, 4)]
    marks = compared(scored(values)).marks
    assert METRICS["MI"].higher_is_better
    assert not METRICS["CE"].higher_is_better
    assert marks.T.tolist() == [["", "", "second", "best"], ["best", "second", "", ""]]


def test_a_second_is_marked_of_three_and_a_best_of_two():
    values = np.arange(3.0).reshape(3, 1, 1)
    for methods, marks in ((1, [""]), (2, ["", "best"]), (3, ["", "second", "best"])):
        assert compared(scored(values[:methods], metrics=["MI"])).marks[:, 0].tolist() == marks


def test_means_that_are_printed_alike_share_a_mark():
    values = np.array([2.0004, 1.99961, 1.5, 1.5001, 1]).reshape(5, 1, 1)
    marks = compared(scored(values, metrics=["MI"])).marks[:, 0].tolist()
    assert marks == ["best", "best", "second", "second", ""]


def test_the_order_of_methods_does_not_matter(rng):
    metrics = tuple(METRICS)
    scores = noisy(rng, [1, 2, 1.05, 2, 1], metrics=metrics)
    order = rng.permutation(5)
    one = compared(scores)
    two = compared(scored(scores.values[order], metrics=metrics))
    np.testing.assert_array_equal(two.marks, one.marks[order])
    np.testing.assert_array_equal(two.intervals, one.intervals[order])
    # Differences of the other sign have the same ranks, whose sums are rounded alike.
    np.testing.assert_allclose(two.p, one.p[np.ix_(order, order)], rtol=1e-12)


def test_intervals_are_about_the_means_and_the_same_each_time(rng):
    scores = noisy(rng, [1, 2], images=30, metrics=tuple(METRICS))
    one, two = compared(scores), compared(scores)
    np.testing.assert_array_equal(one.intervals, two.intervals)
    np.testing.assert_allclose(one.means, scores.values.mean(axis=1))
    low, high = np.moveaxis(one.intervals, -1, 0)
    assert (low < one.means).all()
    assert (one.means < high).all()
    # Of 30 values with a standard deviation of 1 the usual interval is ± 0.37.
    np.testing.assert_allclose((high - low) / 2, 0.37, atol=0.15)


def test_intervals_hold_the_true_mean_about_as_often_as_they_say(rng):
    scores = scored(rng.normal(size=(12, 40, 14)), metrics=METRICS)
    low, high = np.moveaxis(compared(scores).intervals, -1, 0)
    assert 0.88 < np.mean((low < 0) & (high > 0)) < 0.99  # 168 intervals: 0.95 ± 0.05 is 3 σ


def test_equal_values_have_an_interval_of_no_width():
    comparison = compared(scored(np.full((1, 5, 1), 0.5), metrics=["MI"]))
    assert comparison.intervals.ravel().tolist() == [0.5, 0.5]


def test_identical_methods_do_not_differ(rng):
    values = rng.normal(size=(1, 10, 2))
    comparison = compared(scored(np.concatenate([values, values])))
    assert comparison.p[0, 1].tolist() == [1, 1]
    assert (comparison.marks == "best").all()
    assert comparison.notes == (
        "MI: A and B do not differ (Wilcoxon, p = 1)",
        "CE: A and B do not differ (Wilcoxon, p = 1)",
    )


def test_methods_that_clearly_differ_are_in_no_note(rng):
    comparison = compared(noisy(rng, [1, 2, 3]))
    assert comparison.notes == ()
    assert (comparison.p[~np.eye(3, dtype=bool)] < 0.001).all()
    np.testing.assert_array_equal(comparison.p, comparison.p.swapaxes(0, 1))


def test_only_methods_like_the_best_are_named(rng):
    comparison = compared(noisy(rng, [3, 1, 3.01, 1.01, 3]))
    assert len(comparison.notes) == 1
    best = "ABCDE"[int(comparison.means.argmax())]
    first, second = (name for name in "ACE" if name != best)
    assert comparison.notes[0].startswith(f"MI: {best} does not differ from {first} (p = ")
    assert f"and {second} (p = " in comparison.notes[0]


def test_holm_multiplies_the_smallest_by_all_and_keeps_the_order(rng):
    comparison = compared(noisy(rng, [1, 1.03, 1.05, 1.1]))
    pairs = np.triu_indices(4, 1)
    raw, corrected = comparison.raw_p[pairs][:, 0], comparison.p[pairs][:, 0]
    order = np.argsort(raw)
    expected = [min(1, max((6 - i) * raw[order[i]] for i in range(k + 1))) for k in range(6)]
    np.testing.assert_allclose(corrected[order], expected)


def test_five_images_are_too_few_for_a_test(rng):
    scores = noisy(rng, [1, 2], images=6)
    assert compared(scores).p[0, 1, 0] == pytest.approx(2 / 2**6)  # all six differ one way
    scores.values[0, 0, 0] = NAN
    comparison = compared(scores)
    assert comparison.shared[0, 1, 0] == 5
    assert np.isnan(comparison.p).all()
    assert any("no test compares the methods" in note for note in comparison.notes)


def test_equal_differences_change_p_little(rng):
    scores = noisy(rng, [1, 1.1], images=11)
    scores.values[:, 1] = scores.values[:, 0]  # one image twice
    exact = stats.wilcoxon(*scores.values[..., 0], method=stats.PermutationMethod()).pvalue
    assert compared(scores).p[0, 1, 0] == pytest.approx(exact, rel=0.1)  # a rank is rounded


def test_undefined_values_are_left_out_and_told(rng):
    scores = noisy(rng, [1, 2, 3], metrics=("MI", "VIF", "CC"))
    scores.values[1, :4, 1] = NAN
    scores.values[:, :, 2] = NAN
    comparison = compared(scores)
    assert comparison.counts.tolist() == [[20, 20, 0], [20, 16, 0], [20, 20, 0]]
    assert comparison.means[1, 1] == pytest.approx(scores.values[1, 4:, 1].mean())
    assert np.isnan(comparison.means[:, 2]).all()
    assert (comparison.marks[:, 2] == "").all()
    assert comparison.shared[0, :, 1].tolist() == [20, 16, 20]
    vif, cc = comparison.notes[:2]
    assert vif.startswith("VIF: undefined for 4 images of B; means cover different im")
    assert vif.endswith(METRICS["VIF"].undefined)
    assert cc.startswith("CC: undefined for 20 images of A, 20 images of B and 20 images of C: ")
    assert any(note.startswith("CC: no test compares") for note in comparison.notes)


def test_images_that_a_method_lacks_are_told_once(rng):
    scores = noisy(rng, [1, 2, 3], metrics=("MI", "CE"))
    scores.values[1, :16] = NAN
    scores.values[2, 0] = NAN
    notes = compared(scores).notes
    assert notes[:3] == (
        "B has no values for 16 of 20 images (00, 01, 02, …)",
        "C has no values for 1 of 20 images (00)",
        "Means cover different images; tests cover the images that both methods have",
    )
    assert notes[3].startswith("All metrics: no test compares A with B and B with C (")


def test_infinite_values_are_best_and_have_no_interval(rng):
    scores = noisy(rng, [1, 2], metrics=("PSNR", "MSE"))
    scores.values[0, 3:5, 0] = INF
    scores.values[1, 3, 0] = INF
    scores.values[1, 5, 1] = -INF
    comparison = compared(scores)
    assert comparison.means[:, 0].tolist() == [INF, INF]
    assert np.isnan(comparison.intervals[:, 0]).all()
    assert comparison.marks[:, 0].tolist() == ["best", "best"]
    assert comparison.p[0, 1, 0] < 1
    assert "Means of fewer than 3 images or of infinite values have no interval" in (
        comparison.notes
    )
    assert any(
        note.startswith("PSNR: infinite for 2 images of A and 1 image of B, and so is the mean")
        for note in comparison.notes
    )


@pytest.mark.parametrize("fill", [0.0, NAN, INF, -INF])
@pytest.mark.parametrize("images", [1, 2, 7])
def test_nothing_warns_whatever_the_values(rng, images, fill):
    values = rng.normal(size=(3, images, 14))
    values[1] = fill
    values[:, :, 5] = fill
    values[2, 0, ::2] = INF
    values[2, -1, ::2] = -INF
    values[0, 0, ::3] = NAN
    with warnings.catch_warnings(action="error"):
        comparison = compared(scored(values, metrics=METRICS))
    assert np.isfinite(comparison.intervals).any() == (images == 7)


def test_one_image_and_one_method():
    comparison = compared(scored([[[2.0, 3.0]]]))
    assert comparison.means.tolist() == [[2, 3]]
    assert comparison.marks.tolist() == [["", ""]]
    assert np.isnan(comparison.intervals).all()
    assert comparison.notes == (
        "Means of fewer than 3 images or of infinite values have no interval",
    )
    assert "Wilcoxon" not in comparison.how


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"),
        (-1.23456, "-1.235"),
        (9.9994, "9.999"),
        (9.9996, "10.00"),
        (999.994, "999.99"),
        (999.996, "1000.0"),
        (65025, "65025.0"),
        (-0.0001, "0.000"),
        (NAN, "–"),
        (INF, "∞"),
        (-INF, "-∞"),
    ],
)
def test_digits(value, text):
    assert digits(value) == text


def test_p_values_in_words():
    assert [p_value(p) for p in (0.0004, 0.0123, 0.314, 1.0)] == [
        "p < 0.001",
        "p = 0.012",
        "p = 0.31",
        "p = 1",
    ]
