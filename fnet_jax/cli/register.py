"""``fnet register``: finds the transform between two cameras, or between the images of pairs."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from fnet_jax.artifacts.words import counted, one_line
from fnet_jax.cli.console import complain, finish, say
from fnet_jax.cli.flags import FILE, PATH, choice, parse, path, reads, unset, whole
from fnet_jax.cli.sources import WAYS, Images
from fnet_jax.errors import InputError

if TYPE_CHECKING:
    from fnet_jax.artifacts.progress import Progress
    from fnet_jax.pairs.match import Pair
    from fnet_jax.registration import Registration, Rig
    from fnet_jax.registration.page import Shown
    from fnet_jax.registration.sources import Source

MODELS = ("translation", "similarity", "affine", "homography")  # of a module that imports NumPy
PHOTO = reads(path, "PHOTO")
ON_PAGE = 40  # pairs, the worst first

DESCRIPTION = f"""\
Find the alignment of two cameras or two scans: the transform from the pixels of
I1 to those of I2, which may differ in size, field of view and modality.
fnet fuse --register FILE applies it.

Without --each, all pairs are taken to come from one rig of two cameras: one
transform is fitted to all of them, its agreement with each pair is shown, and
pairs that do not fit are marked. With --each, every pair gets its own.

A transform is refused if the images agree hardly better than by chance, or if
it is uncertain: a wrong one is worse than none. The expected error is given in
pixels of I2, at the corners of the part of I1 that I2 covers. One transform for
a whole image cannot correct the parallax of near objects or lens distortion.

{WAYS}
Give photos of thermal cameras that contain both images alone; the search starts
from their alignment tags.
"""

EXAMPLES = """\
examples:
  {prog} --i1 rig/visible --i2 rig/infrared --out rig.json --page rig.html
  {prog} --i1 CT --i2 MRI --each --out scans.json
  {prog} photos/ --out camera.json
  fnet fuse --i1 rig/visible --i2 rig/infrared --register rig.json --out fused/

exit status: 0 if the transform, or with --each every one, was accepted, 1 if one
was refused or anything failed, 2 if an option is wrong, 130 after Ctrl-C
"""


@dataclass(frozen=True, kw_only=True)
class RegisterConfig(Images):
    """Configuration of the command; each field is a flag."""

    # Files of thermal cameras, each with a thermal and a visible image; or a folder of them. They
    # replace --i1 and --i2.
    photos: Annotated[tyro.conf.Positional[tuple[Annotated[Path, PHOTO], ...]], unset()] = ()
    # File for the transform, such as rig.json.
    out: Annotated[Path, FILE]
    # Find a transform for each pair, instead of one for all.
    each: bool = False
    # Type of the transform.
    model: Annotated[
        str | None,
        choice(MODELS, "MODEL"),
        unset("the simplest that explains the images, at least a similarity"),
    ] = None
    # Transform file of a rig from which the search starts.
    start: Annotated[
        Path | None, FILE, unset("the tags of thermal cameras, else aligned centers")
    ] = None
    # Search only near the start: shifts up to about 8 % of I1's longer side.
    near: bool = False
    # Also write an HTML page with checkerboards, overlaid edges and blinking images, before and
    # after registration.
    page: Annotated[Path | None, PATH, unset()] = None
    # Replace files that already exist.
    overwrite: bool = False
    # Refuse images with more pixels than this.
    max_pixels: Annotated[int, whole(1, 2**40)] = 100_000_000

    def __post_init__(self) -> None:
        """Raises InputError unless the flags name exactly one source of images."""
        if self.photos:
            if any((self.i1, self.i2, self.pairs, self.pattern)):
                raise InputError("use either files of thermal cameras, or --i1 and --i2")
        elif not self.complete:
            raise InputError("use both --i1 and --i2, or --pairs, or files of thermal cameras")

    def find(self) -> "tuple[list[Pair], list[str]]":
        """Finds the pairs; also returns a line for each file without a partner."""
        if not self.photos:
            return super().find()
        from fnet_jax.pairs.match import of_photos  # slow to import: after --help

        named: dict[str, Pair] = {}
        problems = []
        for pair in of_photos(self.photos):
            if (other := named.setdefault(pair.name, pair)) is not pair:
                problems.append(f"{pair.i1} has the same name as {other.i1}; rename one")
        return list(named.values()), problems


def main(argv: Sequence[str] | None = None, *, prog: str = "fnet register") -> int:
    """Runs the command; returns its exit status."""
    config = parse(RegisterConfig, argv, prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    return finish(lambda: run(config), stopped="nothing was written")


def run(config: RegisterConfig) -> int:
    """Registers the pairs, prints a summary, and returns the exit status.

    Raises:
        InputError: nothing can be registered at all; failures of single pairs are printed instead.
    """
    begin = time.perf_counter()
    from tqdm import tqdm

    from fnet_jax.artifacts.files import check_all_new, replace_texts, writable
    from fnet_jax.registration import files
    from fnet_jax.registration.words import described  # SciPy is slow to import: after --help

    pairs, problems = config.find()
    targets = [target for target in (config.out, config.page) if target]
    check_all_new(targets, overwrite=config.overwrite)
    start = files.read(config.start).rig if config.start else None
    if config.start and not start:
        raise InputError(f"{config.start} is a file of single pairs; use the file of a rig")
    for problem in problems:
        complain(problem)
    job = _Job(config, start)
    readable = job.readable(pairs, partial(tqdm, unit="file", leave=False, delay=2, disable=None))
    bar = partial(tqdm, unit="pair", disable=None, delay=2)
    found = job.each(readable, bar) if config.each else job.rig(readable, bar)
    say(found.table)
    if found.rig:
        say(described(found.rig))
    said = [
        {"name": pair.name, "i1": str(pair.i1), "i2": str(pair.i2), **what}
        for pair, what in zip(found.pairs, found.said, strict=True)
    ]
    texts = {config.out: files.as_text(found.rig, said)}
    if config.page:
        texts[config.page] = _page(found, job)
    with writable(targets[-1], remedy="use another place"):
        replace_texts(texts)
    seconds = time.perf_counter() - begin
    refused = sum(not each.accepted for each in found.transforms)
    failed = len(pairs) + len(problems) - len(found.pairs)
    for line in found.refusals:
        complain(line, kind="refused")
    what = counted(len(found.pairs), "pair")
    say(f"registered {what} in {seconds:.1f} s into {one_line(str(config.out))}")
    return 1 if refused or failed else 0


@dataclass(frozen=True)
class _Result:
    """Results of a job, with or without a ``rig``, for its readable pairs.

    ``transforms`` has one for the rig, or one per pair; ``said`` has JSON values and ``lines`` the
    text about each pair for the page; ``fits`` says whether each agrees with its transform.
    """

    rig: "Registration | None"
    pairs: "list[Pair]"
    transforms: "list[Registration]"
    said: list[dict[str, Any]]
    fits: list[bool]
    lines: list[str]
    table: str
    refusals: list[str]


class _Job:
    """A job whose pairs are read on demand."""

    def __init__(self, config: RegisterConfig, start: "Registration | None") -> None:
        self.config, self.start = config, start

    def load(self, pair: "Pair") -> "Source":
        from fnet_jax.registration import sources

        return sources.load(pair, max_pixels=self.config.max_pixels)

    def before(self, source: "Source") -> Any:
        """The transform from which the search starts."""
        from fnet_jax.registration.transforms import centered, resized

        if self.start is not None:
            old, new = (
                (self.start.size1, self.start.size2),
                (source.i1.shape[:2], source.i2.shape[:2]),
            )
            return resized(self.start.matrix, old, new)
        if source.by_tags is not None:
            return source.by_tags
        return centered(source.i1.shape[:2], source.i2.shape[:2])

    def readable(self, pairs: "list[Pair]", progress: "Progress") -> "list[Pair]":
        """The pairs that can be registered; of a rig, only those of the most common sizes.

        All others are reported.
        """
        from fnet_jax.pairs.match import named
        from fnet_jax.registration.estimation import prepared

        sizes: dict[Pair, tuple] = {}
        for pair in progress(pairs, total=len(pairs), desc="reading"):
            try:
                source = self.load(pair)
                with named(pair):
                    for name, image in (("i1", source.i1), ("i2", source.i2)):
                        prepared(name, image)
                sizes[pair] = source.i1.shape[:2], source.i2.shape[:2]
            except InputError as error:
                complain(str(error))
        if not sizes:
            raise InputError("no pair can be registered; see the errors above")
        if self.config.each:
            return list(sizes)
        common = max(sizes.values(), key=list(sizes.values()).count)
        for pair, size in sizes.items():
            if size != common:
                which = 0 if size[0] != common[0] else 1
                path, (height, width) = (pair.i1, pair.i2)[which], size[which]
                complain(
                    f"{path} has {width}×{height} pixels, but others of the rig have "
                    f"{common[which][1]}×{common[which][0]}; register it with --each"
                )
        return [pair for pair, size in sizes.items() if size == common]

    def rig(self, pairs: "list[Pair]", progress: "Progress") -> _Result:
        """Fits one transform to all pairs."""
        from fnet_jax.registration import fit

        def images(pair: "Pair") -> tuple:
            source = self.load(pair)
            return source.i1, source.i2

        start = self.before(self.load(pairs[0]))
        rig: Rig = fit(
            [partial(images, pair) for pair in pairs],
            model=self.config.model,
            start=start,
            wide=not self.config.near,
            progress=progress,
        )
        registration = rig.registration
        rows = [
            (
                pair.name,
                f"{member.before:.1f}",
                f"{member.evidence:.1f}",
                "–" if math.isnan(member.offset) else f"{member.offset:.1f}",
                "" if member.fits else "does not fit",
            )
            for pair, member in zip(pairs, rig.members, strict=True)
        ]
        heads = ("pair", "evidence before", "after", "offset (px)", "")
        reason = registration.reason
        return _Result(
            registration,
            pairs,
            [registration],
            [
                {
                    "evidence": member.evidence,
                    "evidence_before": member.before,
                    "offset": None if math.isnan(member.offset) else member.offset,
                    "fits": member.fits,
                }
                for member in rig.members
            ],
            [member.fits for member in rig.members],
            [
                f"evidence {row[1]} before, {row[2]} after; its own transform differs by {row[3]} "
                f"pixels of I2"
                for row in rows
            ],
            _table(heads, rows) + "\n" + _summary(registration),
            [] if registration.accepted else [f"the transform of the rig: {reason}"],
        )

    def each(self, pairs: "list[Pair]", progress: "Progress") -> _Result:
        """Finds a transform for each pair."""
        from fnet_jax.registration import estimate

        found: list[Registration] = []
        used: list[Pair] = []
        for pair in progress(pairs, total=len(pairs), desc="registering"):
            source = self.load(pair)
            try:
                found.append(
                    estimate(
                        source.i1,
                        source.i2,
                        model=self.config.model,
                        start=self.before(source),
                        wide=not self.config.near,
                    )
                )
                used.append(pair)
            except InputError as error:
                complain(f"{pair.i1} and {pair.i2}: {error}")
        rows = [
            (
                pair.name,
                registration.model,
                f"{registration.evidence:.1f}",
                f"{registration.expected_error:.2f}",
                "" if registration.accepted else "refused",
            )
            for pair, registration in zip(used, found, strict=True)
        ]
        heads = ("pair", "model", "evidence", "expected error (px)", "")
        return _Result(
            None,
            used,
            found,
            [{"registration": registration} for registration in found],
            [registration.accepted for registration in found],
            [_summary(registration) for registration in found],
            _table(heads, rows),
            [
                f"{pair.name}: {registration.reason}"
                for pair, registration in zip(used, found, strict=True)
                if not registration.accepted
            ],
        )


def _summary(registration: "Registration") -> str:
    verdict = "accepted" if registration.accepted else "refused"
    model = "unchanged" if registration.model == "start" else registration.model
    return (
        f"{verdict} ({model}): expected error at the corners {registration.expected_error:.2f} "
        f"pixels of I2, evidence {registration.evidence:.0f}"
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns for a terminal."""
    cells = [[one_line(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if 0 < at < len(row) - 1 else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join(lines)


def _page(found: _Result, job: _Job) -> str:
    """The HTML page, with pairs that do not fit first."""
    from fnet_jax.registration import page
    from fnet_jax.registration.words import described

    order = sorted(range(len(found.pairs)), key=lambda at: found.fits[at])[:ON_PAGE]
    lines = [_summary(found.rig), described(found.rig)] if found.rig else []
    if len(found.pairs) > ON_PAGE:
        lines.append(
            f"{ON_PAGE} of {len(found.pairs):,} pairs are shown, those that do not fit first."
        )

    def shown(at: int) -> "Shown":
        pair, registration = found.pairs[at], found.rig or found.transforms[at]
        source = job.load(pair)
        after = registration.matrix
        before = job.before(source)
        lines = [found.lines[at]]
        return page.Shown(pair.name, lines, found.fits[at], source.i1, source.i2, before, after)

    return page.render("Registration", lines, map(shown, order))
