import numpy as np

from eval.downstream import pictures
from fnet_jax import images


def test_classes_have_colors_of_their_own():
    found = pictures.colors(9)
    assert found.shape == (9, 3)
    assert not found[0].any()
    assert len(np.unique(found, axis=0)) == 9


def test_only_classes_are_drawn_over():
    image = np.full((2, 3, 3), 100, np.uint8)
    labels = np.array([[0, 1, 255], [0, 2, 0]], np.uint8)
    found = pictures.overlaid(image, labels, 3)
    changed = (found != image).any(axis=2)
    np.testing.assert_array_equal(changed, (labels == 1) | (labels == 2))
    assert (found[0, 1] != found[1, 1]).any()


def test_scenes_with_most_classes_are_shown():
    labels = {name: np.arange(k, dtype=np.uint8) for name, k in (("c", 3), ("a", 1), ("b", 5))}
    assert pictures.chosen(labels, most=2) == ["b", "c"]


def test_frames_are_where_the_boxes_are():
    palette = pictures.colors(3)
    boxes = [{"bbox": [2, 3, 5, 4], "category_id": 2}]
    found = pictures.framed(np.zeros((20, 20, 3), np.uint8), boxes, palette)
    rows, columns = np.nonzero(found.any(axis=2))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 7, 2, 7)
    np.testing.assert_array_equal(found[3, 2], palette[2])
    assert not found[5, 4].any()


def test_a_picture_has_rows_and_titles(tmp_path):
    cell = np.full((30, 40, 3), 7, np.uint8)
    pictures.write(tmp_path / "a.png", ["truth", "Mean"], [[cell, cell]] * 3)
    found = images.read(tmp_path / "a.png")
    assert found.shape == (pictures.TITLE + 90, 80, 3)
    assert (found[: pictures.TITLE] < 128).any()  # the titles


def test_curves_of_some_models(tmp_path):
    pictures.curves(tmp_path / "a.png", {"Mean": [[3.0, 1.0], [2.0, 1.5]], "FNet": [[1.0, 0.5]]})
    assert images.read(tmp_path / "a.png").shape[2] == 3
