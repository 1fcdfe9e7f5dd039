"""Fuses one pair of image files, or two folders of them."""

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fnet_jax import images
from fnet_jax.artifacts.files import writable
from fnet_jax.cli.console import finish, say
from fnet_jax.cli.flags import CKPT, flag, parse, parser_of, positive
from fnet_jax.errors import InputError
from fnet_jax.fusing.sheet import contact_sheet
from fnet_jax.images import color
from fnet_jax.pairs.match import SAMPLES, Pair, match

MAX_PIXELS = 100_000_000
SHEET_ROWS = 20

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
--samples takes pairs that are shipped: synthetic ones, drawn, not photographed.
"""

EXAMPLES = """\
examples:
  {prog} --samples --out fused/ --sheet fused/sheet.png
  {prog} --i1 visible.png --i2 infrared.png --out fused/
  {prog} --i1 TNO/vi --i2 TNO/ir --out fused/TNO --color grey
  {prog} --i1 NIR/VIS --i2 NIR/NIR --out fused/NIR
  {prog} --i1 MRI_CT/CT --i2 MRI_CT/MRI --out fused/CT --color limited
  {prog} --i1 MRI_PET/PET --i2 MRI_PET/MRI --out fused/PET --color limited
  {prog} --i1 MRI_SPECT/SPECT --i2 MRI_SPECT/MRI --out fused/SPECT --color limited
  {prog} --ckpt runs/ --i1 visible/ --i2 infrared/ --out fused/

The exit status is 0 if everything was fused, 1 if anything failed, 2 if an option is wrong.
"""


@dataclass(frozen=True)
class FuseConfig:
    """What the command does; each field is a flag."""

    out: Path = flag("where the fused images go", metavar="FOLDER")
    ckpt: Path | None = flag(CKPT, default=None, metavar="FOLDER")
    i1: Path | None = flag("file or folder of I1", default=None, metavar="PATH")
    i2: Path | None = flag("file or folder of I2", default=None, metavar="PATH")
    samples: bool = flag("fuse the synthetic samples, in place of --i1 and --i2", default=False)
    sheet: Path | None = flag(
        f"also draw a contact sheet, I1, I2 and fused of the first {SHEET_ROWS} pairs, into this "
        "image file",
        default=None,
        metavar="FILE",
    )
    color: str = flag(
        "auto (default): keep the colour of I1 where it has any, in full-range Y'CbCr; "
        "full: the same without asking; grey: fuse to grey, the published protocol for visible + "
        "(near-)infrared; limited: keep colour in limited-range Y'CbCr, the published protocol for "
        "medical images",
        default="auto",
        choices=color.MODES,
    )
    format: str | None = flag(
        "format of the fused images (default: that of I1)",
        default=None,
        choices=("png", "jpg", "bmp", "tif"),
    )
    overwrite: bool = flag("replace fused images that are there already", default=False)
    max_pixels: int = flag(
        f"refuse larger images (default {MAX_PIXELS})",
        default=MAX_PIXELS,
        metavar="N",
        parse=positive,
    )
    tile: int | None = flag(
        "fuse larger images in tiles of at most N pixels a side, with the same result (default: "
        "images that need more than 1.6 GB, or most of the free memory, in tiles that do not)",
        default=None,
        metavar="N",
        parse=positive,
    )
    verbose: bool = flag("log devices, array sizes and compilations", default=False, short="-v")


def main(argv: Sequence[str] | None = None, *, prog: str = "fnet-fuse") -> int:
    """Runs the command; returns its exit status."""
    texts = {"prog": prog, "description": DESCRIPTION, "epilog": EXAMPLES.format(prog=prog)}
    config = parse(FuseConfig, argv, **texts)
    given = (config.i1 is not None, config.i2 is not None)
    if given != (not config.samples,) * 2:
        parser_of(FuseConfig, **texts).error("give either both --i1 and --i2, or --samples")
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    if config.verbose:
        logging.getLogger("fnet_jax").setLevel(logging.INFO)
    return finish(lambda: run(config), stopped="the images fused so far are whole")


def run(config: FuseConfig) -> int:
    """Fuses what the configuration names and prints how it went; returns the exit status.

    Raises:
        InputError: nothing can be fused at all; failures of single pairs are printed instead.
    """
    start = time.perf_counter()
    pairs, problems = match(config.i1 or SAMPLES / "I1", config.i2 or SAMPLES / "I2")
    if config.sheet:
        _check_sheet(config.sheet, config, pairs)
    from tqdm import tqdm

    from fnet_jax.fusing.batch import fuse_pairs
    from fnet_jax.fusing.fuser import Fuser
    from fnet_jax.runtime.compilation import keep_programs
    from fnet_jax.weights import checkpoints  # JAX is slow to import: after --help

    def report(line: str) -> None:
        tqdm.write(f"error: {line}", file=sys.stderr)

    for problem in problems:
        report(problem)
    keep_programs()
    ckpt = config.ckpt or checkpoints.PRETRAINED
    fusers = Fuser.from_checkpoint(ckpt, tile=config.tile).on_local_devices(len(pairs))
    written = fuse_pairs(
        fusers,
        pairs,
        config.out,
        color=config.color,
        suffix=f".{config.format}" if config.format else None,
        overwrite=config.overwrite,
        max_pixels=config.max_pixels,
        report=report,
        progress=partial(tqdm, desc="fusing", unit="pair", disable=None),
    )
    fused = {path.stem: path for path in written}
    total = len(pairs) + len(problems)
    compilations = sum(fuser.compilations for fuser in fusers)
    say(
        f"fused {len(fused)} of {total} pair{'s' * (total != 1)} "
        f"in {time.perf_counter() - start:.1f} s "
        f"({compilations} compilation{'s' * (compilations != 1)}) into {config.out}"
    )
    if config.sheet and fused:
        shown = [(p.name, p.i1, p.i2, fused[p.name]) for p in pairs if p.name in fused]
        images.write(config.sheet, contact_sheet(shown[:SHEET_ROWS]), overwrite=config.overwrite)
        say(f"contact sheet: {config.sheet}")
    return 0 if len(fused) == total else 1


def _check_sheet(sheet: Path, config: FuseConfig, pairs: list[Pair]) -> None:
    """Raises InputError unless a contact sheet can be written without harm to anything else."""
    if sheet.suffix.lower() not in images.SUFFIXES:
        raise InputError(f"--sheet {sheet}: is no image file; give a name that ends in .png")
    if sheet.exists() and not config.overwrite:
        raise InputError(f"{sheet}: is there already; give --overwrite to replace it")
    folders = {path.parent.resolve() for pair in pairs for path in (pair.i1, pair.i2)}
    if sheet.parent.resolve() in folders:
        raise InputError(f"--sheet {sheet}: is in a folder of source images; give another folder")
    if sheet.parent.resolve() == config.out.resolve() and sheet.stem in {p.name for p in pairs}:
        raise InputError(f"--sheet {sheet}: is what a fused image is called; give another name")
    with writable(sheet, remedy="give another --sheet"):
        sheet.parent.mkdir(parents=True, exist_ok=True)
