import numpy as np
import oracle
import pytest

from fnet_jax.explain.convergence import convergence


def norm(x):
    return np.sqrt((np.asarray(x, np.float64) ** 2).sum())


def arrays(rng, *, channels):
    e = rng.random((7, 8, channels)).astype(np.float32)
    u = [rng.normal(size=(7, 8, 3)).astype(np.float32) for _ in range(3)]
    W_d = [rng.normal(size=(3, 3, 3, channels)).astype(np.float32) for _ in range(2)]
    return e, u, W_d, rng.normal(size=(3, 3, 3, channels)).astype(np.float32)


def test_it_equals_the_definitions(rng):
    e, u, W_d, D = arrays(rng, channels=1)
    found = convergence(e, u, W_d, D)
    steps = [norm(u[0]), norm(u[1] - u[0]), norm(u[2] - u[1])]
    np.testing.assert_allclose(found.step, steps, rtol=1e-5)
    np.testing.assert_allclose(found.relative_step, steps / np.array([*map(norm, u)]), rtol=1e-5)
    decoded = [norm(e - oracle.correlate(x[None], D)[0]) / norm(e) for x in u]
    np.testing.assert_allclose(found.decoded, decoded, rtol=1e-5)
    for k, (x, W) in enumerate(zip(u, W_d, strict=False), 1):
        read = np.asarray(oracle.correlate(x[None], W)[0])
        cosine = (e * read).sum() / norm(e) / norm(read)  # the best multiple leaves the sine
        assert found.seen[k] == pytest.approx(np.sqrt(1 - cosine**2), rel=1e-5)
    assert np.isnan(found.seen[0])


def test_what_is_seen_is_the_same_however_the_filters_mix_the_channels(rng):
    e, u, W_d, _ = arrays(rng, channels=2)
    A = np.array([[2.0, -1.0], [0.5, 3.0]], np.float32)
    one, other = convergence(e, u, W_d).seen, convergence(e, u, [W @ A for W in W_d]).seen
    np.testing.assert_allclose(one, other, rtol=1e-5)
    told = [e @ A] * 3  # as codes that a filter of one pixel decodes
    only = convergence(e, told, [np.eye(2, dtype=np.float32)[None, None]] * 2)
    np.testing.assert_allclose(only.seen[1:], 0, atol=1e-5)


def test_without_a_decoder(rng):
    e, u, W_d, _ = arrays(rng, channels=2)
    found = convergence(e, u, W_d)
    assert np.isnan(found.decoded).all()
    assert np.isfinite(found.seen[1:]).all()


def test_nothing_to_code(rng):
    e, u, W_d, D = arrays(rng, channels=1)
    found = convergence(0 * e, [0 * x for x in u], W_d, D)
    assert not found.step.any()
    for undefined in (found.relative_step, found.seen, found.decoded):
        assert np.isnan(undefined).all()
