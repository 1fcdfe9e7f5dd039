import numpy as np
import pytest

from eval.downstream import iou


def test_against_hand_made_truths():
    truth = np.array([[0, 0, 1, 1], [2, 2, 2, 255]], np.uint8)
    found = np.array([[0, 1, 1, 1], [2, 0, 2, 2]], np.uint8)
    matrix = iou.confusion(truth, found, 4)
    assert matrix.tolist() == [[1, 1, 0, 0], [0, 2, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]]
    # Both over either: class 0 has 1 of 3 pixels, class 1 has 2 of 3, class 2 has 2 of 3.
    np.testing.assert_allclose(iou.iou(matrix), [1 / 3, 2 / 3, 2 / 3, np.nan])


def test_matrices_add_up(rng):
    truth, found = rng.integers(0, 5, (2, 3, 20, 30)).astype(np.uint8)
    each = np.stack([iou.confusion(a, b, 5) for a, b in zip(truth, found, strict=True)])
    whole = iou.confusion(truth.reshape(60, 30), found.reshape(60, 30), 5)
    np.testing.assert_array_equal(each.sum(axis=0), whole)


def test_against_sets_of_pixels(rng):
    truth, found = rng.integers(0, 4, (2, 12, 15)).astype(np.uint8)
    expected = [
        np.sum((truth == k) & (found == k)) / np.sum((truth == k) | (found == k)) for k in range(4)
    ]
    np.testing.assert_allclose(iou.iou(iou.confusion(truth, found, 4)), expected)


def test_a_class_that_is_only_found_has_no_score_and_costs_the_others():
    truth = np.zeros((2, 2), np.uint8)
    found = np.array([[0, 0], [0, 1]], np.uint8)
    np.testing.assert_allclose(iou.iou(iou.confusion(truth, found, 2)), [0.75, np.nan])


@pytest.mark.parametrize("wrong", [np.full((2, 2), 3, np.uint8), np.zeros((2, 3), np.uint8)])
def test_what_does_not_fit_is_refused(wrong):
    with pytest.raises(ValueError, match="class"):
        iou.confusion(np.zeros((2, 2), np.uint8), wrong, 3)
