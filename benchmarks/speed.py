"""``python -m benchmarks.speed``: how fast the networks, their training and the commands are.

The ceiling is a float32 matrix product (1536³) between the calls of what is measured, on the same
cores. Operations are the network's own: 2 per filter weight and pixel forward, 6 in a training
step, whatever an implementation spends. Images are made up; weights are those of the start of a
training. The others are the equations as printed, in JAX (``tests/oracle.py``), and in PyTorch
where that is installed.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import jax

from benchmarks import commands, networks
from benchmarks.timing import Row
from fnet_jax.artifacts.files import replace_text
from fnet_jax.cli.flags import flag, parse, positive
from fnet_jax.runtime.memory import use_huge_pages

PARTS = ("forward", "others", "training", "data", "start", "pair", "folder", "large")


@dataclass(frozen=True)
class SpeedConfig:
    """What the command does; each field is a flag."""

    repeat: int = flag(
        "times each is measured; the median counts (default 5)", default=5, parse=positive
    )
    only: str | None = flag("measure one part alone", default=None, choices=PARTS)
    json: Path | None = flag("file for the figures", default=None, metavar="FILE")


def rows(config: SpeedConfig) -> Iterator[Row]:
    """Measures one row after the other."""
    repeat = config.repeat

    def wanted(part: str) -> bool:
        return config.only in (None, part)

    if wanted("forward"):
        yield networks.forward(repeat)
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


def main() -> int:
    """Measures, prints a table and writes the figures."""
    config = parse(
        SpeedConfig, None, prog="python -m benchmarks.speed", description=__doc__.split("\n\n")[1]
    )
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
