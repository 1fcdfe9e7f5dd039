"""Fuses one pair of image files, or two folders of them."""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fnet_jax import color, images
from fnet_jax.errors import InputError, first_line
from fnet_jax.padding import Size
from fnet_jax.pairs import Pair, match

if TYPE_CHECKING:
    from fnet_jax.fusion import Fuser

MAX_PIXELS = 3840 * 2160

DESCRIPTION = """\
Fuse pairs of registered images of one scene with FNet.

I1 is the first modality, which may be in colour, and I2 the second, which is read as grey:

  task                   I1        I2
  visible + infrared     visible   infrared
  visible + near-IR      visible   near-infrared
  CT + MRI               CT        MRI
  PET + MRI              PET       MRI
  SPECT + MRI            SPECT     MRI

Give two files, or two folders: then images are paired whose names differ in nothing but the
suffix (vi/01.png with ir/01.jpg), and those without a partner are listed. PNG, JPEG, BMP and TIFF
of 8 bits (grey, RGB, palette; an alpha channel is dropped) and 16-bit grey PNG and TIFF are read.
"""

EXAMPLES = """\
examples:
  {prog} --ckpt ckpt/ --i1 visible.png --i2 infrared.png --out fused/
  {prog} --ckpt ckpt/ --i1 TNO/vi --i2 TNO/ir --out fused/TNO --color grey
  {prog} --ckpt ckpt/ --i1 NIR/VIS --i2 NIR/NIR --out fused/NIR
  {prog} --ckpt ckpt/ --i1 MRI_CT/CT --i2 MRI_CT/MRI --out fused/CT --color limited
  {prog} --ckpt ckpt/ --i1 MRI_PET/PET --i2 MRI_PET/MRI --out fused/PET --color limited
  {prog} --ckpt ckpt/ --i1 MRI_SPECT/SPECT --i2 MRI_SPECT/MRI --out fused/SPECT --color limited

The exit status is 0 if everything was fused, 1 if anything failed, 2 if an option is wrong.
"""


def parser(prog: str) -> argparse.ArgumentParser:
    """The command's arguments."""
    arguments = argparse.ArgumentParser(
        prog=prog,
        description=DESCRIPTION,
        epilog=EXAMPLES.format(prog=prog),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = arguments.add_argument
    add("--ckpt", type=Path, required=True, metavar="FOLDER", help="checkpoint of FNet")
    add("--i1", type=Path, required=True, metavar="PATH", help="file or folder of I1")
    add("--i2", type=Path, required=True, metavar="PATH", help="file or folder of I2")
    add("--out", type=Path, required=True, metavar="FOLDER", help="where the fused images go")
    add(
        "--color",
        choices=color.MODES,
        default="auto",
        help="auto (default): keep the colour of I1 where it has any, in full-range Y'CbCr; "
        "full: the same without asking; grey: fuse to grey, the published protocol for visible + "
        "(near-)infrared; limited: keep colour in limited-range Y'CbCr, the published protocol for "
        "medical images",
    )
    add(
        "--format",
        choices=("png", "jpg", "bmp", "tif"),
        help="format of the fused images (default: that of I1)",
    )
    add("--overwrite", action="store_true", help="replace fused images that are there already")
    add(
        "--max-pixels",
        type=_positive,
        default=MAX_PIXELS,
        metavar="N",
        help=f"refuse larger images (default {MAX_PIXELS}, which is 3840×2160)",
    )
    add("-v", "--verbose", action="store_true", help="log array sizes, compilations and devices")
    return arguments


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def main(argv: Sequence[str] | None = None, *, prog: str = "fnet-fuse") -> int:
    """Runs the command; returns its exit status."""
    options = parser(prog).parse_args(argv)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    if options.verbose:
        logging.getLogger("fnet_jax").setLevel(logging.INFO)
    try:
        return run(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the images fused so far are whole", file=sys.stderr)
        return 130


def run(options: argparse.Namespace) -> int:
    """Fuses what the options name; returns the exit status.

    Raises:
        InputError: nothing can be fused at all; failures of single pairs are printed instead.
    """
    from tqdm import tqdm

    from fnet_jax.fusion import Fuser  # JAX is slow to import: after --help and its errors

    start = time.perf_counter()
    pairs, problems = match(options.i1, options.i2)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    fuser = Fuser.from_checkpoint(options.ckpt)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{options.out}: cannot be made a folder ({first_line(error)}); give another --out"
        ) from error

    todo: list[tuple[Pair, Path]] = []
    sizes: list[Size] = []
    for pair in pairs:
        try:
            target = _target(pair, options)
            sizes.append(_common_size(pair, options.max_pixels))
            todo.append((pair, target))
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
    fuser.prepare(sizes)

    fused = 0
    for pair, target in tqdm(todo, desc="fusing", unit="pair", disable=None):
        try:
            _fuse_one(fuser, pair, target, options)
            fused += 1
        except InputError as error:
            tqdm.write(f"error: {error}", file=sys.stderr)
    seconds = time.perf_counter() - start
    total = len(pairs) + len(problems)
    print(
        f"fused {fused} of {total} pair{'s' * (total != 1)} in {seconds:.1f} s "
        f"({fuser.compilations} compilation{'s' * (fuser.compilations != 1)}) into {options.out}"
    )
    return 0 if fused == total else 1


def _target(pair: Pair, options: argparse.Namespace) -> Path:
    """The file that a pair's fused image goes to.

    Raises:
        InputError: it is there and may not be replaced, or it is one of the sources.
    """
    suffix = f".{options.format}" if options.format else pair.i1.suffix
    target = options.out / f"{pair.name}{suffix}"
    if target.exists() and any(target.samefile(source) for source in (pair.i1, pair.i2)):
        raise InputError(f"{target}: is a source image; give another --out")
    if target.exists() and not options.overwrite:
        raise InputError(f"{target}: is there already; give --overwrite to replace it")
    return target


def _common_size(pair: Pair, max_pixels: int) -> Size:
    """Height and width of both images, from the files' headers.

    Raises:
        InputError: a file cannot be read or is too large, or the sizes differ.
    """
    one, two = (images.size(path, max_pixels=max_pixels) for path in (pair.i1, pair.i2))
    if one != two:
        raise InputError(
            f"{pair.i1} is {one[1]}×{one[0]} but {pair.i2} is {two[1]}×{two[0]}; "
            f"register them to one size"
        )
    return one


def _fuse_one(fuser: "Fuser", pair: Pair, target: Path, options: argparse.Namespace) -> None:
    """Fuses one pair of files.

    Raises:
        InputError: a file cannot be read or written, or memory does not suffice.
    """
    grey = options.color == "grey"
    i1 = images.read(pair.i1, grey=grey, max_pixels=options.max_pixels)
    i2 = images.read(pair.i2, grey=True, max_pixels=options.max_pixels)
    try:
        result = fuser.fuse(i1, i2, color=options.color)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
            raise InputError(
                f"{pair.i1}: not enough memory for {i1.shape[1]}×{i1.shape[0]} pixels; shrink it"
            ) from error
        raise
    images.write(target, result, overwrite=options.overwrite)
