import numpy as np
import pytest
from made_up_cameras import scene, seen, transform

from fnet_jax.registration import estimation
from fnet_jax.registration.agreement import FEWEST, Agreement, Level
from fnet_jax.registration.transforms import MODELS, fields

SIZE = (240, 320)


def level_and(infrared, visible):
    one, two = (estimation.prepared(name, i) for name, i in (("i1", visible), ("i2", infrared)))
    return Level(one, 1.0, block=40, sigmas=(1.0,)), two


def made_up(rng, truth, model="affine", blocks=80, odd=0.0, size=SIZE):
    """Blocks whose peaks lie where a displacement puts them, but for a part of them."""
    centers = rng.uniform(20, 220, (blocks, 2))
    shifts = fields(model, centers, size) @ truth
    wrong = rng.uniform(0, 1, blocks) < odd
    shifts[wrong] = rng.uniform(-8, 8, (wrong.sum(), 2))
    y, x = np.mgrid[-8:9, -8:9]
    far = (x - shifts[:, 0, None, None]) ** 2 + (y - shifts[:, 1, None, None]) ** 2
    logs = -far * 2 + rng.normal(0, 0.05, (blocks, 17, 17))
    logs -= np.log(np.exp(logs).sum((1, 2), keepdims=True))
    return Agreement(centers, logs, 8, size)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("odd", [0.0, 0.3])
def test_the_displacement_that_most_blocks_show_is_found_between_pixels(rng, model, odd):
    number = fields(model, np.zeros((1, 2)), SIZE).shape[2]
    truth = rng.uniform(-1.5, 1.5, number)
    found, evidence = made_up(rng, truth, model, odd=odd).climb(model)
    centers = np.array([[30.0, 30], [210, 40], [50, 210]])
    spans = fields(model, centers, SIZE)
    np.testing.assert_allclose(spans @ found, spans @ truth, atol=0.3 if odd else 0.05)
    assert evidence > 10


def test_evidence_is_greatest_at_the_truth_and_negative_far_from_it(rng):
    agreement = made_up(rng, np.array([1.2, -0.7]), "translation")
    at = lambda x, y: agreement.evidence(np.full((80, 2), [x, y], float))
    assert at(1.2, -0.7) > at(2, -0.7) > at(4, -0.7)
    assert at(-6, 6) < 0
    assert at(50, 50) == pytest.approx(at(-70, 0))  # beyond what was looked at


def test_the_spread_of_halves_is_that_of_the_result(rng):
    """Of 30 samples with noise, the real spread and the expected one agree within a factor of 2."""
    real, expected = [], []
    for _ in range(30):
        agreement = made_up(rng, np.zeros(2), "translation", blocks=60)
        noise = rng.normal(0, 0.6, (60, 1, 1, 2))
        y, x = np.mgrid[-8:9, -8:9]
        logs = -((x - noise[..., 0]) ** 2 + (y - noise[..., 1]) ** 2) / 2
        logs -= np.log(np.exp(logs).sum((1, 2), keepdims=True))
        noisy = Agreement(agreement.centers, logs, 8, SIZE)
        parameters, _ = noisy.climb("translation")
        real.append(parameters)
        expected.append(noisy.resampled("translation", parameters, 12).parameters - parameters)
    ratio = np.sqrt(np.mean(np.square(expected)) / np.mean(np.square(real)))
    assert 0.5 < ratio < 2


def test_blocks_of_two_modalities_peak_where_they_belong():
    visible, infrared = scene(1)
    level, two = level_and(seen(infrared, transform(0, 1, 3, -2, size=SIZE)), visible)
    found = level.agreement(two, np.eye(3), 6)
    assert isinstance(found, Agreement)
    np.testing.assert_allclose(np.exp(found.logs).sum((1, 2)), 1)
    (x, y), _ = found.climb("translation")
    assert (x, y) == (pytest.approx(3, abs=0.3), pytest.approx(-2, abs=0.3))


def test_what_does_not_reach_or_shows_nothing_gives_no_agreement():
    visible, infrared = scene(1)
    level, two = level_and(infrared, visible)
    assert level.agreement(two, transform(0, 1, 900, 0, size=SIZE), 6) is None
    flat, _ = level_and(infrared, np.full(SIZE, 7, np.uint8))
    assert len(flat.corners) < FEWEST
    assert flat.agreement(two, np.eye(3), 6) is None
