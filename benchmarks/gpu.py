"""``python -m benchmarks.gpu``: what a GPU computes, against the CPU beside it, and how fast."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import jax
import jax.extend.backend
from tqdm import tqdm

from benchmarks import gpu_findings, networks
from benchmarks.gpu_findings import Finding
from fnet_jax.artifacts.files import replace_texts
from fnet_jax.artifacts.markdown import table
from fnet_jax.artifacts.provenance import NETWORK, today, versions
from fnet_jax.cli.flags import FOLDER, choice, parse, unset, whole
from fnet_jax.runtime.cores import cores
from train.run.stages import STAGES

DESCRIPTION = """\
Check a GPU before it is trusted, and measure it. One report compares it with
the CPU of the same machine (fused images, losses and gradients at each
precision), checks the rule by which the default precision is chosen, and times
fusing, both training steps, and a step on all devices. Where PyTorch is
installed, the same network in PyTorch is timed beside it.

It takes less than eight minutes on a GPU. Without one it measures the CPU in
the same way, against itself; --scale 8 makes that bearable.

exit status: 1 if the device and the CPU differ by more than the precision
explains, or the rule does not hold
"""

PARTS = ("images", "losses", "forward", "fuser", "training", "devices", "others")
SIDES, LARGE = (320, 1024), (2160, 3840)  # pixels; height and width
BATCHES = (1, 16)  # pairs of the smaller side
BATCH, CROP = 16, 128  # of a training step, as in the paper


@dataclass(frozen=True)
class GpuConfig:
    """What the command does; each field is a flag."""

    # Folder for report.md and report.json.
    out: Annotated[Path, FOLDER]
    # How often each is timed; the median counts.
    repeat: Annotated[int, whole(1)] = 5
    # Divide the sides of all images and crops by this, to try the command on a slow machine.
    scale: Annotated[int, whole(1, 64)] = 1
    # Measure only one part: images, losses, forward, fuser, training, devices or others.
    only: Annotated[str | None, choice(PARTS, "PART"), unset("all")] = None


def findings(config: GpuConfig) -> Iterator[Finding]:
    """Measures one row after the other."""
    repeat, scale = config.repeat, config.scale

    def wanted(part: str) -> bool:
        return config.only in (None, part)

    small, side = (max(side // scale, 16) for side in SIDES)
    height, width = (max(side // scale, 16) for side in LARGE)
    crop = max(CROP // scale, 8)
    if wanted("images"):
        for each in sorted({small, side}):
            yield from gpu_findings.images(each, repeat)
    if wanted("losses"):
        for stage in STAGES:
            yield from gpu_findings.losses(stage, max(64 // scale, 16))
    if wanted("forward"):
        for batch in BATCHES:
            yield from gpu_findings.forward(small, small, batch, repeat)
        yield from gpu_findings.forward(side, side, 1, repeat)
    if wanted("fuser"):
        for size in ((small, small), (side, side), (height, width)):
            yield from gpu_findings.fuser(*size, repeat)
    if wanted("training"):
        for stage in STAGES:
            yield from gpu_findings.training(stage, BATCH, crop, repeat)
    if wanted("devices"):
        yield gpu_findings.on_all_devices("stage2", BATCH, crop, repeat)
    if wanted("others"):
        for row in networks.others(repeat, side=small):
            yield Finding(part="others", **asdict(row))


def machine() -> dict[str, str]:
    """What is measured, by name; with the memory used so far, where the device counts it."""
    device = jax.local_devices()[0]
    stats = device.memory_stats() or {}
    names = {"bytes_limit": "memory for JAX", "peak_bytes_in_use": "most memory in use"}
    return {
        "device": device.device_kind,
        "devices": str(jax.local_device_count()),
        "CPU cores": str(cores()),
        **{text: f"{stats[name] / 2**30:.1f} GiB" for name, text in names.items() if name in stats},
        "runtime": " ".join(jax.extend.backend.get_backend().platform_version.split()),
        "date": today(),
        **versions(*NETWORK, "numpy"),
    }


def report(about: dict[str, str], found: list[Finding], *, scale: int) -> str:
    """The report as Markdown."""
    lines = ["# A device, measured by `python -m benchmarks.gpu`", ""]
    lines += [table(("what", "here"), about.items()), ""]
    if scale > 1:
        lines += [f"All sides were divided by {scale}: the times are those of no real image.", ""]
    for part in PARTS:
        rows = [
            (each.what, each.figure + ("" if each.good is not False else " **✗**"), each.details)
            for each in found
            if each.part == part
        ]
        if rows:
            lines += [f"## {part.capitalize()}", "", table(("what", "figure", "beside"), rows), ""]
    return "\n".join(lines)


def main() -> int:
    """Checks and measures; writes and prints the report."""
    config = parse(GpuConfig, prog="python -m benchmarks.gpu", description=DESCRIPTION)
    config.out.mkdir(parents=True, exist_ok=True)
    found: list[Finding] = []
    for each in tqdm(findings(config), desc="measuring", unit="row", disable=None):
        found.append(each)
        about = machine()
        text = report(about, found, scale=config.scale)
        content = {"machine": about, "rows": [asdict(each) for each in found]}
        replace_texts(
            {
                config.out / "report.md": text,
                config.out / "report.json": json.dumps(content, indent=1) + "\n",
            }
        )
    print(text)
    wrong = [each.what for each in found if each.good is False]
    for what in wrong:
        print(f"not as it should be: {what}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
