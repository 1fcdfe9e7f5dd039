"""Fusing image files, one pair or two folders of them, so that one bad file stops no other."""

import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from fnet_jax import images
from fnet_jax.artifacts.progress import Tell
from fnet_jax.errors import InputError, first_line
from fnet_jax.fusing.fuser import Fuser
from fnet_jax.fusing.shapes import Size
from fnet_jax.pairs.match import Pair


def fuse_pairs(
    fusers: Fuser | Sequence[Fuser],
    pairs: Iterable[Pair],
    out: Path,
    *,
    color: str = "auto",
    suffix: str | None = None,
    overwrite: bool = False,
    max_pixels: int | None = None,
    report: Tell = print,
    progress: Callable[[list[Pair]], Iterable[Pair]] = iter,
) -> Iterator[Path]:
    """Fuses pairs of image files and yields the files it wrote, one after the other.

    Everything that can be known beforehand is checked before the first pair is fused. Compiled
    programs are shared between sizes as far as that saves time.

    Args:
        fusers: the network; several, on a device each, share the pairs.
        pairs: what to fuse.
        out: folder for the fused images, which have the stems of I1; made if it is not there.
        color: as for :meth:`~fnet_jax.fusing.fuser.Fuser.fuse`.
        suffix: of the fused images, such as ``".png"``; None for that of I1.
        overwrite: replace files that are there.
        max_pixels: largest number of pixels to accept; None for any.
        report: is called for each pair that failed.
        progress: wraps the list of the pairs that will be fused, to show how far the work is.

    Raises:
        InputError: nothing can be written to ``out``, or it is a folder of sources, where fused
            images would be taken for sources or replace them.
    """
    fusers = [fusers] if isinstance(fusers, Fuser) else list(fusers)
    pairs = list(pairs)
    _check_folder(pairs, out)
    sources = {path.resolve() for pair in pairs for path in (pair.i1, pair.i2)}
    targets: dict[Pair, Path] = {}
    sizes: list[Size] = []
    for pair in pairs:
        try:
            target = _target(pair, out, suffix, overwrite=overwrite)
            if target.resolve() in sources:  # through a link from another folder
                raise InputError(f"{target}: is a source image; give another --out")
            sizes.append(_common_size(pair, max_pixels))
            targets[pair] = target
        except (InputError, OSError) as error:
            report(_line(error))
    for fuser in fusers:
        fuser.prepare(sizes)

    def fuse(fuser: Fuser, pair: Pair) -> str | None:
        """Returns what went wrong, if anything did."""
        try:
            i1 = images.read(pair.i1, grey=color == "grey", max_pixels=max_pixels)
            i2 = images.read(pair.i2, grey=True, max_pixels=max_pixels)
            images.write(targets[pair], _fuse(fuser, pair, i1, i2, color), overwrite=overwrite)
        except (InputError, OSError) as error:
            return _line(error)
        return None

    for pair, problem in _shared(fusers, progress(list(targets)), fuse):
        if problem:
            report(problem)
        else:
            yield targets[pair]


def _shared(
    fusers: list[Fuser], pairs: Iterable[Pair], work: Callable[[Fuser, Pair], str | None]
) -> Iterator[tuple[Pair, str | None]]:
    """The pairs in turn, each with what a Fuser that was idle returned for it."""
    if len(fusers) == 1:
        yield from ((pair, work(fusers[0], pair)) for pair in pairs)
        return
    idle: SimpleQueue[Fuser] = SimpleQueue()
    for fuser in fusers:
        idle.put(fuser)

    def work_on_idle(pair: Pair) -> str | None:
        fuser = idle.get()
        try:
            return work(fuser, pair)
        finally:
            idle.put(fuser)

    with ThreadPoolExecutor(len(fusers)) as pool:
        begun: deque[tuple[Pair, Future[str | None]]] = deque()
        try:
            for pair in pairs:
                begun.append((pair, pool.submit(work_on_idle, pair)))
                if len(begun) > len(fusers):  # one is read ahead
                    first, done = begun.popleft()
                    yield first, done.result()
            yield from ((pair, done.result()) for pair, done in begun)
        finally:
            for _, done in begun:
                done.cancel()


def _line(error: InputError | OSError) -> str:
    if isinstance(error, InputError):
        return str(error)
    return f"{error.filename}: {error.strerror}; check the name, the disk and the permissions"


def _fuse(fuser: Fuser, pair: Pair, i1: np.ndarray, i2: np.ndarray, color: str) -> np.ndarray:
    """Fuses two arrays; raises InputError, naming I1, where memory does not suffice."""
    try:
        return fuser.fuse(i1, i2, color=color)
    except MemoryError as error:
        raise InputError(f"{pair.i1}: {first_line(error)}; shrink it") from error
    except RuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        height, width = i1.shape[:2]
        raise InputError(
            f"{pair.i1}: not enough memory for {width}×{height} pixels; give --tile 1024"
        ) from error


def _check_folder(pairs: list[Pair], out: Path) -> None:
    """Raises InputError unless fused images can go to ``out``; makes it."""
    folders = {path.parent.resolve() for pair in pairs for path in (pair.i1, pair.i2)}
    if out.resolve() in folders:
        raise InputError(f"{out}: is a folder of source images; give another --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise InputError(
            f"{out}: cannot be written to ({error.strerror}); give another --out"
        ) from error


def _target(pair: Pair, out: Path, suffix: str | None, *, overwrite: bool) -> Path:
    """The file that a pair's fused image goes to; raises InputError if it cannot be written."""
    suffix = suffix or pair.i1.suffix
    target = out / f"{pair.name}{suffix}"
    if suffix.lower() not in images.SUFFIXES:
        raise InputError(f"{pair.i1}: cannot write this format; give --format, such as png")
    if target.exists() and not overwrite:
        raise InputError(f"{target}: is there already; give --overwrite to replace it")
    return target


def _common_size(pair: Pair, max_pixels: int | None) -> Size:
    """Height and width of both images; raises InputError if they cannot be fused."""
    one, two = (images.size(path, max_pixels=max_pixels) for path in (pair.i1, pair.i2))
    if one != two:
        raise InputError(
            f"{pair.i1} is {one[1]}×{one[0]} but {pair.i2} is {two[1]}×{two[0]}; "
            f"register them to one size"
        )
    return one
