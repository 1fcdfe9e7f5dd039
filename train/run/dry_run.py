"""The configuration and the costs of a run, for ``--dry-run``."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp

from fnet_jax.artifacts.progress import Report
from fnet_jax.cli.flags import flag_of
from fnet_jax.runtime.precision import multiplying
from train.config import TrainConfig
from train.run import steps
from train.run.setup import set_up
from train.run.stages import Stage


def described(stage: Stage, config: TrainConfig, *, report: Report) -> list[str]:
    """The configuration, parameters, data, and memory and FLOPs per step, a line each.

    The program of one device is compiled, which takes a while; nothing is run or written.
    ``report`` gets lines about the data and the initial weights.

    Raises:
        InputError: the run cannot begin.
    """
    with jax.enable_x64(False), multiplying(config.precision):
        return list(_described(stage, config, report))


def _described(stage: Stage, config: TrainConfig, report: Report) -> Iterator[str]:
    run = set_up(stage, config, report=report)
    resolved, config = run.resolved, run.config
    yield f"stage: {stage.name}, {stage.title}"
    yield f"initial weights: {resolved.origin}"
    for name, value in run.record["config"].items():
        yield f"  {flag_of(name)}: {value}"
    for name, value in run.record["network"].items():
        yield f"  {name}: {value}"
    for name, params in resolved.params.items():
        yield f"parameters of {name}: {sum(x.size for x in jax.tree.leaves(params)):,}"
    yield f"parameters: {sum(x.size for x in jax.tree.leaves(resolved.params)):,}"
    for name, value in run.record["data"].items():
        yield f"data {name}: {value}"
    devices = jax.device_count()
    yield f"devices: {devices} ({', '.join(map(str, jax.devices()))})"
    state = steps.create(resolved.params, resolved.optimizer)
    step = steps.make_step(resolved.loss, resolved.optimizer, ema_decay=config.ema)
    shape = (config.batch // devices, config.crop, config.crop, 1)
    images = jax.ShapeDtypeStruct(shape, jnp.float32)
    compiled = jax.jit(step, donate_argnums=0).lower(state, images, images).compile()
    pixels = config.batch * config.crop**2
    products = sum(network.products() for network in resolved.networks.values())
    yield (
        f"FLOPs per step: {6 * products * pixels:.4g} of the network itself, on all devices "
        f"(6 per filter weight and pixel)"
    )
    cost = compiled.cost_analysis() or {}
    if "flops" in cost:
        yield f"FLOPs per step and device: {cost['flops']:.4g} (as XLA counts: loops once)"
    memory = compiled.memory_analysis()
    if memory is not None:
        total = (
            memory.argument_size_in_bytes
            + memory.output_size_in_bytes
            + memory.temp_size_in_bytes
            - memory.alias_size_in_bytes
        )
        yield f"memory per step and device: {total / 1e9:.2f} GB"
