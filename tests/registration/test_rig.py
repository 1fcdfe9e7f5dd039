import numpy as np
import pytest
from made_up_cameras import error, random_scene, scene, seen, transform

from fnet_jax.errors import InputError
from fnet_jax.registration import fit

SIZE = (240, 320)
MATRIX = transform(4, 1.06, 13, -8, size=SIZE)


def members(seeds, matrix=MATRIX):
    """Functions that give pairs, as of files that are read when they are needed."""

    def pair(seed):
        visible, infrared = scene(seed)
        return visible, seen(infrared, matrix)

    return [lambda seed=seed: pair(seed) for seed in seeds]


def test_one_transform_is_found_and_a_foreign_pair_is_marked():
    foreign = lambda: (scene(3)[0], random_scene(*SIZE, seed=9)[1])
    empty = lambda: (scene(4)[0], np.full(SIZE, 30, np.uint8))
    rig = fit([*members((1, 2)), foreign, empty, *members((5,))], model="similarity")
    assert rig.registration.accepted, rig.registration.reason
    assert error(rig.registration.matrix, MATRIX, SIZE) < 1
    assert [member.fits for member in rig.members] == [True, True, False, False, True]
    for at in (0, 1, 4):
        member = rig.members[at]
        assert member.evidence > member.before
        assert member.offset < 1
    assert np.isnan(rig.members[3].offset)


def test_pairs_that_show_little_alone_are_enough_together():
    """Each pair shows a strip of its own only."""
    pairs = []
    for at in range(4):
        visible, infrared = scene(6)
        part = np.full_like(infrared, infrared.mean())
        part[:, 80 * at : 80 * at + 80] = infrared[:, 80 * at : 80 * at + 80]
        pairs.append(lambda visible=visible, part=part: (visible, seen(part, MATRIX)))
    together = fit(pairs, model="similarity")
    assert together.registration.accepted
    assert error(together.registration.matrix, MATRIX, SIZE) < 3
    # The fit and the judging of single pairs measure alike.
    shares = sum(member.evidence for member in together.members)
    assert together.registration.evidence == pytest.approx(shares, rel=0.1)


def test_different_scenes_make_no_rig():
    pairs = [
        lambda seed=seed: (scene(seed)[0], random_scene(*SIZE, seed=seed + 20)[1])
        for seed in range(2)
    ]
    rig = fit(pairs, model="similarity")
    assert not rig.registration.accepted
    assert rig.registration.reason


def test_a_rig_has_one_size_and_at_least_one_pair():
    with pytest.raises(InputError, match="no pairs"):
        fit([])
    other = lambda: (scene(1)[0][:200], scene(1)[1])
    with pytest.raises(InputError, match="pair 2 differs in size from the first"):
        fit([*members((1,)), other])
    with pytest.raises(ValueError, match="is not a model"):
        fit(members((1,)), model="rigid")
