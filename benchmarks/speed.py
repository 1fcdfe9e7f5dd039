"""``python -m benchmarks.speed``: speed of the networks, their training and the commands."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import jax

from benchmarks import commands, networks
from benchmarks.timing import Row
from fnet_jax.artifacts.files import replace_text
from fnet_jax.cli.flags import FILE, choice, parse, unset, whole
from fnet_jax.runtime.memory import use_huge_pages

DESCRIPTION = """\
Measure the networks, their training and whole commands, on synthetic images and
with initial weights.

The ceiling is a float32 matrix product (1536³) between the measured calls, on
the same cores. Operations are those of the network itself, not those of an
implementation: 2 per filter weight and pixel in the forward pass, 6 in a
training step. The other implementations are the equations as printed, in JAX
(tests/oracle.py), and in PyTorch if it is installed.
"""

PARTS = ("forward", "others", "training", "data", "start", "pair", "folder", "large", "sizes")


@dataclass(frozen=True)
class SpeedConfig:
    """Configuration of the command; each field is a flag."""

    # Repetitions; the median counts.
    repeat: Annotated[int, whole(1)] = 5
    # Measure only one part: forward, others, training, data, start, pair, folder, large or sizes.
    only: Annotated[str | None, choice(PARTS, "PART"), unset("all")] = None
    # File for the numbers.
    json: Annotated[Path | None, FILE, unset()] = None


def rows(config: SpeedConfig) -> Iterator[Row]:
    """Measures one row after the other."""
    repeat = config.repeat

    def wanted(part: str) -> bool:
        return config.only in (None, part)

    if wanted("forward"):
        yield from networks.forward(repeat)
    if wanted("others"):
        yield from networks.others(repeat)
    if wanted("training"):
        for batch, crop in ((4, 64), (commands.BATCH, commands.CROP)):
            for stage in ("stage1", "stage2"):
                yield networks.step(stage, batch=batch, crop=crop, repeat=min(repeat, 500 // crop))
    if wanted("data"):
        yield commands.pipeline(repeat)
    if wanted("start"):
        yield commands.starts(repeat)
    if wanted("pair"):
        yield commands.one_pair(repeat)
    if wanted("folder"):
        yield commands.many_sizes(repeat)
    if wanted("large"):
        yield commands.large(repeat)
    if wanted("sizes"):
        yield from commands.sizes(repeat)


def main() -> int:
    """Measures, prints a table and writes the numbers."""
    config = parse(SpeedConfig, prog="python -m benchmarks.speed", description=DESCRIPTION)
    found = []
    print(f"devices: {', '.join(map(str, jax.devices()))}; JAX {jax.__version__}\n")
    print("| what | figure | measured |\n|---|---|---|")
    for row in rows(config):
        found.append(row)
        print(f"| {row.what} | {row.figure} | {row.details} |", flush=True)
        if config.json:
            figures = json.dumps([asdict(row) for row in found], indent=1)
            replace_text(config.json, figures + "\n")
    return 0


if __name__ == "__main__":
    use_huge_pages()
    sys.exit(main())
