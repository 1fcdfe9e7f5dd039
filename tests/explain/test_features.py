import numpy as np
import oracle

from fnet_jax.explain import features


def test_energy_is_the_sum_of_squares(rng):
    code = rng.normal(size=(5, 7, 3)).astype(np.float32)
    np.testing.assert_allclose(features.energy(code), (code**2).sum(axis=2), rtol=1e-5)


def test_use_against_loops(rng):
    code = rng.normal(size=(6, 5, 4)).astype(np.float32) * [1, 3, 0.5, 2]
    use = features.use(code, 0.7)
    total = sum(float((code[..., j] ** 2).sum()) for j in range(4))
    for j in range(4):
        np.testing.assert_allclose(use.energy[j], (code[..., j] ** 2).sum() / total, rtol=1e-5)
        often = sum(abs(x) >= 0.7 for x in code[..., j].ravel()) / 30
        assert use.frequency[j] == often
    assert use.order[0] == 1
    assert (np.diff(use.energy[use.order]) <= 0).all()
    np.testing.assert_allclose(use.energy.sum(), 1)


def test_a_code_of_zeros():
    use = features.use(np.zeros((2, 3, 4), np.float32), 0.1)
    assert not use.energy.any()
    assert not use.frequency.any()
    np.testing.assert_array_equal(use.order, range(4))


def test_contribution_is_of_what_each_feature_draws(rng):
    code = rng.normal(size=(6, 7, 3)).astype(np.float32)
    G = rng.normal(size=(3, 3, 3, 1)).astype(np.float32)
    G[:, :, 1] = 0  # strong, but draws nothing
    code[..., 1] *= 10
    light = []
    for j in range(3):
        one = code * (np.arange(3) == j)
        light.append(np.abs(oracle.correlate(one[None], G)).sum())
    found = features.contribution(code, G)
    np.testing.assert_allclose(found, np.array(light) / sum(light), rtol=1e-5)
    assert found[1] == 0
    assert not features.contribution(0 * code, G).any()
