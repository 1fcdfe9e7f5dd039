"""What a run would be and cost, for ``--dry-run``."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from fnet_jax.networks.fnet import FNet
from train.config import TrainConfig
from train.run.stages import Stage
from train.run.steps import State


def described(
    stage: Stage,
    config: TrainConfig,
    fnet: FNet,
    state: State,
    step: Callable[..., Any],
    record: dict[str, Any],
) -> Iterator[str]:
    """Yields the configuration, parameters, data, and memory and FLOPs per step, a line each.

    The program of one device is compiled, which takes a while, but nothing is run.
    """
    yield f"stage: {stage.name}, {stage.title}"
    yield f"starts: {record['origin']}"
    for name, value in record["config"].items():
        yield f"  --{name.replace('_', '-')}: {value}"
    for name, value in fnet.settings().items():
        yield f"  {name}: {value}"
    for name, params in state.params.items():
        yield f"parameters of {name}: {sum(x.size for x in jax.tree.leaves(params)):,}"
    yield f"parameters: {sum(x.size for x in jax.tree.leaves(state.params)):,}"
    for name, value in record["data"].items():
        yield f"data {name}: {value}"
    devices = jax.device_count()
    yield f"devices: {devices} ({', '.join(map(str, jax.devices()))})"
    shape = (config.batch // devices, config.crop, config.crop, 1)
    images = jax.ShapeDtypeStruct(shape, jnp.float32)
    compiled = jax.jit(step, donate_argnums=0).lower(state, images, images).compile()
    pixels = config.batch * config.crop**2
    products = sum(network.products() for network in stage.trained(fnet))
    yield (
        f"FLOPs per step: {6 * products * pixels:.4g} of the network itself "
        f"(6 per filter weight and pixel), over all devices"
    )
    cost = compiled.cost_analysis() or {}
    if "flops" in cost:
        yield f"FLOPs per step and device: {cost['flops']:.4g} counted by XLA, loops once"
    memory = compiled.memory_analysis()
    if memory is not None:
        total = (
            memory.argument_size_in_bytes
            + memory.output_size_in_bytes
            + memory.temp_size_in_bytes
            - memory.alias_size_in_bytes
        )
        yield f"memory per step and device: {total / 1e9:.2f} GB"
