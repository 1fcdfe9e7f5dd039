import numpy as np
from made_up_cameras import scene, seen, transform

from fnet_jax.checking.likeness import alike, jumps, odd_exposures, print_of

SIZE = (240, 320)


def prints(pairs):
    return [print_of(one) for one, _ in pairs], [print_of(two) for _, two in pairs]


def test_copies_and_near_copies_are_found_and_others_are_not(rng):
    pairs = [scene(seed) for seed in range(5)]
    noisy = tuple(np.clip(i + rng.normal(0, 2, i.shape), 0, 255).astype(np.uint8) for i in pairs[1])
    shifted = tuple(seen(image, transform(0, 1, 1, 0, size=SIZE)) for image in pairs[3])
    half = pairs[0][0], pairs[2][1]  # only one of its images is there twice
    found = alike(*prints([*pairs, pairs[2], noisy, shifted, half]))
    assert [(each.first, each.second, each.exactly) for each in found] == [
        (2, 5, True),
        (1, 6, False),
        (3, 7, False),
    ]
    assert found[0].likeness == 1
    fog = np.linspace(100, 108, 240 * 320).reshape(SIZE).astype(np.uint8)  # too smooth to compare
    twins = alike(*prints([(pairs[0][0], fog), pairs[1], (pairs[0][0], fog)]))
    assert [(each.first, each.second, each.exactly) for each in twins] == [(0, 2, True)]
    assert not alike([], [])


def test_images_that_show_nothing_are_like_nothing():
    flat = np.full(SIZE, 100, np.uint8)
    assert not alike(*prints([(flat, flat), (flat, flat + 1)]))


def test_jumps_of_level_and_gain_are_found_in_order_of_frames():
    base = scene(1)[1]
    frames = [
        base,
        np.clip(base + 1.0, 0, 255).astype(np.uint8),
        np.clip(base + 40.0, 0, 255).astype(np.uint8),
        np.clip(base * 0.5 + 60, 0, 255).astype(np.uint8),
        scene(7)[1],
    ]
    found = jumps([print_of(frame) for frame in frames])
    assert [at for at, _ in found] == [2, 3]
    assert "the mean jumps by +" in found[0][1]


def test_one_exposure_among_many_is_odd():
    images = [np.clip(scene(seed)[0] * 1.0, 0, 255).astype(np.uint8) for seed in range(9)]
    images[4] = np.clip(images[4] + 130.0, 0, 255).astype(np.uint8)
    found = odd_exposures([print_of(image) for image in images])
    assert [at for at, _ in found] == [4]
    assert not odd_exposures([print_of(image) for image in images[:5]])
