"""``python -m benchmarks.reading``: memory and time of reading large images."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tifffile
from PIL import Image

from fnet_jax.cli.flags import parse, whole
from fnet_jax.images.writing import write

DESCRIPTION = """\
Write one large image of noise in each format, read it in a separate process, and
print the increase of that process's peak memory relative to the size of the
resulting array. Linux only.
"""
ROOT = Path(__file__).parents[1]
READ = """
import re, sys, time
from pathlib import Path
from fnet_jax import images

def resident(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

def measured(path, grey):
    Path("/proc/self/clear_refs").write_text("5")  # from here on VmHWM is the peak
    before, begin = resident("VmRSS"), time.perf_counter()
    array = images.read(path, grey=grey, max_pixels=None)
    return resident("VmHWM") - before, time.perf_counter() - begin, array.nbytes

small, large = map(Path, sys.argv[1:])
measured(small, True)  # for late imports
peak, seconds, size = measured(large, False)
print(peak / size, measured(large, True)[0] / size, seconds)
"""


@dataclass(frozen=True)
class ReadingConfig:
    """Configuration of the command; each field is a flag."""

    # Height and width of the images, in pixels.
    side: Annotated[int, whole(16)] = 4000


def _pillow(mode: str, **options: Any) -> Callable[[Path, np.ndarray], None]:
    def save(path: Path, rgba: np.ndarray) -> None:
        Image.fromarray(rgba).convert(mode).save(path, **options)

    return save


def _palette(path: Path, rgba: np.ndarray) -> None:
    image = Image.fromarray(rgba[..., 0])
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768, np.uint8).tobytes())
    image.save(path)


def _tiff(
    of: Callable[[np.ndarray], np.ndarray], **options: Any
) -> Callable[[Path, np.ndarray], None]:
    def save(path: Path, rgba: np.ndarray) -> None:
        tifffile.imwrite(path, of(rgba), **options)

    return save


def _deep(rgba: np.ndarray) -> np.ndarray:
    return rgba.astype(np.uint16) * 257


def _one(rgba: np.ndarray) -> np.ndarray:
    return rgba[..., 0]


KINDS: dict[str, Callable[[Path, np.ndarray], None]] = {
    "grey.png": _pillow("L"),
    "rgb.png": _pillow("RGB"),
    "rgba.png": _pillow("RGBA"),
    "palette.png": _palette,
    "bits1.png": _pillow("1"),
    "grey16.png": lambda path, rgba: write(path, _deep(_one(rgba))),
    "grey.jpg": _pillow("L"),
    "rgb.jpg": _pillow("RGB", quality=90),
    "rgb444.jpg": _pillow("RGB", quality=90, subsampling=0),
    "progressive.jpg": _pillow("RGB", quality=90, progressive=True),
    "cmyk.jpg": _pillow("CMYK"),
    "rgb.bmp": _pillow("RGB"),
    "grey.bmp": _pillow("L"),
    "grey.tif": _tiff(_one),
    "rgb16.tif": _tiff(lambda rgba: _deep(rgba[..., :3]), photometric="rgb"),
    "planar.tif": _tiff(
        lambda rgba: np.ascontiguousarray(np.moveaxis(rgba[..., :3], 2, 0)),
        photometric="rgb",
        planarconfig="separate",
    ),
    "float.tif": _tiff(lambda rgba: (_one(rgba) / 255).astype(np.float32)),
    "deflate.tif": _pillow("RGB", compression="tiff_adobe_deflate"),
    "lzw.tif": _pillow("RGB", compression="tiff_lzw"),
    "rgba.tif": _pillow("RGBA"),
}


def measured(name: str, side: int) -> tuple[float, float, float]:
    """Peak memory of reading an image relative to its array, the same for grey, and seconds."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{size}-{name}" for size in ("small", "large")]
        for path, pixels in zip(paths, (32, side), strict=True):
            KINDS[name](path, rng.integers(0, 256, (pixels, pixels, 4), np.uint8))
        call = [sys.executable, "-c", READ, *map(str, paths)]
        done = subprocess.run(call, capture_output=True, check=True, text=True, cwd=ROOT)
    peak, grey, seconds = map(float, done.stdout.split())
    return peak, grey, seconds


def main() -> int:
    """Writes and reads each kind; prints a table."""
    config = parse(ReadingConfig, prog="python -m benchmarks.reading", description=DESCRIPTION)
    print("| file | memory, of the array | read as grey | seconds |\n|---|---|---|---|")
    for name in KINDS:
        peak, grey, seconds = measured(name, config.side)
        print(f"| {name} | {peak:.2f} | {grey:.2f} | {seconds:.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
