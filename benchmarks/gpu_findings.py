"""What ``benchmarks.gpu`` measures: a device against the CPU beside it, and its times."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks import networks
from benchmarks.timing import Row, compiled, in_turn
from fnet_jax import Fuser
from fnet_jax.images.levels import to_8_bits
from fnet_jax.runtime.engines import BF16, HIGHEST, PRECISION, PRECISIONS, TF32, XLA
from fnet_jax.runtime.precision import multiplying
from fnet_jax.synthetic import random_scene
from train.config import TrainConfig
from train.run import devices, steps
from train.run.resolved import resolve
from train.run.stages import STAGES

LEVELS = {HIGHEST: 0.03, TF32: 0.5, BF16: 2.0}  # of 255: the largest difference of a fused image
GRADIENT = {HIGHEST: 1e-3, TF32: 0.05, BF16: 0.3}  # relative error
EQUAL = 0.999  # share of 8-bit pixels, of the rule for the default precision
GAIN = 1.2  # from here a precision counts as faster than another
STEP = 1e-3  # relative: a step's new weights on all devices and on one


@dataclass(frozen=True)
class Finding(Row):
    """A row of the report.

    Attributes:
        part: of the report, one of :data:`benchmarks.gpu.PARTS`.
        good: whether it is as it should be; None where nothing is demanded.
    """

    part: str
    good: bool | None = None


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A made-up pair, float32 in [0, 1], shape (2, height, width)."""
    visible, infrared = random_scene(height, width, seed=seed)
    return np.stack([visible[..., 1], infrared]).astype(np.float32) / 255


def images(side: int, repeat: int) -> Iterator[Finding]:
    """A fused image at each precision against the CPU's; then what the rule says of the default."""
    pair = scene(side, side)
    cpu = Fuser.pretrained(engine=XLA)
    if cpu.device.platform != "cpu":
        cpu = Fuser(cpu.network, cpu.params, device=jax.devices("cpu")[0], engine=XLA)
    expected = np.asarray(cpu.fuse(*pair), np.float32)
    fusers = {p: Fuser.pretrained(engine=XLA, precision=p) for p in PRECISIONS}
    calls = {p: lambda fuser=fuser: fuser.fuse(*pair) for p, fuser in fusers.items()}
    taken = in_turn(calls, repeat)
    fused = {precision: np.asarray(call(), np.float32) for precision, call in calls.items()}
    equal = {}
    for precision, image in fused.items():
        error = 255 * np.abs(image - expected)
        equal[precision] = float(np.mean(to_8_bits(image) == to_8_bits(expected)))
        yield Finding(
            part="images",
            what=f"`Fuser.fuse`, {side}×{side}, {precision}, against the CPU in float32",
            figure=f"at most {error.max():.3f} of 255 levels, {error.mean():.4f} in the mean",
            details=f"{equal[precision]:.3%} of 8-bit pixels equal",
            numbers={
                "seconds": taken[precision],
                "largest": float(error.max()),
                "mean": float(error.mean()),
                "equal": equal[precision],
            },
            good=bool(error.max() <= LEVELS[precision]),
        )
    others = {p: equal[p] for p in PRECISIONS if not np.array_equal(fused[p], fused[PRECISION])}
    yield rule(side, {PRECISION: equal[PRECISION]} | others, taken)


def rule(side: int, equal: dict[str, float], seconds: dict[str, float]) -> Finding:
    """Whether the default is the fastest precision whose 8-bit images are the CPU's.

    Args:
        side: of the image.
        equal: share of 8-bit pixels that are the CPU's, by precision; those that compute the very
            same as the default are left out.
        seconds: of a call.
    """
    allowed = [precision for precision, share in equal.items() if share >= EQUAL]
    fastest = min((seconds[precision] for precision in allowed), default=np.nan)
    good = PRECISION in allowed and seconds[PRECISION] <= GAIN * fastest
    return Finding(
        part="images",
        what=f"the default precision, {PRECISION}, at {side}×{side}",
        figure=f"is {'' if good else 'not '}the fastest with {EQUAL:.1%} of 8-bit pixels equal",
        details=", ".join(
            f"{precision} {1e3 * seconds[precision]:.4g} ms, {share:.3%}"
            for precision, share in equal.items()
        ),
        numbers=dict(equal),
        good=good,
    )


def losses(stage: str, side: int, **settings: Any) -> Iterator[Finding]:
    """A stage's loss and its gradient at the start of training, at each precision."""
    resolved = resolve(STAGES[stage], TrainConfig(Path(), init="tied", **settings))
    pairs = np.stack([scene(side, side, seed=i) for i in range(4)], axis=1)[..., None]

    def taken(device: jax.Device, precision: str) -> tuple[float, np.ndarray]:
        function = jax.value_and_grad(
            lambda *args: resolved.loss(*args, axis_name=None), has_aux=True
        )
        with multiplying(precision):
            args = jax.device_put((resolved.params, *pairs), device)
            (loss, _), gradient = jax.device_get(jax.jit(function)(*args))
        return float(loss), np.concatenate([x.ravel() for x in jax.tree.leaves(gradient)])

    loss, gradient = taken(jax.devices("cpu")[0], HIGHEST)
    for precision in PRECISIONS:
        loss_here, here = taken(jax.local_devices()[0], precision)
        of_loss = abs(loss_here / loss - 1)
        error = float(np.linalg.norm(here - gradient) / np.linalg.norm(gradient))
        yield Finding(
            part="losses",
            what=f"stage {_roman(stage)}, batch 4 of {side}×{side}, {precision}, against the CPU",
            figure=f"gradient: relative error {error:.1e}; loss: {of_loss:.1e}",
            details=f"{gradient.size:,} numbers; the loss is {loss:.6f}",
            numbers={"gradient": error, "loss": of_loss},
            good=error <= GRADIENT[precision],
        )


def _roman(stage: str) -> str:
    return "I" * int(stage[-1])


def forward(height: int, width: int, batch: int, repeat: int) -> Iterator[Finding]:
    """FNet alone, on arrays that lie on the device, at each precision."""
    programs = {
        precision: networks.forward_program(
            height, width, batch=batch, engine=XLA, precision=precision
        )
        for precision in PRECISIONS
    }
    what = f"FNet, {batch} of {height}×{width}"
    yield from _timed("forward", what, programs, batch, repeat)


def training(stage: str, batch: int, crop: int, repeat: int) -> Iterator[Finding]:
    """A training step on one device, at each precision."""
    programs = {
        precision: networks.step_program(stage, batch=batch, crop=crop, precision=precision)
        for precision in PRECISIONS
    }
    what = f"step of stage {_roman(stage)}, {batch} of {crop}×{crop}"
    yield from _timed("training", what, programs, batch, repeat)


def _timed(
    part: str,
    what: str,
    programs: dict[str, tuple[Callable[[], Any], float, dict[str, float]]],
    pairs: int,
    repeat: int,
) -> Iterator[Finding]:
    """A row for each precision, whose programs are called in turn."""
    taken = in_turn({precision: program[0] for precision, program in programs.items()}, repeat)
    for precision, (_, operations, costs) in programs.items():
        seconds = taken[precision]
        yield Finding(
            part=part,
            what=f"{what}, {precision}",
            figure=(
                f"{1e3 * seconds:.4g} ms, {pairs / seconds:.3g} pairs a second, "
                f"{taken[HIGHEST] / seconds:.2f} times as fast as {HIGHEST}"
            ),
            details=(
                f"{operations / seconds / 1e12:.3g} TFLOP/s, {costs['bytes'] / 1e9:.2f} GB, "
                f"compiled in {costs['compile']:.1f} s"
            ),
            numbers=costs | {"seconds": seconds, "flops": operations / seconds},
        )


def fuser(height: int, width: int, repeat: int) -> Iterator[Finding]:
    """A whole call of ``Fuser.fuse``, arrays to the device and back included."""
    pair = scene(height, width)
    fusers = {precision: Fuser.pretrained(precision=precision) for precision in (HIGHEST, TF32)}
    calls = {name: lambda fuser=fuser: fuser.fuse(*pair) for name, fuser in fusers.items()}
    for precision, seconds in in_turn(calls, repeat).items():
        yield Finding(
            part="fuser",
            what=f"`Fuser.fuse`, {width}×{height} (width×height), {precision}",
            figure=f"{1e3 * seconds:.4g} ms",
            details=f"{height * width / seconds / 1e6:.3g} million pixels a second",
            numbers={"seconds": seconds},
        )


def on_all_devices(stage: str, batch: int, crop: int, repeat: int, **settings: Any) -> Finding:
    """A step that ``jax.pmap`` spreads over all local devices, against the same on one."""
    count = jax.local_device_count()
    batch = -(-batch // count) * count
    resolved = resolve(STAGES[stage], TrainConfig(Path(), init="tied", **settings))
    optimizer = steps.make_optimizer(steps.learning_rate(1e-4))
    state = jax.device_put(steps.create(resolved.params, optimizer))
    pairs = jax.device_put(np.random.default_rng(0).random((2, batch, crop, crop, 1), np.float32))
    with multiplying(HIGHEST):
        alone = steps.make_step(resolved.loss, optimizer, ema_decay=0.999)
        one, _ = compiled(alone, state, *pairs)
        shared = devices.spread(
            steps.make_step(resolved.loss, optimizer, ema_decay=0.999, axis_name=devices.AXIS)
        )
        parts = [devices.divide(np.asarray(images)) for images in pairs]
        held = [devices.replicate(state)]  # a step takes the memory of the state before it

        def step() -> Any:
            held[0], metrics = shared(held[0], *parts)
            return metrics

        step()
        expected = jax.tree.leaves(one(state, *pairs)[0].params)
        found = jax.tree.leaves(devices.first(held[0].params))
        taken = in_turn({"one": lambda: one(state, *pairs), "all": step}, repeat)
    moved = np.sqrt(
        sum(
            float(np.square(np.asarray(x) - y).sum())
            for x, y in zip(expected, jax.tree.leaves(resolved.params), strict=True)
        )
    )
    apart = np.sqrt(
        sum(float(np.square(np.asarray(x) - y).sum()) for x, y in zip(expected, found, strict=True))
    )
    error = float(apart / moved)
    return Finding(
        part="devices",
        what=f"step of stage {_roman(stage)}, {batch} of {crop}×{crop}, by `pmap` on {count} of "
        f"{jax.local_devices()[0].device_kind}",
        figure=f"differs from one device by {error:.1e} of what the step changes",
        details=f"{1e3 * taken['all']:.4g} ms, images from the CPU included; on one "
        f"{1e3 * taken['one']:.4g} ms",
        numbers=taken | {"devices": count, "error": error},
        good=error <= STEP,
    )
