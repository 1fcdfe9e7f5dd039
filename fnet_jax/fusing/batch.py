"""Fusing image files, one pair or whole folders; a bad file does not stop the others."""

import logging
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from fnet_jax import images
from fnet_jax.artifacts.files import check_new, resolved, writable
from fnet_jax.artifacts.progress import Progress, Report, silent
from fnet_jax.errors import InputError, reason
from fnet_jax.fusing.fuser import Fuser
from fnet_jax.fusing.loading import Loaded, Loader
from fnet_jax.fusing.record import Record
from fnet_jax.fusing.registering import Registering, blended
from fnet_jax.fusing.shapes import Size
from fnet_jax.images.frame import MAX_PIXELS
from fnet_jax.images.jobs import Rules
from fnet_jax.images.range_rules import Rule
from fnet_jax.images.writing import write_values
from fnet_jax.pairs import reading
from fnet_jax.pairs.match import Pair, named
from fnet_jax.registration.displacement import NOTABLE
from fnet_jax.runtime.ahead import ahead
from fnet_jax.weights.integrity import checksums

REMEDY = "use --tile 1024, or a smaller number"
CELSIUS_SUFFIX, MASK_SUFFIX = ".celsius.tif", ".mask.png"

logger = logging.getLogger(__name__)


@dataclass
class _Job:
    """A pair in progress: its two images, then the fused one, or an error."""

    pair: Pair
    loaded: Loaded | None = None
    fused: np.ndarray | None = None
    problem: str | None = None


def fuse_pairs(
    fusers: Fuser | Sequence[Fuser],
    pairs: Iterable[Pair],
    out: Path,
    *,
    color: str = "auto",
    suffix: str | None = None,
    overwrite: bool = False,
    max_pixels: int | None = MAX_PIXELS,
    rule: Rule | Rules | None = None,
    strip: bool = False,
    temperatures: bool = False,
    recorded: bool = False,
    resume: bool = False,
    registering: Registering | None = None,
    masks: bool = False,
    finished: Callable[[Path], object] = lambda target: None,
    report: Report = print,
    warn: Report = logger.warning,
    looking: Progress = silent,
    progress: Callable[[list[Pair]], Iterable[Pair]] = iter,
) -> Iterator[Path]:
    """Fuses pairs of image files and yields the written files, in the order of the pairs.

    Everything that can be checked in advance is checked before the first pair is fused. Compiled
    programs are shared between sizes where that saves time. While a pair is fused, the next one is
    read and the previous one is written: with one Fuser, three pairs are in memory.

    Args:
        fusers: the network; several Fusers, each on its own device, share the pairs.
        pairs: the files.
        out: folder for the fused images, which have the stems of I1; created if missing.
        color: as for :meth:`~fnet_jax.fusing.fuser.Fuser.fuse`.
        suffix: of the fused images, such as ``".png"``; None for that of I1.
        overwrite: replace existing files.
        max_pixels: largest number of pixels to accept; None for any.
        rule: which values of deep images are black and white
            (:mod:`fnet_jax.images.range_rules`); None for the default.
        strip: do not copy the metadata of I1: camera, time, place.
        temperatures: also write the temperatures of I2, if its file gives them, as float32 TIFF in
            °C.
        recorded: keep a record in ``out``, so that the job can be resumed.
        resume: skip pairs whose fused image already exists and was made from the same files with
            the same weights and options (:mod:`fnet_jax.fusing.record`).
        registering: how to register pairs first; None for registered ones.
        masks: also write NAME.mask.png, white where the images of a registered pair overlap.
        finished: called with each image that is skipped.
        report: called with a line for each pair that failed, in order.
        warn: called with a line about each side whose range was chosen, and at the end with one
            about pairs that look swapped and one about pairs that look misaligned, if any.
        looking: shows progress while ranges are determined.
        progress: wraps the list of pairs to be fused, to show progress.

    Raises:
        InputError: ``out`` cannot be written, or it is a folder of sources.
    """
    fusers = [fusers] if isinstance(fusers, Fuser) else list(fusers)
    pairs = list(pairs)
    _check_folder(pairs, out)
    sources = {resolved(path) for pair in pairs for path in (pair.i1, pair.i2)}
    unranged = Loader(color, max_pixels, registering=registering)
    targets: dict[Pair, Path] = {}
    sizes: list[Size] = []
    for pair in pairs:
        try:
            target = _target(pair, out, suffix, overwrite=overwrite or resume)
            if masks and not (overwrite or resume):
                check_new(target.with_name(f"{target.stem}{MASK_SUFFIX}"), overwrite=False)
            if resolved(target) in sources:  # reached through a link from another folder
                raise InputError(f"{target} is a source image; use another --out")
            sizes.append(unranged.size(pair))
            targets[pair] = target
        except (InputError, OSError) as error:
            report(_line(error))
    for fuser in fusers:
        fuser.prepare(sizes)
    loader = unranged.of_job(targets, rule=rule, report=warn, progress=looking)
    made_by = {
        "weights": checksums(fusers[0].params),
        "color": color,
        "precision": fusers[0].precision,
        "rules": [str(rule) for rule in loader.rules],
        "strip": strip,
        "temperatures": temperatures,
        **({"registering": registering.record(), "masks": masks} if registering else {}),
    }
    record = Record(out, made_by)
    for pair, target in list(targets.items()) if resume else []:
        if record.has(target, pair):
            del targets[pair]
            finished(target)
        elif target.exists() and not overwrite:
            del targets[pair]
            report(
                f"{target} was made with other weights, options or sources; "
                f"use --overwrite to replace it"
            )

    swapped: list[Pair] = []
    displaced: dict[Pair, float] = {}

    def read(job: _Job) -> None:
        job.loaded = loader.load(job.pair)
        if job.loaded.swapped:
            swapped.append(job.pair)
        if job.loaded.displaced > NOTABLE:
            displaced[job.pair] = job.loaded.displaced

    def fuse(job: _Job, fuser: Fuser) -> None:
        assert job.loaded is not None
        with named(job.pair, remedy=REMEDY):
            job.fused = fuser.fuse(job.loaded.i1, job.loaded.i2, color=color)
            if job.loaded.weight is not None:
                alone = job.loaded.i1 if loader.on_i1 else job.loaded.i2
                job.fused = blended(job.fused, alone, job.loaded.weight)

    def write(job: _Job) -> None:
        assert job.loaded is not None
        assert job.fused is not None
        target, metadata = targets[job.pair], {} if strip else job.loaded.metadata
        if temperatures and job.loaded.celsius is not None:
            beside = target.with_name(f"{target.stem}{CELSIUS_SUFFIX}")
            write_values(beside, job.loaded.celsius, overwrite=overwrite or resume)
        if masks and job.loaded.weight is not None:
            mask = np.rint(255 * job.loaded.weight).astype(np.uint8)
            beside = target.with_name(f"{target.stem}{MASK_SUFFIX}")
            images.write(beside, mask, overwrite=overwrite or resume)
        if recorded or resume:
            record.add(target, job.pair)
        images.write(target, job.fused, overwrite=overwrite, metadata=metadata)

    with closing(_overlapped(list(targets), read, fuse, write, fusers)) as jobs:
        for pair, job in zip(progress(list(targets)), jobs, strict=True):
            if job.problem:
                report(job.problem)
            else:
                yield targets[pair]
    if swapped:
        warn(reading.swapped(swapped))
    if displaced:
        warn(reading.displaced(displaced))


def _overlapped(
    pairs: Iterable[Pair],
    read: Callable[[_Job], None],
    fuse: Callable[[_Job, Fuser], None],
    write: Callable[[_Job], None],
    fusers: list[Fuser],
) -> Generator[_Job, None, None]:
    """Yields finished jobs in order; reading, fusing and writing of neighbors overlap.

    A single Fuser works in the calling thread, where Ctrl-C stops it between two tiles.
    """
    idle: SimpleQueue[Fuser] = SimpleQueue()
    for fuser in fusers:
        idle.put(fuser)

    def fuse_on_idle(job: _Job) -> None:
        fuser = idle.get()
        try:
            fuse(job, fuser)
        finally:
            idle.put(fuser)

    with ExitStack() as stack:

        def threads(number: int) -> ThreadPoolExecutor:
            pool = ThreadPoolExecutor(number)
            stack.callback(pool.shutdown, cancel_futures=True)
            return pool

        found = ahead(threads(1), _unless_failed(read), map(_Job, pairs), 1)
        if len(fusers) == 1:
            fused: Iterator[_Job] = map(_unless_failed(fuse_on_idle), found)
        else:
            pool = threads(len(fusers))
            fused = ahead(pool, _unless_failed(fuse_on_idle), found, len(fusers))
        yield from ahead(threads(1), _unless_failed(write), fused, 1)


def _unless_failed(work: Callable[[_Job], None]) -> Callable[[_Job], _Job]:
    """Wraps a stage so that it records errors and skips jobs that have failed."""

    def stage(job: _Job) -> _Job:
        try:
            if job.problem is None:
                work(job)
        except (InputError, OSError) as error:
            job.problem, job.loaded, job.fused = _line(error), None, None
        return job

    return stage


def _line(error: InputError | OSError) -> str:
    if isinstance(error, InputError):
        return str(error)
    return f"{error.filename}: {reason(error)}; check the name, the disk and the permissions"


def _check_folder(pairs: list[Pair], out: Path) -> None:
    """Creates ``out``; raises InputError if it cannot take fused images."""
    alone = len(pairs) == 1 and pairs[0].called is not None  # then it has a name of its own
    taken = [] if alone else pairs
    folders = {resolved(path.parent) for pair in taken for path in (pair.i1, pair.i2)}
    if resolved(out) in folders:
        raise InputError(f"{out} is a folder of source images; use another --out")
    with writable(out, remedy="use another --out"):
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()


def _target(pair: Pair, out: Path, suffix: str | None, *, overwrite: bool) -> Path:
    """The file for a pair's fused image; raises InputError if it cannot be written."""
    suffix = suffix or pair.i1.suffix
    target = out / f"{pair.name}{suffix}"
    if suffix.lower() not in images.SUFFIXES:
        raise InputError(
            f"{pair.i1}: unsupported output format; use --format, such as --format png"
        )
    if target.exists() and not overwrite:
        raise InputError(f"{target} already exists; use --overwrite to replace it")
    return target
