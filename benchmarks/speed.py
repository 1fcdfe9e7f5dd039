"""``python -m benchmarks.speed``: what share of the machine's speed the networks reach.

The ceiling is a float32 matrix product (1536³) on the same cores in the same run. Operations are
the network's own: 2 per filter weight and pixel forward, 6 in a training step, whatever an
implementation spends. Beside ours, two others fuse the same pair, measured in turn with it: the
equations as printed, in JAX (``tests/oracle.py``), and in PyTorch where that is installed.
"""

import importlib.util
import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fnet_jax.commands.flags import flag, parse, positive
from train.config import TrainConfig
from train.plan import filter_weights
from train.stages import STAGES, start
from train.steps import create, learning_rate, make_optimizer, make_step

CEILING = 1536


@dataclass(frozen=True)
class SpeedConfig:
    """What the command does; each field is a flag."""

    repeat: int = flag(
        "times each is measured; the median counts (default 5)", default=5, parse=positive
    )
    batch: int = flag("pairs in a training step (default 4)", default=4, parse=positive)
    crop: int = flag("side of the crops in pixels (default 64)", default=64, parse=positive)
    json: Path | None = flag("file for the figures", default=None, metavar="FILE")


def seconds(work: Callable[[], Any], repeat: int) -> float:
    """Median time of a call that has been made once before."""
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        jax.block_until_ready(work())
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


def ceiling(repeat: int) -> float:
    """Operations per second of a float32 matrix product."""
    a = jnp.ones((CEILING, CEILING), jnp.float32)
    product = jax.jit(lambda a, b: a @ b)
    jax.block_until_ready(product(a, a))
    return 2 * CEILING**3 / seconds(lambda: product(a, a), 4 * repeat)


def forward(config: SpeedConfig) -> tuple[float, float, float]:
    """Operations, seconds and compile seconds of FNet on one 320×320 pair."""
    fnet, params, _ = start(STAGES["stage2"], TrainConfig(Path(), init="tied"))
    image = jnp.full((1, 320, 320, 1), 0.5)
    apply = jax.jit(lambda params, image: fnet.apply(params, image, image)[0])
    begin = time.perf_counter()
    compiled = apply.lower(params["fnet"], image).compile()
    compiling = time.perf_counter() - begin
    jax.block_until_ready(compiled(params["fnet"], image))
    taken = seconds(lambda: compiled(params["fnet"], image), config.repeat)
    return 2.0 * filter_weights(params) * image.size, taken, compiling


def others(config: SpeedConfig) -> dict[str, tuple[float, float]]:
    """Seconds of ours and of another implementation that fuses the same 320×320 pair, by name."""
    # The printed equations belong to the tests, which are no package and not installed.
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from oracle import fnet as literal

    fnet, params, _ = start(STAGES["stage2"], TrainConfig(Path(), init="tied"))
    pair = np.random.default_rng(0).random((2, 1, 320, 320, 1), np.float32)
    apply = jax.jit(lambda params, *pair: fnet.apply(params, *pair)[0])
    printed = jax.jit(lambda params, *pair: literal(params, *pair, fnet.iterations))
    works: dict[str, Callable[[], Any]] = {
        "the printed equations in JAX": lambda: printed(params["fnet"], *pair)
    }
    if importlib.util.find_spec("torch"):
        import torch

        from benchmarks import plain_torch

        weights = plain_torch.tensors(jax.device_get(params["fnet"])["params"])
        images = [torch.from_numpy(image.transpose(0, 3, 1, 2).copy()) for image in pair]
        torch.set_num_threads(len(os.sched_getaffinity(0)))

        def in_torch() -> Any:
            with torch.inference_mode():
                return plain_torch.fnet(weights, *images, iterations=fnet.iterations).numpy()

        works["the printed equations in PyTorch"] = in_torch
    found = {}
    for name, work in works.items():
        for compiled in (apply(params["fnet"], *pair), work()):
            jax.block_until_ready(compiled)
        times = [
            (seconds(lambda: apply(params["fnet"], *pair), 1), seconds(work, 1))
            for _ in range(config.repeat)
        ]
        ours, theirs = np.median(times, axis=0)
        found[name] = float(ours), float(theirs)
    return found


def training(stage: str, config: SpeedConfig) -> tuple[float, float, float]:
    """Operations, seconds and compile seconds of a training step."""
    fnet, params, _ = start(STAGES[stage], TrainConfig(Path(), init="tied"))
    optimizer = make_optimizer(learning_rate(1e-4, steps=1))
    state = create(params, optimizer, jax.random.key(0))
    step = jax.jit(make_step(STAGES[stage].loss(fnet), optimizer, ema_decay=0.999))
    shape = (config.batch, config.crop, config.crop, 1)
    images = [jax.random.uniform(jax.random.key(i), shape) for i in (1, 2)]
    begin = time.perf_counter()
    compiled = step.lower(state, *images).compile()
    compiling = time.perf_counter() - begin
    jax.block_until_ready(compiled(state, *images))
    taken = seconds(lambda: compiled(state, *images), config.repeat)
    return 6.0 * filter_weights(params) * math.prod(shape), taken, compiling


def main() -> int:
    """Measures, prints a table and writes the figures."""
    config = parse(
        SpeedConfig, None, prog="python -m benchmarks.speed", description=__doc__.split("\n\n")[1]
    )
    crops = f"{config.batch} of {config.crop}×{config.crop}"
    rows: dict[str, Callable[[], tuple[float, float, float]]] = {
        "FNet forward, 320×320": lambda: forward(config),
        f"stage I step, batch {crops}": lambda: training("stage1", config),
        f"stage II step, batch {crops}": lambda: training("stage2", config),
    }
    figures = {}
    print(f"devices: {', '.join(map(str, jax.devices()))}")
    print("| what | seconds | GFLOP/s | ceiling | share | compiling |\n|---|---|---|---|---|---|")
    for name, measure in rows.items():
        operations, taken, compiling = measure()
        limit = ceiling(config.repeat)  # beside each, as the machine's speed changes
        rate = operations / taken
        figures[name] = {"seconds": taken, "flops": rate, "ceiling": limit, "compile": compiling}
        print(
            f"| {name} | {taken:.3f} | {rate / 1e9:.1f} | {limit / 1e9:.1f} | {rate / limit:.1%} "
            f"| {compiling:.1f} s |",
            flush=True,
        )
    print("\n| FNet forward, 320×320 | seconds | ours | ratio |\n|---|---|---|---|")
    for name, (ours, theirs) in others(config).items():
        figures[name] = {"seconds": theirs, "ours": ours}
        print(f"| {name} | {theirs:.3f} | {ours:.3f} | {theirs / ours:.1f} |", flush=True)
    if config.json:
        config.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
