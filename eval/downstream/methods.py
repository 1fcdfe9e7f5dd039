"""The images that a model sees of each scene: a source, the plain average, or a fused image."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.downstream import FNET, INFRARED, OWN, SIZED, VISIBLE
from eval.downstream.export import scaled
from eval.downstream.scenes import Scene, sources
from fnet_jax import images
from fnet_jax.artifacts import provenance
from fnet_jax.artifacts.files import read_text, replace_text, sha256, writable
from fnet_jax.artifacts.progress import Progress, silent
from fnet_jax.cli.flags import path
from fnet_jax.errors import InputError
from fnet_jax.images.levels import to_8_bits
from fnet_jax.pairs.match import folded
from fnet_jax.runtime.cores import cores

if TYPE_CHECKING:
    from fnet_jax.fusing.fuser import Fuser

RECORD = "images.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,63}")

See = Callable[[Scene], np.ndarray]
"""The image of a scene that a model sees, uint8 (H, W, 3)."""


@dataclass(frozen=True)
class Method:
    """A kind of image.

    Attributes:
        name: name in tables and of its folder.
        see: returns the image of a scene.
        origin: what the images depend on apart from the sources, by name, as JSON values.
    """

    name: str
    see: See
    origin: Mapping[str, Any]


def parsed(text: str) -> tuple[str, Path | None]:
    """``NAME`` or ``NAME=FOLDER`` as a name and a folder of fused images; raises ValueError."""
    name, equals, folder = text.partition("=")
    if not NAME.fullmatch(name):
        raise ValueError(f"{text!r} is not NAME or NAME=FOLDER, such as Visible or U2Fusion=u2/")
    own = (*OWN, *SIZED)
    if not equals and name not in own:
        raise ValueError(f"{name!r} is not one of {', '.join(own)}; use {name}=FOLDER")
    if equals and (not folder or name in own):
        raise ValueError(f"{text!r}: use NAME=FOLDER with a name other than {', '.join(own)}")
    return name, path(folder) if equals else None


def of_source(name: str) -> Method:
    """An image that needs no network: visible, infrared (as grey), or their average."""

    def see(scene: Scene) -> np.ndarray:
        visible, infrared = sources(scene)
        if name == VISIBLE:
            return visible
        grey = np.repeat(infrared[..., None], 3, axis=2)
        return grey if name == INFRARED else average(visible, grey)

    return Method(name, see, {"kind": name})


def average(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """The mean of two uint8 images, rounding halves to even."""
    return np.rint((one.astype(np.float32) + two) / 2).astype(np.uint8)


def of_fuser(name: str, fuser: "Fuser") -> Method:
    """Images fused by FNet, in the colors of the visible image."""
    from fnet_jax.weights.integrity import checksums

    def see(scene: Scene) -> np.ndarray:
        return three_channels(fuser.fuse(*sources(scene), color="full"))

    weights = provenance.fingerprint_of(checksums(fuser.params))
    return Method(name, see, {"kind": FNET, "weights": weights})


def of_folder(name: str, folder: Path, scenes: Sequence[Scene]) -> Method:
    """Fused images in a folder, by the names of the scenes.

    Raises:
        InputError: an image of a scene is missing, or there are two.
    """
    files: dict[str, list[Path]] = {}
    for file in images.find(folder):
        files.setdefault(folded(file.stem), []).append(file)
    for scene in scenes:
        found = files.get(folded(scene.name), [])
        if len(found) != 1:
            what = "two images" if found else "no image"
            raise InputError(f"{folder} has {what} of {scene.name}; every scene needs one")

    def see(scene: Scene) -> np.ndarray:
        (file,) = files[folded(scene.name)]
        image = three_channels(to_8_bits(images.read(file)))
        height, width = images.size(scene.visible)
        if image.shape[:2] != (height, width):
            raise InputError(
                f"{file} is {image.shape[1]}×{image.shape[0]}, but its sources are "
                f"{width}×{height}; use images of their size"
            )
        return image

    origin = provenance.fingerprint((s.name, files[folded(s.name)][0]) for s in scenes)
    return Method(name, see, {"kind": "folder", "images": origin})


def three_channels(image: np.ndarray) -> np.ndarray:
    """A grey or color image as (H, W, 3)."""
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def export(
    method: Method,
    scenes: Sequence[Scene],
    folder: Path,
    *,
    data: str,
    side: int | None = None,
    progress: Progress = silent,
) -> Path:
    """Writes NAME.png of every scene, RGB with 8 bits, scaled to ``side``; existing ones are kept.

    They go into a subfolder for the method, which is returned; ``data`` is the fingerprint of the
    sources.

    Raises:
        InputError: an image cannot be made or written, or the folder has images of other sources or
            weights.
    """
    out, made_of = folder / method.name, {"data": data, "side": side, **method.origin}
    record = out / RECORD
    with writable(out, remedy="use another --out"):
        out.mkdir(parents=True, exist_ok=True)
        if record.exists():
            if read_text(record) != json.dumps(made_of, indent=1) + "\n":
                raise InputError(
                    f"{out} has images of other sources or weights; use another --out, or "
                    f"another name: NAME=FOLDER"
                )
        else:
            replace_text(record, json.dumps(made_of, indent=1) + "\n")
    missing = [scene for scene in scenes if not (out / f"{scene.name}.png").exists()]

    def write(scene: Scene) -> None:
        images.write(out / f"{scene.name}.png", scaled(method.see(scene), side), overwrite=True)

    with ThreadPoolExecutor(cores()) as pool:
        work = [pool.submit(write, scene) for scene in missing]
        try:
            for future in progress(work, total=len(work), desc=f"images of {method.name}"):
                future.result()
        finally:
            pool.shutdown(cancel_futures=True)
    return out


def fingerprint(scenes: Sequence[Scene]) -> str:
    """SHA-256 over the names and files of all scenes with their truth."""
    sums = {}
    for scene in scenes:
        for kind in ("visible", "infrared", "truth"):
            if path := getattr(scene, kind):
                sums[f"{scene.name} {kind}"] = sha256(path)
    return provenance.fingerprint_of(sums)
