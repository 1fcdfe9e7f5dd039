"""A step on two devices: that they share it without changing it."""

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec
from small_stages import LOSSES, fresh, whole

from train.run import devices, steps

OPTIMIZER = steps.make_optimizer(steps.learning_rate(1e-4))
traced = []


def loss(*arguments, **options):
    """Of stage II, whose loss weighs the whole batch; test_stage1.py trains stage I."""
    traced.append(1)
    return LOSSES["stage2"](*arguments, **options)


def make(axis):
    return steps.make_step(loss, OPTIMIZER, ema_decay=0.999, axis_name=axis)


def test_two_devices_do_what_one_does(batches):
    one = fresh("stage2", OPTIMIZER)
    alone = jax.jit(make(None))
    two = devices.replicate(one)
    spread = devices.spread(make(devices.AXIS))
    for I1, I2 in batches:
        one, expected = alone(one, I1, I2)
        two, metrics = spread(two, devices.divide(I1), devices.divide(I2))
        # each device sums its own half: rounding
        np.testing.assert_allclose(devices.first(metrics)["loss"], expected["loss"], rtol=1e-5)
    found = devices.first(two)
    assert int(found.step) == 3
    np.testing.assert_allclose(whole(found.params), whole(one.params), atol=1e-6)
    np.testing.assert_allclose(whole(found.ema), whole(one.ema), atol=1e-6)
    moved = np.abs(whole(one.params) - whole(fresh("stage2", OPTIMIZER).params))
    assert np.median(moved) > 1e-5  # so that the lines above say something
    for device in range(2):
        copies = [np.asarray(x.addressable_shards[device].data) for x in jax.tree.leaves(two)]
        first = [np.asarray(x.addressable_shards[0].data) for x in jax.tree.leaves(two)]
        assert all((a == b).all() for a, b in zip(copies, first, strict=True))


def test_a_step_is_compiled_once(batches):
    state = devices.replicate(fresh("stage2", OPTIMIZER))
    traced.clear()
    for I1, I2 in batches:
        step = devices.spread(make(devices.AXIS))  # made again, as by a process that trains again
        state, _ = step(state, devices.divide(I1), devices.divide(I2))
    assert len(traced) <= 1  # none if it was compiled before


def by_shard_map(function, **options):
    """``devices.mapped`` without ``jax.pmap``."""

    def part(*arguments):
        rows = jax.tree.map(lambda x: x[0], arguments)
        return jax.tree.map(lambda x: x[None], function(*rows))

    across = PartitionSpec(devices.AXIS)
    shared = jax.shard_map(
        part,
        mesh=Mesh(np.array(jax.devices()), (devices.AXIS,)),
        in_specs=across,
        out_specs=across,
        check_vma=False,
    )
    return jax.jit(shared, **options)


@pytest.mark.skipif(not hasattr(jax, "shard_map"), reason="this JAX has no jax.shard_map")
@pytest.mark.slow  # about JAX rather than the project
def test_shard_map_would_do_the_same(batches, monkeypatch):
    """The day ``jax.pmap`` leaves JAX, ``devices.mapped`` alone has to change."""

    def two_steps():
        spread = devices.spread(make(devices.AXIS))
        state = devices.replicate(fresh("stage2", OPTIMIZER))
        seen = []
        for I1, I2 in batches[:2]:
            state, metrics = spread(state, devices.divide(I1), devices.divide(I2))
            seen.append([float(devices.first(metrics[n])) for n in ("loss", "gradient_norm")])
        return seen, devices.first(state)

    expected, state = two_steps()
    monkeypatch.setattr(devices, "mapped", by_shard_map)
    found, twin = two_steps()
    # XLA may sum in another order: rounding of float32, which Adam makes up to 1e-7 of a weight
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(whole(twin.params), whole(state.params), atol=1e-6)
    np.testing.assert_allclose(whole(twin.ema), whole(state.ema), atol=1e-6)
    assert int(twin.step) == 2
