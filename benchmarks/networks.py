"""The networks alone: FNet forward and the training steps of both stages."""

import functools
import importlib.util
import math
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.timing import Row, against_ceiling, bytes_held, compiled, in_turn
from fnet_jax.fusing.engine import chosen, unable
from fnet_jax.networks.fnet import FNet
from fnet_jax.runtime.compilation import options
from fnet_jax.runtime.engines import HIGHEST, NATIVE, PRECISION, TF32, XLA
from fnet_jax.runtime.precision import multiplying
from fnet_jax.sparse_coding.native import binding
from train.config import TrainConfig
from train.run.resolved import resolve
from train.run.stages import STAGES
from train.run.steps import create, learning_rate, make_optimizer, make_step

SIDE = 320


def forward_program(
    height: int,
    width: int,
    *,
    batch: int = 1,
    iterations: int = 4,
    features: int = 64,
    engine: str | None = None,
    precision: str = PRECISION,
) -> tuple[Callable[[], Any], float, dict[str, float]]:
    """FNet on made-up pairs: a call of it, its operations, and what compiling cost.

    Args:
        height: in pixels.
        width: in pixels.
        batch: number of pairs.
        iterations: N of the network.
        features: K of the network.
        engine: what computes; None for what a Fuser would choose.
        precision: of products.
    """
    config = TrainConfig(Path(), init="tied", iterations=iterations, features=features)
    resolved = resolve(STAGES["stage2"], config)
    fnet = resolved.fnet
    pair = np.random.default_rng(0).random((2, batch, height, width, 1), np.float32)
    apply, params = fused_by(fnet, resolved.params["fnet"], engine)
    args = jax.device_put((params, *pair))
    with multiplying(precision):
        program, taken = compiled(apply, *args, options=options(jax.local_devices()[0]))
    operations = 2.0 * fnet.products() * batch * height * width
    return lambda: program(*args), operations, {"compile": taken, "bytes": bytes_held(program)}


def fused_by(
    fnet: FNet, params: Any, engine: str | None = None
) -> tuple[Callable[..., jax.Array], Any]:
    """A function (params, I1, I2) → If that an engine computes, and the parameters it takes."""
    how = chosen(fnet, jax.local_devices()[0], engine)
    if how == NATIVE:
        params = jax.device_put(fnet.prepared(jax.device_get(params)))
    return lambda params, *pair: fnet.apply(params, *pair, engine=how)[0], params


def step_program(
    stage: str,
    *,
    batch: int,
    crop: int,
    iterations: int = 4,
    features: int = 64,
    precision: str = PRECISION,
) -> tuple[Callable[[], Any], float, dict[str, float]]:
    """A training step on made-up crops: a call of it, its operations, and what compiling cost."""
    config = TrainConfig(Path(), init="tied", iterations=iterations, features=features)
    resolved = resolve(STAGES[stage], config)
    optimizer = make_optimizer(learning_rate(1e-4))
    state = create(resolved.params, optimizer)
    shape = (batch, crop, crop, 1)
    args = jax.device_put((state, *(jax.random.uniform(jax.random.key(i), shape) for i in (1, 2))))
    step = make_step(resolved.loss, optimizer, ema_decay=0.999)
    with multiplying(precision):
        program, taken = compiled(step, *args)
    operations = 6.0 * sum(x.products() for x in resolved.networks.values()) * math.prod(shape)
    return lambda: program(*args), operations, {"compile": taken, "bytes": bytes_held(program)}


def forward(repeat: int, side: int = SIDE) -> Iterator[Row]:
    """FNet on one square pair, by each engine that this machine has."""
    native = not unable(FNet(), jax.local_devices()[0])
    for engine in (NATIVE, XLA) if native else (XLA,):
        work, operations, costs = forward_program(side, side, engine=engine)
        name = "the compiled engine" if engine == NATIVE else "XLA"
        yield _share(f"FNet forward, {side}×{side}, {name}", work, operations, costs, repeat)
    if native:
        yield _instructions(repeat, side)


def _instructions(repeat: int, side: int) -> Row:
    """The compiled engine with each set of instructions that this machine has, in turn with XLA."""
    works = {XLA: forward_program(side, side, engine=XLA)[0]}
    work, _, _ = forward_program(side, side, engine=NATIVE)

    def computed(name: str) -> Any:
        os.environ["FNET_INSTRUCTIONS"] = name
        return jax.block_until_ready(work())

    before = os.environ.get("FNET_INSTRUCTIONS", "")
    try:
        for name in ("avx512", "avx2", "baseline"):
            os.environ["FNET_INSTRUCTIONS"] = name
            if binding.instructions() == name:
                works[name] = functools.partial(computed, name)
        taken = in_turn(works, repeat)
    finally:
        os.environ["FNET_INSTRUCTIONS"] = before
    ratios = {name: taken[XLA] / seconds for name, seconds in taken.items() if name != XLA}
    return Row(
        what="The compiled engine against XLA, by its instructions",
        figure=", ".join(f"{name} {ratio:.2f} times as fast" for name, ratio in ratios.items()),
        details=", ".join(f"{name} {seconds:.3g} s" for name, seconds in taken.items()),
        numbers=taken,
    )


def step(stage: str, *, batch: int, crop: int, repeat: int) -> Row:
    """A training step."""
    work, operations, costs = step_program(stage, batch=batch, crop=crop)
    name = f"stage {'I' * int(stage[-1])} training step, batch {batch} of {crop}×{crop}"
    return _share(name, work, operations, costs, repeat)


def _share(
    what: str, work: Callable[[], Any], operations: float, costs: dict[str, float], repeat: int
) -> Row:
    share, numbers = against_ceiling(work, operations, repeat)
    return Row(
        what=what,
        figure=f"{share:.1%} of the ceiling",
        details=(
            f"{numbers['seconds']:.3g} s, {numbers['flops'] / 1e9:.0f} of "
            f"{numbers['ceiling'] / 1e9:.0f} GFLOP/s, {costs['bytes'] / 1e9:.2f} GB; "
            f"compiled in {costs['compile']:.1f} s"
        ),
        numbers=numbers | costs | {"share": share},
    )


def others(repeat: int, side: int = SIDE) -> list[Row]:
    """Ours in turn with each other implementation that fuses the same 320×320 pair."""
    # The printed equations belong to the tests, which are not a package and not installed.
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from oracle import fnet as literal

    resolved = resolve(STAGES["stage2"], TrainConfig(Path(), init="tied"))
    fnet, params = resolved.fnet, jax.device_put(resolved.params)
    pair = jax.device_put(np.random.default_rng(0).random((2, 1, side, side, 1), np.float32))
    how = options(jax.local_devices()[0])
    fused, ours = fused_by(fnet, params["fnet"])
    apply = jax.jit(fused, compiler_options=how)
    printed = jax.jit(lambda params, *pair: literal(params, *pair, fnet.iterations))
    works: dict[str, tuple[Callable[[], Any], str]] = {
        "JAX": (lambda: printed(params["fnet"], *pair), PRECISION)
    }
    if importlib.util.find_spec("torch"):
        import torch

        from benchmarks import plain_torch

        where = "cuda" if jax.default_backend() == "gpu" and torch.cuda.is_available() else "cpu"
        weights = plain_torch.tensors(jax.device_get(params["fnet"])["params"], where)
        images = [plain_torch.image(np.asarray(image), where) for image in pair]
        torch.set_num_threads(len(os.sched_getaffinity(0)))

        def in_torch(*, short: bool = False) -> None:
            torch.backends.cudnn.allow_tf32 = short
            with torch.inference_mode():
                plain_torch.fnet(weights, *images, iterations=fnet.iterations)
            if where == "cuda":
                torch.cuda.synchronize()

        works["PyTorch"] = in_torch, HIGHEST
        if where == "cuda":
            works["PyTorch, both with TF32 products"] = lambda: in_torch(short=True), TF32
    rows = []
    for name, (work, precision) in works.items():

        def fnet_here(precision: str = precision) -> jax.Array:
            with multiplying(precision):
                return apply(ours, *pair)

        taken = in_turn({"ours": fnet_here, "theirs": work}, repeat)
        ratio = taken["theirs"] / taken["ours"]
        rows.append(
            Row(
                what=f"FNet forward against the printed equations in {name}",
                figure=f"{ratio:.1f} times as fast",
                details=f"{taken['theirs']:.3g} s against {taken['ours']:.3g} s",
                numbers=taken | {"ratio": ratio},
            )
        )
    return rows
