"""``fnet fuse``: fuses one pair of image files, or two folders of them."""

import dataclasses
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from fnet_jax.artifacts.words import counted, one_line
from fnet_jax.cli.console import InOneLine, complain, finish, say, warn
from fnet_jax.cli.flags import (
    FILE,
    FOLDER,
    PATH,
    SHIPPED,
    SIZE,
    check_weights,
    choice,
    parse,
    path,
    reads,
    unset,
    whole,
    word_or_path,
)
from fnet_jax.cli.sources import COLORS, RANGE, RANGE_UNSET, WAYS, Sources
from fnet_jax.errors import InputError
from fnet_jax.images.range_rules import Rule
from fnet_jax.runtime.engines import CHOICES, PRECISION, PRECISIONS

if TYPE_CHECKING:
    from fnet_jax.artifacts.progress import Progress
    from fnet_jax.fusing.registering import Registering
    from fnet_jax.pairs.match import Pair

SHEET_ROWS = 20
PHOTO = reads(path, "PHOTO")

DESCRIPTION = f"""\
Fuse pairs of images of one scene with FNet. The images of a pair must be
aligned; --register aligns them first.

I1 is the first modality and may be in color; I2 is the second and is read as
grey:

  task                   I1        I2
  visible + infrared     visible   infrared
  visible + near-IR      visible   near-infrared
  CT + MRI               CT        MRI
  PET + MRI              PET       MRI
  SPECT + MRI            SPECT     MRI

Inputs are two image files or two folders. In folders, images whose names differ
only in the suffix are paired (vi/01.png with ir/01.jpg); images without a
partner are reported.

{WAYS}
Supported files are PNG, JPEG, BMP and TIFF, with up to 32 bits per channel or
floats, and thermal images of FLIR (JPEG, .fff, .seq) and DJI cameras. A FLIR
photo contains both images: give it alone.
"""

EXAMPLES = """\
examples:
  {prog} --samples --out fused/ --sheet fused/sheet.png
  {prog} --i1 visible.png --i2 infrared.png --out fused.png
  {prog} --i1 TNO/vi --i2 TNO/ir --out fused/TNO --color grey
  {prog} --i1 NIR/VIS --i2 NIR/NIR --out fused/NIR
  {prog} --i1 MRI_CT/CT --i2 MRI_CT/MRI --out fused/CT --color limited
  {prog} --i1 MRI_PET/PET --i2 MRI_PET/MRI --out fused/PET --color limited
  {prog} --i1 MRI_SPECT/SPECT --i2 MRI_SPECT/MRI --out fused/SPECT --color limited
  {prog} photo.jpg --out fused/ --temperatures
  {prog} --i1 rig/visible --i2 rig/infrared --register auto --out fused/
  {prog} --i1 DJI/ --i2 DJI/ --pattern "{{}}_W.JPG" "{{}}_T.JPG" --out fused/
  {prog} --ckpt runs/ --i1 visible/ --i2 infrared/ --out fused/

exit status: 0 if every pair was fused, 1 if anything failed, 2 if an option is
wrong, 130 after Ctrl-C
"""


@dataclass(frozen=True, kw_only=True)
class FuseConfig(Sources):
    """Configuration of the command; each field is a flag."""

    # Files of thermal cameras, each with a thermal and a visible image, which are aligned by the
    # camera's own tags; or a folder of them. They replace --i1 and --i2.
    photos: Annotated[tyro.conf.Positional[tuple[Annotated[Path, PHOTO], ...]], unset()] = ()
    # Folder for the fused images, which keep the file names of I1. For a single pair, an image file
    # such as fused.png is accepted too.
    out: Annotated[Path, PATH]
    # Checkpoint of FNet, or the workdir of a training run.
    ckpt: Annotated[Path | None, FOLDER, SHIPPED] = None
    size: Annotated[str | None, *SIZE] = None
    # Also write a contact sheet to this image file: I1, I2 and the fused image of the first 20
    # pairs.
    sheet: Annotated[Path | None, FILE, unset()] = None
    # What to do with the color of I1. auto: full if I1 shows color, else grey; full: keep it, in
    # full-range Y'CbCr; grey: drop it (the published protocol for visible and (near-)infrared
    # images); limited: keep it, in limited-range Y'CbCr (the published protocol for medical
    # images).
    color: Annotated[str, choice(COLORS, "MODE")] = "auto"
    # Format of the fused images: png, jpg, bmp or tif.
    format: Annotated[
        str | None, choice(("png", "jpg", "bmp", "tif"), "FORMAT"), unset("that of I1")
    ] = None
    # Which values are black and white in images of more than 8 bits or floats: type (the range of
    # the stored bits; floats 0 to 1), LOW,HIGH (in the unit of each file: °C for temperatures in
    # I2, such as 15,40, but stored values in I1), folder (one range per unit for all I1, and for
    # all I2), or image (one range per image, which invents hot spots).
    range: Annotated[Rule | None, RANGE, RANGE_UNSET] = None
    # Also write the temperatures of I2, if its file gives them, as a float32 TIFF in °C named
    # NAME.celsius.tif, beside the fused image and aligned with it.
    temperatures: bool = False
    # Align the images of each pair first, with a transform file of fnet register, or auto (one
    # transform for all pairs if they agree on one, else one for each). Images may then differ in
    # size and field of view; where I2 does not reach, the fused image is I1.
    register: Annotated[str | None, reads(word_or_path, "FILE|auto"), unset()] = None
    # With --register, the image whose pixel grid the fused images have: i1 or i2.
    grid: Annotated[str, choice(("i1", "i2"), "IMAGE")] = "i1"
    # With --register, also write NAME.mask.png, which is white where the images overlap.
    mask: bool = False
    # Do not copy the metadata of I1: camera, time, resolution, place.
    strip: bool = False
    # Continue a job that was stopped: skip pairs whose fused image already exists and was made from
    # the same files with the same weights and options.
    resume: bool = False
    # Replace fused images that already exist.
    overwrite: bool = False
    # Refuse images with more pixels than this.
    max_pixels: Annotated[int, whole(1, 2**40)] = 100_000_000
    # Fuse images that are wider or taller than N pixels in tiles of at most N pixels a side. The
    # result is the same up to rounding, and needs less memory.
    tile: Annotated[int | None, whole(1), unset("chosen by the free memory")] = None
    # Engine: native (the compiled engine for CPUs, up to three times as fast), xla, or auto (native
    # if it was built and is faster).
    engine: Annotated[
        str | None, choice(CHOICES, "ENGINE"), unset("the value of FNET_ENGINE, or auto")
    ] = None
    # Precision of multiplications. highest: float32; tf32: a 10-bit mantissa on an NVIDIA GPU,
    # twice as fast, which changes one 8-bit pixel in 200 by one level; bf16: a 7-bit mantissa, no
    # faster than tf32.
    precision: Annotated[str, choice(PRECISIONS, "PRECISION")] = PRECISION
    # Log devices, array sizes and compilations.
    verbose: Annotated[bool, tyro.conf.arg(aliases=["-v"])] = False

    def __post_init__(self) -> None:
        """Raises InputError unless the flags name one source of images."""
        check_weights(self.ckpt, self.size)
        if not self.register and (self.mask or self.grid != "i1"):
            raise InputError("--mask and --grid need --register FILE or --register auto")
        if not self.photos:
            super().__post_init__()
        elif self.samples or any((self.i1, self.i2, self.pairs, self.pattern)):
            raise InputError("use either files of thermal cameras, or --i1 and --i2, or --samples")

    def find(self) -> "tuple[list[Pair], list[str]]":
        """Finds the pairs; also returns a line for each file without a partner."""
        if not self.photos:
            return super().find()
        from fnet_jax.pairs.match import of_photos  # slow to import: after --help

        return of_photos(self.photos), []


def main(argv: Sequence[str] | None = None, *, prog: str = "fnet fuse") -> int:
    """Runs the command; returns its exit status."""
    config = parse(FuseConfig, argv, prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    handler = logging.StreamHandler()
    handler.setFormatter(InOneLine())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    if config.verbose:
        logging.getLogger("fnet_jax").setLevel(logging.INFO)
    return finish(lambda: run(config), stopped="the images fused so far are complete")


def run(config: FuseConfig) -> int:
    """Fuses the pairs, prints a summary, and returns the exit status.

    Raises:
        InputError: nothing can be fused at all; failures of single pairs are printed instead.
    """
    start = time.perf_counter()
    from tqdm import tqdm

    from fnet_jax import images
    from fnet_jax.fusing.batch import fuse_pairs
    from fnet_jax.fusing.fuser import Fuser
    from fnet_jax.fusing.loading import Loader
    from fnet_jax.fusing.sheet import check_sheet, contact_sheet
    from fnet_jax.images.sheets import write_sheet
    from fnet_jax.runtime.compilation import keep_programs
    from fnet_jax.weights import checkpoints  # JAX is slow to import: after --help

    pairs, problems = config.find()
    out, suffix = config.out, f".{config.format}" if config.format else None
    if len(pairs) == 1 and out.suffix.lower() in images.SUFFIXES and not out.is_dir():
        if suffix not in (None, out.suffix.lower()):
            raise InputError(
                f"--format {config.format}: {out} has another format; omit one of them"
            )
        pairs = [dataclasses.replace(pairs[0], called=out.stem)]
        out, suffix = out.parent, out.suffix
    if config.sheet:
        check_sheet(config.sheet, pairs, out, overwrite=config.overwrite)
    for problem in problems:
        complain(problem)
    keep_programs()
    ckpt = config.ckpt or checkpoints.shipped(config.size)
    fuser = Fuser.from_checkpoint(
        ckpt, tile=config.tile, engine=config.engine, precision=config.precision
    )
    fusers = fuser.on_local_devices(len(pairs))
    registering = _registering(config, pairs, partial(tqdm, unit="pair", delay=2, disable=None))
    there: list[Path] = []
    written = fuse_pairs(
        fusers,
        pairs,
        out,
        color=config.color,
        suffix=suffix,
        overwrite=config.overwrite,
        max_pixels=config.max_pixels,
        rule=config.range,
        strip=config.strip,
        temperatures=config.temperatures,
        recorded=len(pairs) > 1 and not config.samples,
        resume=config.resume,
        registering=registering,
        masks=config.mask,
        finished=there.append,
        report=complain,
        warn=warn,
        looking=partial(tqdm, unit="file", leave=False, delay=2, disable=None),
        progress=partial(tqdm, desc="fusing", unit="pair", disable=None),
    )
    fused = {path.stem: path for path in written}
    kept = f" ({len(there):,} of them earlier)" if there else ""
    fused |= {path.stem: path for path in there}
    total = len(pairs) + len(problems)
    compilations = sum(fuser.compilations for fuser in fusers)
    seconds = time.perf_counter() - start
    say(
        f"fused {len(fused)} of {counted(total, 'pair')}{kept} in {seconds:.1f} s "
        f"({counted(compilations, 'compilation')}) into {one_line(str(config.out))}"
    )
    if config.sheet and fused:
        shown = [pair for pair in pairs if pair.name in fused]
        loader = Loader(max_pixels=config.max_pixels, registering=registering).of_job(
            shown, rule=config.range, report=lambda line: None
        )
        sources = ((pair, loader.load(pair, quiet=True)) for pair in shown[:SHEET_ROWS])
        rows = ((p.name, x.i1, x.i2, fused[p.name]) for p, x in sources)  # one in memory at a time
        write_sheet(config.sheet, contact_sheet(rows), overwrite=config.overwrite)
        say(f"contact sheet: {one_line(str(config.sheet))}")
    return 0 if len(fused) == total else 1


def _registering(
    config: FuseConfig, pairs: "list[Pair]", progress: "Progress"
) -> "Registering | None":
    """The registration of a job's pairs; None without --register."""
    if not config.register:
        return None
    from fnet_jax.fusing.registering import Registering, automatic
    from fnet_jax.registration import files

    if config.register == "auto":
        return automatic(
            pairs, grid=config.grid, max_pixels=config.max_pixels, report=say, progress=progress
        )
    return Registering(files.read(Path(config.register)), config.grid)
