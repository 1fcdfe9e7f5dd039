import numpy as np

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
