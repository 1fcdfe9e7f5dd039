import numpy as np
import pytest
from made_up_cameras import error, random_scene, scene, seen, through, transform

from fnet_jax.errors import InputError
from fnet_jax.registration import MODELS, apply, estimate
from fnet_jax.registration.estimation import LAST, judged, level_of, prepared, refined, resampled
from fnet_jax.registration.transforms import shift

SIZE = (240, 320)


@pytest.mark.parametrize(
    ("model", "matrix"),
    [
        ("translation", transform(0, 1, 14.3, -9.6, size=SIZE)),
        ("similarity", transform(-6, 1.12, -11, 7.5, size=SIZE)),
        ("affine", np.array([[0.93, 0.05, 9.0], [-0.02, 1.04, -8.0], [0, 0, 1]])),
        ("homography", through(np.array([[9, -7], [-6, 8], [5, 9], [-8, -4]]), size=SIZE)),
    ],
)
def test_a_known_transform_is_found_across_modalities(model, matrix):
    visible, infrared = scene(1)
    found = estimate(visible, seen(infrared, matrix), model=model)
    assert found.accepted, found.reason
    assert found.model == model
    # The scene's infrared is blurred and has other edges: half a pixel is what it can tell.
    assert error(found.matrix, matrix, SIZE) < 1
    assert found.expected_error < 2
    assert (found.size1, found.size2) == (SIZE, SIZE)


def test_sizes_and_fields_of_view_may_differ():
    visible, infrared = scene(2, 480, 640)
    matrix = np.array([[0.42, 0.01, -20], [-0.008, 0.42, -12], [0, 0, 1]])
    small = seen(infrared, matrix, (170, 220))
    found = estimate(visible, small, model="similarity")
    assert found.accepted, found.reason
    assert error(found.matrix, matrix, (480, 640)) < 1.5
    back = estimate(small, visible, model="similarity")
    assert back.accepted, back.reason
    assert error(np.linalg.inv(back.matrix), matrix, (480, 640)) < 2


def test_gradients_may_be_reversed_and_types_differ():
    visible, infrared = scene(3)
    matrix = transform(3, 0.95, 6, 4, size=SIZE)
    moving = (65535 - 200 * seen(infrared, matrix).astype(np.uint16)).astype(np.uint16)
    found = estimate(visible[..., 1].astype(np.float64) / 255, moving[..., None], model="affine")
    assert found.accepted, found.reason
    assert error(found.matrix, matrix, SIZE) < 1


def test_what_fits_is_left_as_it_is():
    visible, infrared = scene(4)
    found = estimate(visible, infrared)
    assert found.accepted
    assert error(found.matrix, np.eye(3), SIZE) < 0.3


def test_a_start_is_where_a_narrow_search_looks():
    visible, infrared = scene(5)
    matrix = transform(0, 1, 60, 20, size=SIZE)
    moving = seen(infrared, matrix)
    near = transform(0.5, 1.01, 57, 22, size=SIZE)
    found = estimate(visible, moving, start=near[:2], wide=False)
    assert found.accepted
    assert error(found.matrix, matrix, SIZE) < 1
    alone = estimate(visible, moving, wide=False)
    assert not alone.accepted or error(alone.matrix, matrix, SIZE) > 1


def test_a_panorama_keeps_enough_of_its_short_side():
    visible, infrared = scene(1, 60, 1200)
    found = estimate(visible, infrared, model="similarity")
    assert error(found.matrix, np.eye(3), (60, 1200)) < 3


def test_a_start_of_a_wrong_scale_hides_nothing():
    visible, infrared = scene(1)
    found = estimate(visible, infrared, model="similarity", start=[[0.001, 0, 9], [0, 0.001, 9]])
    assert found.accepted
    assert error(found.matrix, np.eye(3), SIZE) < 1


def test_different_scenes_are_refused():
    pairs = [
        (scene(1)[0], random_scene(240, 320, seed=50)[1]),
        (scene(2)[0], np.roll(scene(9)[1][::-1], 100, 1)),
    ]
    for one, two in pairs:
        found = estimate(one, two, model="affine")
        assert not found.accepted
        assert found.reason


@pytest.mark.parametrize("what", ["flat", "noise", "black"])
def test_images_without_anything_are_refused(what, rng):
    visible = scene()[0]
    two = {
        "flat": np.full(SIZE, 99, np.uint8),
        "black": np.zeros(SIZE, np.uint8),
        "noise": rng.integers(0, 256, SIZE, np.uint8),
    }[what]
    for one, other in ((visible, two), (two, visible)):
        found = estimate(one, other, model="similarity")
        assert not found.accepted
        assert found.evidence >= 0


def test_what_cannot_be_registered_is_named():
    visible, infrared = scene()
    with pytest.raises(InputError, match=r"i2 has 40×240 pixels; registration needs at least 48"):
        estimate(visible, infrared[:, :40])
    with pytest.raises(InputError, match=r"i1 has shape \(240, 320, 4\)"):
        estimate(np.zeros((240, 320, 4)), infrared)
    with pytest.raises(InputError, match="i2 contains NaN"):
        estimate(visible, np.full(SIZE, np.nan))
    with pytest.raises(
        ValueError, match="'rigid' is not a model; use one of translation, similarity"
    ):
        estimate(visible, infrared, model="rigid")


def test_the_result_lays_the_second_image_over_the_first():
    visible, infrared = scene(6)
    matrix = transform(4, 1.06, -8, 5, size=SIZE)
    moving = seen(infrared, matrix)
    laid = apply(moving, estimate(visible, moving, model="affine").matrix, SIZE).astype(float)
    inner = (slice(40, -40), slice(40, -40))
    before = np.abs(moving.astype(float) - infrared)[inner].mean()
    after = np.abs(laid - infrared)[inner].mean()
    assert after < 0.4 * before


def test_models_are_named_from_stiff_to_flexible():
    assert MODELS == ("translation", "similarity", "affine", "homography")


def mostly_different(seed, matrix):
    """A pair that shares a third of the scene; the rest of I2 shows another one."""
    visible, infrared = scene(seed)
    other = random_scene(*SIZE, seed=seed + 70)[1].copy()
    other[60:180, 90:230] = infrared[60:180, 90:230]
    return visible, seen(other, matrix)


@pytest.mark.parametrize("seed", [1, 4, 6])
def test_a_pair_of_which_a_third_agrees_is_found(seed):
    matrix = transform(4, 1.08, 18, -12, size=SIZE)
    found = estimate(*mostly_different(seed, matrix), model="similarity")
    assert error(found.matrix, matrix, SIZE) < 3


def test_models_that_lead_elsewhere_add_to_the_expected_error():
    visible, infrared = scene(2)
    there = np.eye(3)
    one, two = prepared("i1", visible), prepared("i2", infrared)
    found = resampled(refined(level_of(one, LAST, there), two, there, "similarity", LAST))

    def judge(*rivals):
        return judged(found._replace(rivals=rivals), SIZE, SIZE, there)

    away = found._replace(matrix=shift(12, 0) @ found.matrix)
    worse = away._replace(halves=found.halves._replace(evidence=found.halves.evidence - 20))
    alone = judge().expected_error
    assert judge(worse).expected_error == pytest.approx(alone, abs=0.01)
    # Two transforms 12 pixels apart that are as likely as each other: half of 12 squared.
    assert judge(away).expected_error == pytest.approx(np.hypot(alone, 12 / 2**0.5), abs=0.01)
    assert judge().accepted
    assert "uncertain" in judge(away).reason
