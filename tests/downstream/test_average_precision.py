"""mAP@[.5:.95] against hand-made truths, and of images that count several times."""

import sys

import numpy as np
import pytest

from eval.downstream import average_precision, coco
from eval.downstream.average_precision import THRESHOLDS, evaluate
from eval.downstream.boxes import Boxes
from eval.downstream.intervals import summary
from fnet_jax.errors import InputError

CLASSES = ("person", "bicycle", "car")
SIZE = (200, 300)


@pytest.fixture
def library():
    return pytest.importorskip("pycocotools", reason="pycocotools measures detectors")


def boxes(rows):
    table = np.array(rows, dtype=float).reshape(-1, 5)
    return Boxes(table[:, 0].astype(int), table[:, 1:])


def measured(truth, found, *, classes=CLASSES):
    """Evaluates rows (class, x1, y1, x2, y2) and (class, x1, y1, x2, y2, score) by image."""
    known = coco.truth_of(
        classes, dict.fromkeys(truth, SIZE), {name: boxes(rows) for name, rows in truth.items()}
    )
    seen = {
        name: (boxes([row[:5] for row in rows]), np.array([row[5] for row in rows]))
        for name, rows in found.items()
    }
    return evaluate(known, coco.predictions(coco.numbers(truth), seen))


TRUTH = {
    "a": [(0, 10, 10, 30, 60), (0, 50, 10, 70, 60), (2, 100, 50, 180, 100)],
    "b": [(2, 0, 0, 40, 20)],
    "c": [],
}


def perfect(truth):
    return {name: [(*row, 0.9) for row in rows] for name, rows in truth.items()}


def test_all_found_is_one(library):
    found = measured(TRUTH, perfect(TRUTH))
    np.testing.assert_allclose(found.ap, [1, np.nan, 1], rtol=1e-12)
    np.testing.assert_allclose(found.ap50, [1, np.nan, 1], rtol=1e-12)
    assert found.mean == pytest.approx(1)  # of the two classes that there are
    assert found.precision.shape == (10, 101, 3)


def test_nothing_found_is_zero(library):
    found = measured(TRUTH, {})
    np.testing.assert_array_equal(found.ap, [0, np.nan, 0])
    assert found.mean == 0
    np.testing.assert_array_equal(found.values(np.array([2, 1, 0])), [0, np.nan, 0])


def test_what_is_not_in_the_truth_counts_nowhere(library):
    found = measured(TRUTH, {**perfect(TRUTH), "c": [(1, 0, 0, 10, 10, 1.0)]})
    np.testing.assert_allclose(found.ap, [1, np.nan, 1], rtol=1e-12)


def test_a_truth_without_boxes_has_no_mean(library):
    found = measured({"a": [], "b": []}, {"a": [(0, 0, 0, 9, 9, 0.5)]})
    assert np.isnan(found.ap).all()
    assert np.isnan(found.mean)
    assert np.isnan(found.values(np.array([2, 0]))).all()


@pytest.mark.parametrize("shift", [5, 12, 20, 30, 33, 40, 60])
def test_a_shifted_box_counts_at_the_thresholds_below_its_overlap(library, shift):
    overlap = (100 - shift) / (100 + shift)  # of boxes 100 wide
    found = measured(
        {"a": [(0, 50, 50, 150, 90)]}, {"a": [(0, 50 + shift, 50, 150 + shift, 90, 1)]}
    )
    assert np.abs(THRESHOLDS - overlap).min() > 1e-3  # no tie
    expected = (overlap > THRESHOLDS).astype(float)
    np.testing.assert_allclose(found.precision[:, :, 0].mean(axis=1), expected, atol=1e-12)
    assert found.ap[0] == pytest.approx(expected.mean())
    assert found.ap50[0] == pytest.approx(expected[0])


def test_wrong_boxes_cost_by_their_rank(library):
    hits = [(0, 10, 10, 30, 60, 0.8), (0, 50, 10, 70, 60, 0.6)]
    truth = {"a": [row[:5] for row in hits]}

    def ap(score):
        return measured(truth, {"a": [*hits, (0, 200, 100, 220, 150, score)]}).ap[0]

    assert ap(0.5) == pytest.approx(1)  # below: costs nothing
    # Between: of 101 recalls 0, 0.01 … the 51 up to 1/2 are reached with precision 1, the others
    # with 2/3. Above: the precision is 1/2 after the first hit, but 2/3 after the second.
    assert ap(0.7) == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert ap(0.9) == pytest.approx(2 / 3)


def test_a_second_box_on_the_same_object_is_wrong(library):
    truth = {"a": [(0, 10, 10, 30, 60), (0, 100, 10, 120, 60)]}
    twice = [(0, 10, 10, 30, 60, 0.9), (0, 10, 10, 30, 60, 0.8), (0, 100, 10, 120, 60, 0.7)]
    assert measured(truth, {"a": twice}).ap[0] == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_a_box_of_another_class_or_image_is_wrong(library):
    truth = {"a": [(0, 10, 10, 30, 60)], "b": [(2, 10, 10, 30, 60)]}
    found = {"a": [(2, 10, 10, 30, 60, 0.9)], "b": [(0, 10, 10, 30, 60, 0.9)]}
    np.testing.assert_array_equal(measured(truth, found).ap, [0, np.nan, 0])


def random_case(rng, count):
    """Truth and detections of several images, with hits, misses, doubles and inventions."""
    truth, found = {}, {}
    for number in range(count):
        corners = rng.uniform(0, 150, (rng.integers(0, 5), 2))
        rows = [(rng.integers(0, 2), *c, *(c + rng.uniform(10, 60, 2))) for c in corners]
        near = [(row[0], *(np.array(row[1:]) + rng.normal(0, 3, 4))) for row in rows]
        wrong = [(rng.integers(0, 2), *c, *(c + 30)) for c in rng.uniform(0, 150, (3, 2))]
        name = f"{number:03}"
        truth[name] = rows
        found[name] = [(*row, rng.uniform()) for row in near + wrong if rng.uniform() < 0.8]
    return truth, found


def test_our_sum_is_the_librarys(library, rng):
    for _ in range(5):
        found = measured(*random_case(rng, 12), classes=CLASSES[:2])
        once = np.ones(12, dtype=int)
        own = [matches.average_precision(once) for matches in found.matches]
        np.testing.assert_allclose(own, found.ap, rtol=1e-12)
        assert 0.05 < found.mean < 0.95


def test_drawn_images_count_as_often_as_they_are_drawn(library, rng):
    for _ in range(5):
        truth, seen = random_case(rng, 8)
        counts = rng.multinomial(8, np.full(8, 1 / 8))
        found = measured(truth, seen, classes=CLASSES[:2])
        own = [matches.average_precision(counts) for matches in found.matches]
        copies = {
            f"{name} {copy}": name
            for name, count in zip(sorted(truth), counts, strict=True)
            for copy in range(count)
        }
        written = measured(
            {copy: truth[name] for copy, name in copies.items()},
            {copy: seen[name] for copy, name in copies.items()},
            classes=CLASSES[:2],
        )
        np.testing.assert_allclose(own, written.ap, rtol=1e-12)


def test_intervals_hold_the_value_and_narrow_with_the_images(library):
    widths = []
    for number in (10, 160):
        model = measured(*random_case(np.random.default_rng(0), number), classes=CLASSES[:2])
        found = summary({"A": [model]}, against="A", resamples=200)
        low, high = found.intervals[0].T
        assert (low < found.values[0]).all()
        assert (found.values[0] < high).all()
        widths.append((high - low)[-1])
    assert widths[1] < widths[0] / 2  # by √16 on average


def test_predictions_of_another_truth_are_refused():
    truth = coco.truth_of(CLASSES, {"a": SIZE}, {})
    entry = {"image_id": 2, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}
    with pytest.raises(InputError, match="image_id 2"):
        evaluate(truth, [entry])


def test_no_box_may_be_ignored():
    truth = coco.truth_of(CLASSES, {"a": SIZE}, {"a": boxes([(0, 0, 0, 9, 9)])})
    truth["annotations"][0]["iscrowd"] = 1
    with pytest.raises(InputError, match="boxes to be ignored"):
        evaluate(truth, [])


def test_an_empty_truth_is_refused():
    with pytest.raises(InputError, match="no image"):
        evaluate(coco.truth_of(CLASSES, {}, {}), [])


def test_a_missing_library_is_named(monkeypatch):
    for name in ("pycocotools", "pycocotools.coco", "pycocotools.cocoeval"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match="pip install pycocotools"):
        average_precision.versions()


def test_nothing_is_printed(library, capfd):
    measured(TRUTH, perfect(TRUTH))
    assert capfd.readouterr() == ("", "")
