"""The classical solvers against brute force, their own theory, and another library."""

import functools
import inspect
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fnet_jax.sparse_coding import correlation, solvers
from fnet_jax.sparse_coding.operators import adjoint, operator_norm

correlate = jax.jit(correlation.correlate)  # eagerly, each operation is compiled alone

L0 = [solvers.iht, solvers.accelerated_iht, solvers.normalised_iht]
L1 = [solvers.ista, solvers.fista]
DESCENDING = [*L0, solvers.ista]


def unit_filters(rng, size, features, channels=1):
    D = rng.normal(size=(size, size, features, channels))
    return np.float32(D / np.sqrt((D**2).sum(axis=(0, 1, 3), keepdims=True)))


def matrix(D, height, width):
    """Columns are the images D u of every u with a single 1."""
    K = D.shape[2]
    ones = np.eye(height * width * K, dtype=D.dtype).reshape(-1, height, width, K)
    return np.float64(correlate(ones, D)).reshape(len(ones), -1).T


def value(A, e, u, penalty, power):
    u = np.float64(u).ravel()
    size = np.abs(u).sum() if power else np.count_nonzero(u)
    return 0.5 * np.sum((np.float64(e).ravel() - A @ u) ** 2) + penalty * size


def best_of_all_supports(A, e, penalty):
    """The optimum of eq. 4: least squares on every support, up to as many entries as pixels.

    More never help: an optimum with linearly dependent columns could drop one for free.
    """
    e = np.float64(e).ravel()
    best = 0.5 * e @ e
    for count in range(1, A.shape[0] + 1):
        for support in itertools.combinations(range(A.shape[1]), count):
            columns = A[:, support]
            missed = e - columns @ np.linalg.lstsq(columns, e, rcond=None)[0]
            best = min(best, 0.5 * missed @ missed + penalty * count)
    return best


def sparse_problem(rng, *, size=5, features=6, shape=(3, 16, 16), density=0.02, channels=1):
    D = unit_filters(rng, size, features, channels)
    u = rng.normal(size=(*shape, features)) * (rng.random((*shape, features)) < density)
    e = correlate(np.float32(u), D) + 0.02 * rng.normal(size=(*shape, channels))
    return np.float32(e), D, np.float32(u)


@pytest.mark.parametrize("solve", L0)
def test_no_start_passes_the_best_support_and_some_reach_it(rng, solve):
    D, e = unit_filters(rng, 3, 2), np.float32(rng.normal(size=(1, 2, 3, 1)))
    A, penalty = matrix(D, 2, 3), 0.15
    best = best_of_all_supports(A, e, penalty)
    starts = np.float32(rng.normal(size=(1000, 2, 3, 2)) * (rng.random((1000, 2, 3, 2)) < 0.3))
    many = np.repeat(e, len(starts), axis=0)
    found = solve(many, D, penalty, start=starts, iterations=300)
    reached = [value(A, e, u, penalty, 0) for u in found.u]
    np.testing.assert_allclose(found.objective[:, -1], reached, rtol=1e-5)  # float32
    assert min(reached) >= best - 1e-6
    assert min(reached) <= best + 1e-5


@pytest.mark.parametrize("solve", L0)
def test_an_orthogonal_dictionary_is_solved_at_once(rng, solve):
    e = np.float32(rng.normal(size=(2, 4, 4, 3)))
    D = np.linalg.qr(rng.normal(size=(3, 3)))[0].astype(np.float32)[None, None]
    found = solve(e, D, 0.2, iterations=2)
    A = matrix(D, 4, 4)
    for image, u in zip(e, found.u, strict=True):
        inner = A.T @ np.float64(image).ravel()  # each entry alone: keep it or pay its square
        best = np.minimum(inner**2 / 2, 0.2).sum()
        np.testing.assert_allclose(value(A, image, u, 0.2, 0), best, rtol=1e-5)


@pytest.mark.parametrize("solve", L0)
def test_what_is_found_is_a_local_minimum(rng, solve):
    """Least squares on its support, and no entry would enter or leave it in another step."""
    e, D, _ = sparse_problem(rng, shape=(1, 8, 8), density=0.03)
    A, penalty = matrix(D, 8, 8), 0.05
    u = np.float64(solve(e, D, penalty, iterations=3000).u).ravel()
    gradient = A.T @ (A @ u - np.float64(e).ravel())
    support = u != 0
    assert 0 < support.sum() < u.size
    # A step gains about g²/‖D‖², which at 1e-3 is lost in the rounding of an objective of about 1.
    np.testing.assert_allclose(gradient[support], 0, atol=1e-3)
    step = 1 / operator_norm(D) ** 2
    assert (np.abs(u[support]) >= np.sqrt(2 * penalty * step) * (1 - 1e-3)).all()
    assert (np.abs(gradient[~support]) <= np.sqrt(2 * penalty / step) * (1 + 1e-3)).all()


@pytest.mark.parametrize("solve", L1)
def test_l1_solutions_meet_the_optimality_conditions(rng, solve):
    e, D, _ = sparse_problem(rng, shape=(1, 8, 8), density=0.03)
    A, penalty = matrix(D, 8, 8), 0.05
    u = np.float64(solve(e, D, penalty, iterations=20_000).u).ravel()
    inner = A.T @ (np.float64(e).ravel() - A @ u)
    support = u != 0
    assert 0 < support.sum() < u.size
    # The gradient is λ·sign(u) where u ≠ 0 and at most λ elsewhere; ISTA is still 1 % away.
    np.testing.assert_allclose(inner[support], penalty * np.sign(u[support]), atol=5e-4)
    assert (np.abs(inner) <= penalty + 5e-4).all()


@pytest.mark.parametrize("solve", DESCENDING)
@pytest.mark.parametrize("penalty", [0.003, 0.03, 0.3])
def test_the_objective_never_rises(rng, solve, penalty):
    e, D, _ = sparse_problem(rng, channels=2)
    found = solve(e, D, penalty, iterations=150)
    assert found.objective.shape == (3, 151)
    rises = np.diff(found.objective, axis=1) / np.asarray(found.objective)[:, :-1]
    assert rises.max() <= 1e-6  # float32 sums of 512 pixels
    assert (found.objective[:, -1] < 0.9 * found.objective[:, 0]).all() or penalty == 0.3


def test_fista_keeps_its_bound_and_ista_its_own(rng):
    e, D, _ = sparse_problem(rng)
    penalty, k = 0.03, np.arange(1, 201)
    best = solvers.fista(e, D, penalty, iterations=20_000)
    far = np.sum(np.float64(best.u) ** 2, axis=(1, 2, 3)) * operator_norm(D) ** 2
    optimum = np.float64(best.objective).min(axis=1)
    for solve, bound in (
        (solvers.fista, 2 * far[:, None] / (k + 1) ** 2),
        (solvers.ista, far[:, None] / (2 * k)),
    ):
        objective = np.float64(solve(e, D, penalty, iterations=200).objective)[:, 1:]
        assert (objective - optimum[:, None] <= bound + 1e-5 * optimum[:, None]).all()
    slow, fast = (f(e, D, penalty, iterations=200).objective[:, -1] for f in L1)
    assert (fast < slow).all()


def test_fista_is_the_articles(rng):
    """Their y and t, from t₁ = 1: the first two iterations are those of ISTA."""
    e, D, _ = sparse_problem(rng, shape=(2, 8, 8))
    step, penalty = float(1 / operator_norm(D) ** 2), 0.03
    x = y = np.zeros((2, 8, 8, 6), np.float32)
    t, expected = 1.0, []
    for _ in range(6):
        z = y + step * correlate(e - correlate(y, D), adjoint(D))
        before, x = x, np.sign(z) * np.maximum(np.abs(z) - penalty * step, 0)
        t, t_before = (1 + np.sqrt(1 + 4 * t**2)) / 2, t
        y = x + (t_before - 1) / t * (x - before)
        expected.append(x)
    found = solvers.fista(e, D, penalty, iterations=6, keep=True).iterates[1:]
    np.testing.assert_allclose(found, expected, atol=1e-5)  # float32
    plain = solvers.ista(e, D, penalty, iterations=3, keep=True).iterates[1:]
    np.testing.assert_allclose(found[:2], plain[:2], atol=1e-6)
    assert np.abs(found[2] - plain[2]).max() > 1e-3


def test_momentum_and_adaptive_steps_get_lower(rng):
    e, D, _ = sparse_problem(rng)
    plain, fast, adaptive = (f(e, D, 0.01, iterations=60) for f in L0)
    assert (fast.objective[:, -1] < plain.objective[:, -1]).all()
    assert (adaptive.objective[:, -1] < plain.objective[:, -1]).all()
    assert (adaptive.step.max(axis=1) > 2 / operator_norm(D) ** 2).all()


@pytest.mark.parametrize("solve", [*L0, *L1])
def test_every_image_is_its_own_problem(rng, solve):
    e, D, _ = sparse_problem(rng)
    penalties = jnp.float32([0.01, 0.03, 0.1])
    together = solve(e, D, penalties, iterations=20)
    for i, penalty in enumerate(penalties):
        alone = solve(e[i : i + 1], D, penalty, iterations=20)
        np.testing.assert_allclose(together.objective[i], alone.objective[0], rtol=1e-4)


@pytest.mark.parametrize("solve", [*L0, *L1])
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_a_bad_image_ends_and_harms_no_other(rng, solve, bad):
    e, D, _ = sparse_problem(rng)
    broken = e.copy()
    broken[1, 3, 3] = bad
    alone, beside = solve(e, D, 0.03, iterations=5), solve(broken, D, 0.03, iterations=5)
    np.testing.assert_allclose(beside.u[::2], alone.u[::2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("solve", [*L0, *L1])
def test_iterates_are_kept_on_demand_and_a_run_can_go_on(rng, solve):
    e, D, _ = sparse_problem(rng)
    whole = solve(e, D, 0.02, iterations=12, keep=True)
    assert whole.iterates.shape == (13, *e.shape[:3], 6)
    assert solve(e, D, 0.02, iterations=12).iterates is None
    np.testing.assert_array_equal(whole.iterates[-1], whole.u)
    assert not whole.iterates[0].any()
    power = 1 if solve in L1 else 0
    images = [correlate(u, D) for u in whole.iterates]
    again = [
        solvers.objective(e, image, u, 0.02, power=power)
        for image, u in zip(images, whole.iterates, strict=True)
    ]
    np.testing.assert_allclose(whole.objective.T, again, rtol=1e-5)
    if solve in (solvers.iht, solvers.normalised_iht, solvers.ista):  # no memory but u
        half = solve(e, D, 0.02, iterations=6)
        other = solve(e, D, 0.02, iterations=6, start=half.u)
        np.testing.assert_allclose(other.objective, whole.objective[:, 6:], rtol=1e-4)


@pytest.mark.parametrize("solve", [*L0, *L1])
def test_they_work_inside_jit_with_filters_unknown_until_then(rng, solve):
    e, D, _ = sparse_problem(rng)
    inside = jax.jit(functools.partial(solve, iterations=5))(e, D, 0.02)
    np.testing.assert_allclose(
        inside.objective, solve(e, D, 0.02, iterations=5).objective, rtol=1e-5
    )
    step = inside.step[:, 0]
    if solve is not solvers.normalised_iht:
        np.testing.assert_allclose(step, 1 / operator_norm(D) ** 2, rtol=1e-5)


@pytest.mark.parametrize("solve", [*L0, *L1])
def test_arguments(solve):
    optional = list(inspect.signature(solve).parameters.values())[3:]
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in optional)
    with pytest.raises(ValueError, match="D and e must have the same channels"):
        solve(jnp.zeros((1, 4, 4, 2)), jnp.zeros((3, 3, 5, 1)), 0.1)
    with pytest.raises(ValueError, match="odd side"):
        solve(jnp.zeros((1, 4, 4, 1)), jnp.zeros((4, 4, 5, 1)), 0.1)
    with pytest.raises(ValueError, match=r"start must have shape \(3, 4, 4, 5\)"):
        solve(jnp.zeros((3, 4, 4, 1)), jnp.zeros((3, 3, 5, 1)), 0.1, start=jnp.zeros((1, 4, 4, 5)))
    for D, iterations in ((jnp.zeros((3, 3, 5)), 1), (jnp.zeros((3, 3, 5, 1)), -1)):
        with pytest.raises(ValueError, match="D must have shape .* iterations must be at least 0"):
            solve(jnp.zeros((1, 4, 4, 1)), D, 0.1, iterations=iterations)
    with pytest.raises(ValueError, match="e must have shape"):
        solve(jnp.zeros((4, 4, 1)), jnp.zeros((3, 3, 5, 1)), 0.1)


def test_normalised_iht_is_the_articles():
    """Against dense matrices, image by image: step sizes, halvings, what ends them, and codes."""
    rng = np.random.default_rng(0)
    e, D, _ = sparse_problem(rng, shape=(2, 8, 8), density=0.03)
    e, D, penalty, iterations, ended = np.float64(e), np.float64(D), 0.02, 40, set()
    with jax.enable_x64(True):
        A = matrix(D, 8, 8)
        for least in (1 / operator_norm(D) ** 2, 0.25):  # with the larger, "never below" ends some
            found = solvers.normalised_iht(
                jnp.asarray(e), D, penalty, iterations=iterations, step=least, keep=True
            )
            for n in range(2):
                u = np.zeros(A.shape[1])
                for k in range(iterations):
                    g, support = A.T @ (e[n].ravel() - A @ u), u != 0
                    part = np.where(support, g, 0) if support.any() else g
                    mu = max(part @ part / np.sum((A @ part) ** 2), least)
                    while True:
                        z = u + mu * g
                        new = np.where(np.abs(z) > np.sqrt(2 * penalty * mu), z, 0)
                        change = new - u
                        if ((new != 0) == support).all():
                            ended.add("same support")
                            break
                        if mu * np.sum((A @ change) ** 2) <= 0.99 * change @ change:
                            ended.add("allowed")
                            break
                        if mu <= least:
                            ended.add("least")
                            break
                        mu = max(mu / 2, least)
                    u = new
                    np.testing.assert_allclose(found.step[n, k], mu, rtol=1e-6)
                    np.testing.assert_allclose(found.iterates[k + 1, n].ravel(), u, atol=1e-8)
    assert ended == {"same support", "allowed", "least"}


def test_accelerated_iht_starts_again_where_it_would_rise():
    """Against dense matrices: FISTA's momentum, and a start from rest after each refusal."""
    rng = np.random.default_rng(2)
    e, D, _ = sparse_problem(rng, shape=(1, 8, 8), density=0.03)
    e, D, penalty, iterations, refused = np.float64(e), np.float64(D), 0.005, 60, 0
    with jax.enable_x64(True):
        A, mu = matrix(D, 8, 8), 1 / operator_norm(D) ** 2
        found = solvers.accelerated_iht(
            jnp.asarray(e), D, penalty, iterations=iterations, keep=True
        )
        u = before = np.zeros(A.shape[1])
        t, objective = 1.0, value(A, e, u, penalty, 0)
        last = 1.0  # t of the iteration before
        for k in range(iterations):
            v = u + (last - 1) / t * (u - before)
            z = v + mu * A.T @ (e.ravel() - A @ v)
            new = np.where(np.abs(z) > np.sqrt(2 * penalty * mu), z, 0)
            if value(A, e, new, penalty, 0) <= objective:
                u, before, objective = new, u, value(A, e, new, penalty, 0)
                last, t = t, (1 + np.sqrt(1 + 4 * t**2)) / 2
            else:
                before, last, t, refused = u, 1.0, 1.0, refused + 1
            np.testing.assert_allclose(found.iterates[k + 1, 0].ravel(), u, atol=1e-8)
    assert 0 < refused < iterations / 2


def test_the_step_is_safe_for_large_images_and_atoms():
    """A wave of half a grid's frequency: 64 frequencies miss its peak by half."""
    size, side = 31, 128
    wave = np.cos(2 * np.pi * 10.5 / 64 * np.arange(size))
    D = np.float32((wave[:, None] * wave)[..., None, None] / size)
    e = jnp.asarray(np.random.default_rng(0).normal(size=(1, side, side, 1)), jnp.float32)
    assert operator_norm(D) < 0.9 * operator_norm(D, side=side)
    step = solvers.ista(e, D, 0.01, iterations=1).step
    np.testing.assert_allclose(step, 1 / operator_norm(D, side=side) ** 2, rtol=1e-5)
    np.testing.assert_allclose(operator_norm(D, side=10**6), operator_norm(D, side=side), rtol=0.05)
    assert operator_norm(D, side=10**6) >= operator_norm(D, side=481)


@pytest.mark.parametrize("side", [8, 60])
def test_zeros_outside_keep_within_the_norm(rng, side):
    """The norm bounds the torus, of which an image with zeros outside is a part."""
    D = unit_filters(rng, 5, 6, 2)
    x = np.float32(rng.normal(size=(1, side, side, 6)))
    for _ in range(200):  # the power method, from below
        x = np.asarray(correlate(correlate(x, D), adjoint(D)))
        x = x / np.linalg.norm(x)
    reached = np.linalg.norm(correlate(x, D)) / operator_norm(D)
    assert 0.8 < reached <= 1 + 1e-5


def test_fista_agrees_with_sporco(rng):
    """SPORCO's problem is on a torus: ours is embedded by a mask and by weights.

    On a torus wide enough that D u does not wrap around, its data term counts the pixels of the
    image only, and a prohibitive ℓ1 weight keeps u at 0 outside. Then both objectives are equal.
    """
    cbpdn = pytest.importorskip(
        "sporco.pgm.cbpdn", reason="SPORCO is not installed (the extra dev)"
    )
    size, features, side, penalty = 5, 6, 16, 0.05
    r, wide = size // 2, side + size - 1
    e, D, _ = sparse_problem(rng, size=size, features=features, shape=(1, side, side))
    ours = solvers.fista(e, D, penalty, iterations=500)

    torus, mask = np.zeros((2, wide, wide))
    torus[r : r + side, r : r + side] = e[0, ..., 0]
    mask[r : r + side, r : r + side] = 1
    weights = np.full((wide, wide, 1, 1, features), 1e6)
    weights[:side, :side] = 1
    options = cbpdn.ConvBPDNMask.Options(
        {
            "MaxMainIter": 500,
            "RelStopTol": 1e-12,  # all iterations
            "L": float(operator_norm(np.float64(D))) ** 2,
            "L1Weight": weights,
        }
    )
    filters = np.float64(D[::-1, ::-1, :, 0])  # a convolution, its origin at the corner
    theirs = cbpdn.ConvBPDNMask(filters, torus, penalty, mask, options, dimK=0)
    found = theirs.solve().squeeze()
    assert not found[side:].any()
    assert not found[:, side:].any()
    A = matrix(D, side, side)
    expected = value(A, e, found[:side, :side], penalty, 1)
    course = np.array(theirs.getitstat().ObjFun)
    np.testing.assert_allclose(course[-1], expected, rtol=1e-6)
    # Float32 against float64, iteration by iteration: 4e-7 here.
    np.testing.assert_allclose(ours.objective[0, 1:], course, rtol=1e-5)
