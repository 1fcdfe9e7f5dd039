import itertools

import numpy as np
import pytest
from made_up_cameras import through, transform

from fnet_jax.registration import transforms
from fnet_jax.registration.transforms import MODELS

SIZE = (240, 320)


def test_edges_of_a_resized_image_meet_those_of_the_image():
    to_half = transforms.resizing((240, 320), (120, 160))
    edges = np.array([[-0.5, -0.5], [319.5, 239.5]])
    np.testing.assert_allclose(transforms.moved(to_half, edges), [[-0.5, -0.5], [159.5, 119.5]])


def test_the_start_lays_center_on_center_and_longer_side_on_longer_side():
    start = transforms.centered((100, 200), (300, 400))
    middle = transforms.moved(start, np.array([[99.5, 49.5]]))
    np.testing.assert_allclose(middle, [[199.5, 149.5]])
    assert transforms.scale_of(start, (100, 200)) == pytest.approx(2)


@pytest.mark.parametrize("model", MODELS)
def test_a_displacement_moves_points_as_its_fields_say(model, rng):
    """To first order: the rest is of the size of the shift squared over the image's size."""
    points = rng.uniform(0, 240, (20, 2))
    spans = transforms.fields(model, points, SIZE)
    parameters = rng.uniform(-0.5, 0.5, spans.shape[2])
    change = transforms.displacement(model, parameters, SIZE)
    np.testing.assert_allclose(
        transforms.moved(change, points) - points, spans @ parameters, atol=0.02
    )


def test_models_contain_each_other(rng):
    points = rng.uniform(0, 240, (30, 2))
    for stiff, flexible in itertools.pairwise(MODELS):
        low, high = (transforms.fields(each, points, SIZE) for each in (stiff, flexible))
        shifts = low @ rng.uniform(-1, 1, low.shape[2])
        flat = high.reshape(-1, high.shape[2])
        found = np.linalg.lstsq(flat, shifts.ravel(), rcond=None)[0]
        np.testing.assert_allclose(high @ found, shifts, atol=1e-9)


def test_what_is_no_view_of_the_same_scene_is_not_plausible():
    fine = transform(6, 1.1, 20, -10, size=SIZE)
    assert transforms.plausible(fine, SIZE, SIZE)
    mirrored = np.diag([-1.0, 1, 1]) + np.array([[0, 0, 319], [0, 0, 0], [0, 0, 0]])
    away = transform(0, 1, 2000, 0, size=SIZE)
    folded = through(np.array([[0, 0], [0, 0], [310, -230], [-310, -230]]), size=SIZE)
    for wrong in (mirrored, away, folded, np.full((3, 3), np.nan)):
        assert not transforms.plausible(wrong, SIZE, SIZE)


def test_the_nearest_of_a_model_is_the_transform_itself_where_it_is_one():
    there = transforms.centered(SIZE, (300, 400))
    similar = there @ transform(5, 1.1, 10, -7, size=SIZE)
    for model in MODELS[1:]:
        found = transforms.nearest(similar, model, there, SIZE)
        np.testing.assert_allclose(found, similar, atol=1e-9)
    shifted = transforms.nearest(similar, "translation", there, SIZE)
    np.testing.assert_allclose(shifted[:2, :2], there[:2, :2])


def test_the_overlap_is_the_part_of_the_first_image_that_lies_on_the_second():
    ends = transforms.overlap(transform(0, 1, 80, 0, size=SIZE), SIZE, SIZE)
    np.testing.assert_allclose(ends, [[0, 0], [239.25, 0], [0, 239], [239.25, 239]], atol=5)
    apart = transforms.overlap(transform(0, 1, 5000, 0, size=SIZE), SIZE, SIZE)
    np.testing.assert_allclose(apart, transforms.corners(SIZE))
