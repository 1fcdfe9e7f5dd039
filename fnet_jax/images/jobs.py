"""The value ranges of a job's images: one for each side, from all of its deep files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from fnet_jax.artifacts.progress import Progress, Report, silent
from fnet_jax.errors import InputError
from fnet_jax.images import files
from fnet_jax.images.frame import MAX_PIXELS, Frame
from fnet_jax.images.range_rules import TYPE, Rule
from fnet_jax.images.ranges import range_of_job

Rules = tuple[Rule, Rule]
"""The rules for the deep images of I1 and of I2."""
TYPES: Rules = (TYPE, TYPE)


def rules_of(
    ones: Sequence[Path],
    twos: Sequence[Path],
    rule: Rule | Rules | None,
    *,
    report: Report,
    progress: Progress = silent,
    max_pixels: int | None = MAX_PIXELS,
) -> Rules:
    """The range rules for both sides of a job.

    Args:
        ones: files of I1; files of thermal cameras among them are read as pictures.
        twos: files of I2; files of thermal cameras among them are read as temperatures.
        rule: the requested rule; None for the default. Rules chosen earlier are returned unchanged.
        report: gets a line about each side whose range was chosen.
        progress: shows how many files have been examined.
        max_pixels: as for :func:`fnet_jax.images.files.open`.
    """
    if isinstance(rule, tuple):
        return rule
    one, two = (
        range_of_job(_deep(paths, part, progress, max_pixels), rule, report=report)
        for paths, part in ((ones, "picture"), (twos, None))
    )
    return one, two


def _deep(
    paths: Sequence[Path], part: str | None, progress: Progress, max_pixels: int | None
) -> Iterator[tuple[Path, Frame]]:
    """The deep images among some files; damaged ones are skipped."""
    for path in progress(paths, total=len(paths), desc="looking at ranges"):
        if files.is_deep_file(path, part=part, max_pixels=max_pixels):
            try:
                yield path, files.open(path, part=part, max_pixels=max_pixels)
            except InputError:  # reported when the file is read
                continue
