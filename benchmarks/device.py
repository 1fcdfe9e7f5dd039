"""``python -m benchmarks.device``: what a GPU computes, against the CPU beside it, and how fast."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np

from benchmarks import networks
from benchmarks.timing import Row, in_turn
from fnet_jax import Fuser
from fnet_jax.cli.flags import parse, whole
from fnet_jax.errors import InputError
from fnet_jax.images.levels import to_8_bits
from fnet_jax.synthetic import random_scene
from train.config import TrainConfig
from train.run.resolved import resolve
from train.run.stages import STAGES

DESCRIPTION = """\
Check a GPU once, before it is trusted: fuse at 320×320 and 1024×1024 with the
shipped weights, take the gradients of both stages of training, compare each
with the same on the CPU, then measure all of them. A few minutes.

Exit status 1 if the GPU and the CPU differ by more than float32 explains.
"""

SIDES = (320, 1024)
FUSED, GRADIENT = 1e-4, 1e-3  # largest error of a fused image in 0…1; relative, of a gradient


@dataclass(frozen=True)
class DeviceConfig:
    """What the command does; each field is a flag."""

    # How often each is measured; the median counts.
    repeat: Annotated[int, whole(1)] = 5


def _scene(side: int, seed: int) -> np.ndarray:
    """A made-up pair, float32 in [0, 1], shape (2, side, side)."""
    visible, infrared = random_scene(side, side, seed=seed)
    return np.stack([visible[..., 1], infrared]).astype(np.float32) / 255


def fused(side: int, repeat: int) -> tuple[Row, bool]:
    """The shipped network on a made-up pair, here and on the CPU; whether they agree."""
    there = Fuser.pretrained()
    cpu = Fuser(there.network, there.params, device=jax.devices("cpu")[0])
    pair = _scene(side, seed=0)
    ours, theirs = (np.asarray(x.fuse(*pair), np.float32) for x in (there, cpu))
    error = float(np.abs(ours - theirs).max())
    equal = float(np.mean(to_8_bits(ours) == to_8_bits(theirs)))
    taken = in_turn({"gpu": lambda: there.fuse(*pair)}, repeat)
    taken |= in_turn({"cpu": lambda: cpu.fuse(*pair)}, 1)
    row = Row(
        what=f"`Fuser.fuse`, {side}×{side}, against the CPU",
        figure=f"differs by {error:.1e} of 0…1 at most; {equal:.4%} of 8-bit pixels equal",
        details=(
            f"{taken['gpu']:.4f} s against {taken['cpu']:.2f} s, arrays to the device and back "
            f"included: {taken['cpu'] / taken['gpu']:.0f} times as fast"
        ),
        numbers=taken | {"error": error, "equal": equal},
    )
    return row, error <= FUSED


def gradient(stage: str, **settings: Any) -> tuple[Row, bool]:
    """The gradient of a stage's loss at its start, here and on the CPU; whether they agree."""
    resolved = resolve(STAGES[stage], TrainConfig(Path(), init="tied", **settings))
    scenes = np.stack([_scene(64, seed=i) for i in range(4)], axis=1)[..., None]

    def on(device: jax.Device) -> Any:
        args = jax.device_put((resolved.params, *scenes), device)
        take: Callable[..., Any] = jax.jit(
            lambda *args: jax.grad(resolved.loss, has_aux=True)(*args, axis_name=None)[0]
        )
        leaves = jax.tree.leaves(jax.device_get(take(*args)))
        return np.concatenate([leaf.ravel() for leaf in leaves])

    ours, theirs = on(jax.local_devices()[0]), on(jax.devices("cpu")[0])
    error = float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
    row = Row(
        what=f"gradient of stage {'I' * int(stage[-1])}, batch 4 of 64×64, against the CPU",
        figure=f"relative error {error:.1e}",
        details=f"{ours.size:,} numbers",
        numbers={"error": error},
    )
    return row, error <= GRADIENT


def rows(repeat: int) -> Iterator[tuple[Row, bool]]:
    """Measures one row after the other; with each, whether it is as it should be."""
    for side in SIDES:
        yield fused(side, repeat)
    for stage in STAGES:
        yield gradient(stage)
    for side in SIDES:
        for row in networks.forward(repeat, side):
            yield row, True
    for batch, crop in ((4, 64), (16, 128)):
        for stage in STAGES:
            yield networks.step(stage, batch=batch, crop=crop, repeat=repeat), True
    for row in networks.others(repeat):
        yield row, True


def main() -> int:
    """Checks and measures; prints a table."""
    config = parse(DeviceConfig, prog="python -m benchmarks.device", description=DESCRIPTION)
    if jax.default_backend() == "cpu":
        raise InputError("JAX sees no GPU here: nothing to compare the CPU with")
    print(f"{jax.local_devices()[0].device_kind}; JAX {jax.__version__}\n")
    print("| what | figure | measured |\n|---|---|---|")
    agree = True
    for row, good in rows(config.repeat):
        print(
            f"| {row.what} | {row.figure}{'' if good else ' **too much**'} | {row.details} |",
            flush=True,
        )
        agree &= good
    return 0 if agree else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(str(error))
