"""A report of scores: files in six formats, with their provenance."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from fnet_jax.artifacts import provenance
from fnet_jax.artifacts.files import replace_texts, writable
from fnet_jax.errors import InputError
from fnet_jax.metrics import PROFILES
from fnet_jax.scoring import tables
from fnet_jax.scoring.compare import Comparison
from fnet_jax.scoring.page import extremes, page
from fnet_jax.scoring.run import FusedScene, Scores, read

FILES = ("scores.csv", "means.csv", "scores.json", "scores.md", "scores.tex", "scores.html")
ELSEWHERE = "use another --out"


def check(folder: Path, *, overwrite: bool) -> None:
    """Makes the folder of a report, unless it exists.

    Raises:
        InputError: it cannot be made, or holds a report and ``overwrite`` is not set.
    """
    with writable(folder, remedy=ELSEWHERE):
        folder.mkdir(parents=True, exist_ok=True)
        existing = [folder / name for name in FILES if (folder / name).exists()]
        folders = [path for path in existing if path.is_dir()]
    if folders:
        raise InputError(f"{folders[0]} is a folder; {ELSEWHERE}")
    if existing and not overwrite:
        raise InputError(f"{existing[0]} already exists; use --overwrite to replace the report")


def provenance_of(scenes: Sequence[FusedScene], scores: Scores) -> dict[str, str]:
    """The provenance of the numbers: profile, date, checksums of all files read, and versions."""
    sources = [(f"{s.name} {which}", getattr(s, which)) for s in scenes for which in ("i1", "i2")]
    fused = {
        f"fused images of {method} (SHA-256)": provenance.fingerprint(
            (s.name, s.fused[method]) for s in scenes if method in s.fused
        )
        for method in scores.methods
    }
    versions = provenance.versions(*provenance.SCORING)
    return {
        "profile": f"{scores.profile}: {PROFILES[scores.profile].title}",
        "date": provenance.today(),
        "black and white of deep sources": "I1: {}; I2: {}".format(*scores.rules),
        "sources (SHA-256)": provenance.fingerprint(sources),
        **fused,
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }


def write(
    folder: Path,
    scenes: Sequence[FusedScene],
    scores: Scores,
    comparison: Comparison,
    origin: Mapping[str, str],
) -> None:
    """Writes the files of a report, whole or not at all; a report in ``folder`` is replaced.

    The best and worst scenes are read again to be shown.

    Raises:
        InputError: they cannot be written; an existing report is then unchanged.
    """
    shown = {name for each in extremes(scores).values() for name in (*each.best, *each.worst)}
    pictures = {scene.name: _pictures(scene) for scene in scenes if scene.name in shown}
    texts = (
        tables.scores_csv(scores),
        tables.means_csv(scores, comparison),
        tables.as_json(scores, comparison, origin),
        tables.as_markdown(scores, comparison, origin),
        tables.as_latex(scores, comparison, origin),
        page(scores, comparison, origin, pictures),
    )
    with writable(folder, remedy=ELSEWHERE):
        replace_texts({folder / name: text for name, text in zip(FILES, texts, strict=True)})


def _pictures(scene: FusedScene) -> list[tuple[str, np.ndarray]]:
    """The images of a scene, labeled; those that cannot be read were reported before."""
    found = []
    for label, path in [("I1", scene.i1), ("I2", scene.i2), *scene.fused.items()]:
        with suppress(InputError):
            found.append((label, read(path)))
    return found
