"""Measures whole commands, as a user starts them, on synthetic images: start and files included."""

import functools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.networks import SIDE, forward_program, step_program
from benchmarks.timing import Row, in_turn
from fnet_jax import Fuser, images
from fnet_jax.fusing.shapes import Size, area
from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.sizes import BASE, SIZES
from fnet_jax.synthetic import random_scene
from fnet_jax.weights import checkpoints
from train.config import TrainConfig
from train.data.batches import batches
from train.data.luma import LumaPairs
from train.data.sources import SyntheticPairs
from train.run.resolved import resolve
from train.run.stages import STAGES

ROOT = Path(__file__).parents[1]
BATCH, CROP = 16, 128  # of the paper's training
LAUNCHER = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""  # it uses little memory, because that of a parent counts as that of the process it starts


def starts(repeat: int) -> Row:
    """Importing the package after JAX, in separate processes."""

    def imported(names: str) -> float:
        code = f"import time, jax; t = time.perf_counter(); {names}; print(time.perf_counter() - t)"
        call = [sys.executable, "-c", code]
        return float(subprocess.run(call, cwd=ROOT, capture_output=True, check=True).stdout)

    package = float(np.median([imported("import fnet_jax") for _ in range(repeat)]))
    fuser = float(np.median([imported("from fnet_jax import Fuser") for _ in range(repeat)]))
    return Row(
        what="`import fnet_jax` after `import jax`",
        figure=f"{package:.3f} s",
        details=f"`from fnet_jax import Fuser`, which imports Flax: {fuser:.2f} s",
        numbers={"seconds": package, "fuser": fuser},
    )


def one_pair(repeat: int) -> Row:
    """``eval.fuse`` on one 256×256 pair, first and second run."""
    with _folder([(256, 256)]) as folder:
        first, _ = _fuse(folder)
        again = [_fuse(folder)[0] for _ in range(repeat)]
    second = float(np.median(again))
    return Row(
        what="one 256×256 pair, whole command, second run",
        figure=f"{second:.1f} s",
        details=f"first run, which compiles: {first:.1f} s",
        numbers={"seconds": second, "first": first},
    )


def many_sizes(repeat: int) -> Row:
    """``eval.fuse`` on 50 pairs of 48 sizes against the forward pass alone.

    RoadScene is fused if ``$FNET_DATA`` has it, else synthetic images of similar sizes.
    """
    roadscene = Path(os.environ.get("FNET_DATA", "")) / "RoadScene"
    real = (roadscene / "vi").is_dir()
    forward, _, _ = forward_program(SIDE, SIDE)
    with _folder([] if real else _like_roadscene()) as folder:
        if real:
            for kind in ("vi", "ir"):
                (folder / kind).symlink_to((roadscene / kind).resolve())
        pixels = sum(area(images.size(path)) for path in images.find(folder / "vi"))
        before = in_turn({"": forward}, repeat)[""]
        first, _ = _fuse(folder)
        second, _ = _fuse(folder)
        after = in_turn({"": forward}, repeat)[""]
    alone = (before + after) / 2 / SIDE**2 * pixels
    name = "RoadScene, 50 pairs of 48 sizes" if real else "50 pairs of 48 sizes"
    return Row(
        what=f"{name}, whole command, against the forward rate of {SIDE}×{SIDE}",
        figure=f"{first / alone:.2f} times as long",
        details=(
            f"{first:.1f} s against {alone:.1f} s; a second run, which compiles nothing, "
            f"{second:.1f} s ({second / alone:.2f})"
        ),
        numbers={"seconds": first, "second": second, "forward": alone, "ratio": first / alone},
    )


def _like_roadscene() -> list[Size]:
    rng = np.random.default_rng(0)
    widths, ratios = rng.integers(376, 607, 48), rng.uniform(0.45, 0.85, 48)
    sizes = [(int(w * ratio), int(w)) for w, ratio in zip(widths, ratios, strict=True)]
    return sizes + sizes[:2]


def large(repeat: int) -> Row:
    """``eval.fuse`` on one 3840×2160 pair: memory, and time per pixel against 320×320."""
    height, width = 2160, 3840
    forward, _, _ = forward_program(SIDE, SIDE)
    with _folder([(height, width)]) as folder:
        before = in_turn({"": forward}, repeat)[""]
        taken, peak = _fuse(folder)
        after = in_turn({"": forward}, repeat)[""]
    ratio = taken / (height * width) / ((before + after) / 2 / SIDE**2)
    return Row(
        what="3840×2160 pair, whole command: peak memory; time per pixel against 320×320",
        figure=f"{peak / 2**30:.2f} GiB; {ratio:.2f} times",
        details=f"{taken:.1f} s",
        numbers={"seconds": taken, "bytes": peak, "ratio": ratio},
    )


def sizes(repeat: int) -> Iterator[Row]:
    """Each size on one 640×480 pair, in turn, and the memory of the whole command."""
    height, width = 480, 640
    pair = random_scene(height, width, seed=0)
    fusers = {size: Fuser.pretrained(size) for size in SIZES}
    works = {size: functools.partial(fuser.fuse, *pair) for size, fuser in fusers.items()}
    taken = in_turn(works, repeat)
    with _folder([(height, width)]) as folder:
        peaks = {size: _fuse(folder, f"--size={size}")[1] for size in SIZES}
    for size, seconds in taken.items():
        ratio = taken[BASE] / seconds
        operations = FNet().products() / fusers[size].network.products()
        yield Row(
            what=f"{width}×{height} pair, `--size {size}`",
            figure=f"{ratio:.1f} times as fast as {BASE}",
            details=(
                f"{seconds:.3g} s, {1 / seconds:.3g} pairs a second, with 1/{operations:.3g} of "
                f"the operations; whole command: "
                f"{peaks[size] / 2**30:.2f} GiB"
            ),
            numbers={"seconds": seconds, "ratio": ratio, "bytes": peaks[size]},
        )


def pipeline(repeat: int) -> Row:
    """Crops per second that training gets, against the number that its faster step needs."""
    step, _, _ = step_program("stage2", batch=BATCH, crop=CROP)
    step_seconds = in_turn({"": step}, min(repeat, 2))[""]
    pairs = LumaPairs(SyntheticPairs(100, 256), range(100))
    iterator = batches(pairs, batch=BATCH, crop=CROP, seed=0)
    for _ in range(20):  # draws every scene, which is cached
        next(iterator)
    begin, count = time.perf_counter(), 200
    for _ in range(count):
        next(iterator)
    rate = BATCH * count / (time.perf_counter() - begin)
    consumed = BATCH / step_seconds
    return Row(
        what=f"data pipeline, crops of {CROP}×{CROP} per second, against what stage II takes",
        figure=f"{rate / consumed:.0f} times",
        details=f"{rate:.0f} against {consumed:.1f}",
        numbers={"rate": rate, "consumed": consumed, "ratio": rate / consumed},
    )


@contextmanager
def _folder(sizes: list[Size]) -> Iterator[Path]:
    """A checkpoint and grey pairs of these (height, width), in a temporary folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        resolved = resolve(STAGES["stage2"], TrainConfig(Path(), init="tied"))
        checkpoints.save(folder / "ckpt", resolved.fnet, resolved.params["fnet"])
        for i, (height, width) in enumerate(sizes):
            visible, infrared = random_scene(height, width, seed=i)
            for kind, image in (("vi", visible), ("ir", infrared)):
                (folder / kind).mkdir(exist_ok=True)
                images.write(folder / kind / f"{i}.png", image)
        yield folder


def _fuse(folder: Path, weights: str = "--ckpt=ckpt") -> tuple[float, float]:
    """Seconds and peak bytes of the command on such a folder, in which it caches programs."""
    call = [sys.executable, "-m", "eval.fuse", weights, "--i1", "vi", "--i2", "ir"]
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": paths, "XDG_CACHE_HOME": str(folder / "cache")}
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHER, *call, "--out", "out", "--overwrite", "--color", "grey"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    taken = time.perf_counter() - begin
    if done.returncode:
        raise SystemExit(f"{' '.join(call)} failed: {done.stderr}")
    return taken, int(done.stdout) * (1 if sys.platform == "darwin" else 1024)
