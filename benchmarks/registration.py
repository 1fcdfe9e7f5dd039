"""``python -m benchmarks.registration``: how well pairs of public sets are registered."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np

from fnet_jax.cli.flags import FOLDER, parse, whole
from fnet_jax.images import open as open_image
from fnet_jax.images.color import rounded_grey
from fnet_jax.pairs.match import Pair, match
from fnet_jax.registration import Registration, estimate
from fnet_jax.registration.resampling import warped
from fnet_jax.registration.transforms import Size, corners, moved, normal, shift

DESCRIPTION = """\
Register pairs under known transforms, and pairs of different scenes, and print
the errors.

Warps: I2 is rotated by up to 6°, scaled by 0.85 to 1.15 and shifted by up to 40
pixels along each axis, or its corners are moved by up to 15 pixels and all of
it by up to 20. The published pairs are not exactly registered, so two errors are
shown: the error against the warp alone, and the error against the warp combined
with the transform found without it (how well the result follows the warp).

--data must have the sets in MSRS/, TNO/, NIR/, MRI_CT/ and MRI_PET/; misaligned/
with visnir_affine and roadscene_fov is optional.
"""
SETS = {
    "MSRS": ("MSRS/test/vi", "MSRS/test/ir", 60),
    "TNO": ("TNO/vi", "TNO/ir", 20),
    "NIR": ("NIR/VIS", "NIR/NIR", 10),
    "CT–MRI": ("MRI_CT/CT", "MRI_CT/MRI", 15),
    "PET–MRI": ("MRI_PET/PET", "MRI_PET/MRI", 15),
}
"""Folders of I1 and I2, and number of pairs, by name."""


@dataclass(frozen=True)
class RegistrationBenchmarkConfig:
    """Configuration of the command; each field is a flag."""

    # Folder of the sets.
    data: Annotated[Path, FOLDER]
    # Percentage of the pairs to use.
    percent: Annotated[int, whole(1, 100)] = 100
    # Number of pairs of different scenes.
    foreign: Annotated[int, whole(0)] = 100


class Measured(NamedTuple):
    """One pair."""

    error: float  # against the given transform, mean over I1's corners, in pixels of I2
    follows: float  # against the warp combined with the transform found without it
    found: Registration
    seconds: float


def main() -> None:
    """Measures what the flags select, and prints tables."""
    config = parse(
        RegistrationBenchmarkConfig, prog="python -m benchmarks.registration",
        description=DESCRIPTION,
    )  # fmt: skip
    random = np.random.default_rng(0)
    chosen = {name: _some(config, random, *what) for name, what in SETS.items()}
    print("| set | pairs | ≤ 2 px of the warp | follows within 2 px | accepted | ", end="")
    print("follows ≤ 2 px of those | > 5 px of those | expected error | seconds |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    every: list[Measured] = []
    for name, pairs in chosen.items():
        found = [_warped_pair(pair, at % 2 == 1, random) for at, pair in enumerate(pairs)]
        _row(name, found)
        every += found
    _row("all", every)
    print("\n| real pairs | median error | greatest | within 5 px | accepted | seconds |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, known in (("visnir_affine", _visnir), ("roadscene_fov", _roadscene)):
        if (folder := config.data / "misaligned" / name).is_dir():
            real = [_measured(*images, matrix) for images, matrix in known(folder)]
            errors = [each.error for each in real]
            print(
                f"| {name} ({len(real)}) | {np.median(errors):.2f} | {max(errors):.2f} | "
                f"{sum(error <= 5 for error in errors)} | "
                f"{sum(each.found.accepted for each in real)} | {_seconds(real)} |"
            )
    accepted, greatest = 0, 0.0
    scenes = [pair for pairs in chosen.values() for pair in pairs]
    for at in range(config.foreign):
        one, two = _two_scenes(chosen, scenes, random, within=at % 2 == 0)
        result = estimate(_read(one.i1), _read(two.i2, grey=True))
        accepted += result.accepted
        greatest = max(greatest, result.evidence)
    print(
        f"\nOf {config.foreign} pairs of different scenes, half of them from one set, {accepted} "
    )
    print(f"were accepted; the greatest evidence was {greatest:.1f}.")


def _some(
    config: RegistrationBenchmarkConfig, random: np.random.Generator, i1: str, i2: str, most: int
) -> list[Pair]:
    pairs, _ = match(config.data / i1, config.data / i2)
    number = max(1, most * config.percent // 100)
    return [pairs[at] for at in random.permutation(len(pairs))[:number]]


def _read(path: Path, *, grey: bool = False) -> np.ndarray:
    pixels = open_image(path).pixels
    return rounded_grey(pixels) if grey else pixels


def _warped_pair(pair: Pair, perspective: bool, random: np.random.Generator) -> Measured:
    one, two = _read(pair.i1), _read(pair.i2, grey=True)
    model = "homography" if perspective else "affine"
    warp = _warp(one.shape[:2], perspective, random)
    new = warped(two.astype(np.float32), normal(np.linalg.inv(warp)), two.shape)
    new = np.clip(np.rint(new), 0, 255).astype(np.uint8)
    begin = time.perf_counter()
    found = estimate(one, new, model=model)
    seconds = time.perf_counter() - begin
    before = estimate(one, two, model=model).matrix
    size = one.shape[:2]
    return Measured(
        _error(found.matrix, warp, size), _error(found.matrix, warp @ before, size), found, seconds
    )


def _warp(size: Size, perspective: bool, random: np.random.Generator) -> np.ndarray:
    ends = corners(size)
    if perspective:
        return _through(ends, ends + random.uniform(-15, 15, (4, 2)) + random.uniform(-20, 20, 2))
    angle, scale = np.radians(random.uniform(-6, 6)), random.uniform(0.85, 1.15)
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    middle = ends.mean(0)
    away = shift(*(middle + random.uniform(-40, 40, 2)))
    return away @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ shift(*-middle)


def _through(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """The homography from four points to four others."""
    rows: list[list[float]] = []
    for (x, y), (u, v) in zip(old, new, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    return np.append(np.linalg.solve(np.array(rows), new.ravel()), 1).reshape(3, 3)


def _error(found: np.ndarray, expected: np.ndarray, size: Size) -> float:
    ends = corners(size)
    return float(np.linalg.norm(moved(found, ends) - moved(expected, ends), axis=1).mean())


def _measured(one: np.ndarray, two: np.ndarray, matrix: np.ndarray) -> Measured:
    begin = time.perf_counter()
    found = estimate(one, two)
    seconds = time.perf_counter() - begin
    error = _error(found.matrix, matrix, one.shape[:2])
    return Measured(error, error, found, seconds)


Known = Callable[[Path], Iterator[tuple[tuple[np.ndarray, np.ndarray], np.ndarray]]]


def _visnir(folder: Path) -> Iterator[tuple[tuple[np.ndarray, np.ndarray], np.ndarray]]:
    known = json.loads((folder / "vi_to_nir_affine.json").read_text(encoding="utf-8"))
    for name, rows in known.items():
        one, two = (folder / side / f"{name}.jpg" for side in ("vi", "nir"))
        yield (_read(one), _read(two, grey=True)), np.vstack([rows, [0, 0, 1]])


def _roadscene(folder: Path) -> Iterator[tuple[tuple[np.ndarray, np.ndarray], np.ndarray]]:
    known = json.loads((folder / "transforms.json").read_text(encoding="utf-8"))
    for name, what in known.items():
        one, two = folder / "vi" / f"{name}.jpg", folder / "ir" / f"{name}.png"
        yield (_read(one), _read(two, grey=True)), np.array(what["vi_to_ir_homography"])


def _two_scenes(
    chosen: dict[str, list[Pair]], scenes: list[Pair], random: np.random.Generator, *, within: bool
) -> tuple[Pair, Pair]:
    pairs = list(chosen.values())[random.integers(len(chosen))] if within else scenes
    first, second = random.permutation(len(pairs))[:2]
    return pairs[first], pairs[second]


def _row(name: str, found: list[Measured]) -> None:
    taken = [each for each in found if each.found.accepted]
    errors = [each.found.expected_error for each in taken]
    expected = f"{np.median(errors):.1f} px" if errors else "–"
    print(
        f"| {name} | {len(found)} | {_share([each.error <= 2 for each in found])} | "
        f"{_share([each.follows <= 2 for each in found])} | {len(taken)} | "
        f"{_share([each.follows <= 2 for each in taken])} | "
        f"{sum(each.follows > 5 for each in taken)} | {expected} | {_seconds(found)} |",
        flush=True,
    )


def _share(flags: list[bool]) -> str:
    return f"{100 * np.mean(flags):.0f} %" if flags else "–"


def _seconds(found: list[Measured]) -> str:
    return f"{np.median([each.seconds for each in found]):.1f}"


if __name__ == "__main__":
    main()
