import numpy as np
import oracle

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
    seen = [
        norm(e - oracle.correlate(x[None], W)[0]) / norm(e) for x, W in zip(u, W_d, strict=False)
    ]
    assert np.isnan(found.seen[0])
    np.testing.assert_allclose(found.seen[1:], seen, rtol=1e-5)


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
