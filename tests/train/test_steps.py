"""A training step: that it learns, and what it reports."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_stages import FNET, LOSSES, SETTINGS, fresh, whole

from fnet_jax.networks.start import initial_params
from train.run import steps


def test_steps_learn_and_report(batches):
    optimizer = steps.make_optimizer(steps.learning_rate(1e-3))
    step = jax.jit(steps.make_step(LOSSES["stage1"], optimizer, ema_decay=0.999))
    state = fresh("stage1", optimizer)
    seen = []
    for _ in range(40):
        state, metrics = step(state, *batches[0])
        seen.append(float(metrics["loss"]))
    assert np.mean(seen[-5:]) < 0.8 * seen[0]
    assert {"loss/I1_gradient", "gradient_norm", "sparsity/u1", "sparsity/c"} <= metrics.keys()
    for feature in ("u1", "u2", "c", "x1", "x2"):
        theta, rho = metrics[f"theta/{feature}"], metrics[f"rho/{feature}"]
        assert theta.shape == rho.shape == (SETTINGS["iterations"] + 1,)
        assert (theta > 0).all()
        assert rho[0] == 0
    assert 0 <= metrics["sparsity/u1"] <= 1


def test_the_average_starts_as_the_weights_and_forgets_them(batches):
    optimizer = steps.make_optimizer(steps.learning_rate(1e-3))
    step = jax.jit(steps.make_step(LOSSES["stage2"], optimizer, ema_decay=0.15))
    state = fresh("stage2", optimizer)
    expected = whole(state.ema)
    np.testing.assert_array_equal(expected, whole(state.params))
    for t in range(3):
        state, _ = step(state, *batches[t])
        decay = min(0.15, (1 + t) / (10 + t))
        expected = decay * expected + (1 - decay) * whole(state.params)
        np.testing.assert_allclose(whole(state.ema), expected, atol=1e-6)


def test_clipping_shortens_the_gradient_and_nothing_else():
    gradient = {"a": jnp.array([3.0, 4.0])}
    for clip, norm in ((None, 5.0), (1.0, 1.0), (9.0, 5.0)):
        optimizer = steps.make_optimizer(1.0, clip=clip)
        _, state = optimizer.update(gradient, optimizer.init(gradient), gradient)
        mu = optax.tree_utils.tree_get(state, "mu")["a"]
        np.testing.assert_allclose(mu, 0.1 * norm * np.array([0.6, 0.8]), rtol=1e-6)


def test_the_rate():
    rates = lambda **o: [float(steps.learning_rate(1.0, **o)(t)) for t in range(10)]
    assert rates() == [1.0] * 10
    np.testing.assert_allclose(rates(warmup=4)[:6], [0.25, 0.5, 0.75, 1, 1, 1], rtol=1e-6)
    fall = rates(falls_until=10)
    assert fall[0] == 1
    assert fall == sorted(fall, reverse=True)
    np.testing.assert_allclose(fall[5], 0.5, rtol=1e-6)
    both = rates(falls_until=10, warmup=4)
    np.testing.assert_allclose(both[4], 1, rtol=1e-6)
    assert both[9] < 0.1
    assert rates(warmup=1)[0] == 1


def test_null_features_are_counted(batches):
    params = {"fnet": initial_params(FNET, 0)}
    _, metrics = jax.jit(LOSSES["stage2"])(params, *batches[0])
    _, found = jax.jit(FNET.apply)(params["fnet"], *batches[0])
    for name in ("u1", "u2", "c"):
        null = np.mean(np.abs(found[name]) <= 1e-3)
        assert 0 < null < 1
        assert metrics[f"sparsity/{name}"] == pytest.approx(null, abs=1e-4)
