"""``python -m benchmarks.growth``: time and memory by side, batch, iterations and features."""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from benchmarks.networks import forward_program, step_program
from benchmarks.timing import in_turn
from fnet_jax.artifacts.files import replace_text
from fnet_jax.cli.flags import FOLDER, parse, whole
from fnet_jax.paper import costs
from fnet_jax.runtime.memory import use_huge_pages
from fnet_jax.weights import checkpoints
from train.config import TrainConfig
from train.run.resolved import resolve
from train.run.stages import STAGES

DESCRIPTION = """\
Measure how time and memory grow with image side, batch, iterations and
features. Images of each side are fused with Fuser in a separate process, whose
whole memory counts; large images are fused in tiles. The others are compiled
programs: FNet's forward pass, and for the batch also the training step of stage
II; their memory is what XLA allocates. Each point is shown with its time and
memory relative to a straight line through the origin and the marked point.
This takes about ten minutes on two cores.
"""


@dataclass(frozen=True)
class GrowthConfig:
    """Configuration of the command; each field is a flag."""

    # Folder for growth.png and growth.json.
    out: Annotated[Path, FOLDER]
    # Repetitions; the median counts.
    repeat: Annotated[int, whole(1)] = 3
    # Largest side in pixels, a power of two.
    largest: Annotated[int, whole(1, 2**15)] = 4096


@dataclass(frozen=True)
class Point:
    """One measurement.

    Attributes:
        value: the side, the batch, ….
        work: quantity to which time and memory would be proportional: pixels, pairs, ….
        seconds: median time.
        bytes: memory.
    """

    value: int
    work: float
    seconds: float
    bytes: float


@dataclass(frozen=True)
class Growth:
    """A series of points.

    Attributes:
        what: the quantity that varies.
        of: what is measured.
        marked: the value that the straight line goes through.
        points: measurements, by rising value.
    """

    what: str
    of: str
    marked: int
    points: list[Point]

    def relative(self, point: Point) -> tuple[float, float]:
        """Time and memory of a point relative to the straight line."""
        at = next(p for p in self.points if p.value == self.marked)
        scale = point.work / at.work
        return point.seconds / (at.seconds * scale), point.bytes / (at.bytes * scale)


def sides(config: GrowthConfig) -> Iterator[Point]:
    """One pair of side × side pixels, by Fuser."""
    resolved = resolve(STAGES["stage2"], TrainConfig(Path(), init="tied"))
    with tempfile.TemporaryDirectory() as folder:
        checkpoints.save(Path(folder) / "ckpt", resolved.fnet, resolved.params["fnet"])
        side = 64
        while side <= config.largest:
            repeats = config.repeat if side <= 1024 else 1
            found = costs.measure(Path(folder) / "ckpt", side=side, repeats=repeats)
            yield Point(side, side**2, found.seconds, found.peak_bytes)
            side *= 2


def programs(
    values: tuple[int, ...],
    make: Callable[[int], tuple[Callable[[], object], float, dict[str, float]]],
    repeat: int,
) -> list[Point]:
    """Compiled programs for each value; their work is their operations."""
    points = []
    for value in values:
        work, operations, program = make(value)
        points.append(Point(value, operations, in_turn({"": work}, repeat)[""], program["bytes"]))
    return points


def growths(config: GrowthConfig) -> Iterator[Growth]:
    """Measures one series of points after the other."""
    batches, repeat = (1, 2, 4, 8, 16, 32), config.repeat
    yield Growth(
        "batch of 128×128",
        "forward",
        1,
        programs(batches, lambda n: forward_program(128, 128, batch=n), repeat),
    )
    yield Growth(
        "batch of 64×64",
        "stage II step",
        4,
        programs(batches, lambda n: step_program("stage2", batch=n, crop=64), repeat),
    )
    yield Growth(
        "iterations",
        "forward, 320×320",
        4,
        programs(tuple(range(1, 9)), lambda n: forward_program(320, 320, iterations=n), repeat),
    )
    yield Growth(
        "features",
        "forward, 320×320",
        64,
        programs(
            (16, 32, 48, 64, 96, 128), lambda k: forward_program(320, 320, features=k), repeat
        ),
    )
    yield Growth("side", "Fuser, whole process", 512, list(sides(config)))


def table(growth: Growth) -> str:
    """The points in Markdown."""
    lines = [
        f"| {growth.what} ({growth.of}) | seconds | of the line | GB | of the line |",
        "|---|---|---|---|---|",
    ]
    for point in growth.points:
        time, memory = growth.relative(point)
        mark = " *" if point.value == growth.marked else ""
        lines.append(
            f"| {point.value}{mark} | {point.seconds:.3g} | {time:.2f} "
            f"| {point.bytes / 1e9:.3g} | {memory:.2f} |"
        )
    return "\n".join(lines)


def draw(found: list[Growth], path: Path) -> None:
    """Time above and memory below, on logarithmic axes, with the straight lines."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, len(found), figsize=(3.4 * len(found), 6), squeeze=False)
    for column, growth in enumerate(found):
        values = [point.value for point in growth.points]
        for row, (unit, name) in enumerate((("seconds", "seconds"), ("bytes", "GB"))):
            scale = 1e9 if name == "GB" else 1
            measured = [getattr(point, unit) / scale for point in growth.points]
            straight = [
                y / growth.relative(point)[row]
                for y, point in zip(measured, growth.points, strict=True)
            ]
            ax = axes[row][column]
            ax.loglog(values, straight, color="0.7", label="straight line")
            ax.loglog(values, measured, "o-", color="C0", label="measured")
            ax.set_xticks(values, [str(value) for value in values], rotation=45)
            ax.minorticks_off()
            ax.set_xlabel(growth.what)
            ax.set_ylabel(name)
            if not row:
                ax.set_title(growth.of, fontsize=10)
    axes[0][0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)


def main() -> int:
    """Measures, prints tables, draws."""
    config = parse(GrowthConfig, prog="python -m benchmarks.growth", description=DESCRIPTION)
    config.out.mkdir(parents=True, exist_ok=True)
    found = []
    for growth in growths(config):
        found.append(growth)
        print(table(growth), "\n", flush=True)
    text = json.dumps([asdict(growth) for growth in found], indent=1) + "\n"
    replace_text(config.out / "growth.json", text)
    draw(found, config.out / "growth.png")
    return 0


if __name__ == "__main__":
    use_huge_pages()
    sys.exit(main())
