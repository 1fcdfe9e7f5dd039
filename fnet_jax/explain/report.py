"""An explanation as files: a page for a browser, figures, arrays and numbers."""

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fnet_jax import images
from fnet_jax.artifacts import provenance
from fnet_jax.artifacts.files import replace_folder, writable
from fnet_jax.errors import InputError
from fnet_jax.explain.explanation import Explanation
from fnet_jax.explain.figures import drawings
from fnet_jax.explain.page import Shown, described, page
from fnet_jax.fusing.fuser import Fuser
from fnet_jax.images.color import from_unit
from fnet_jax.images.levels import to_8_bits
from fnet_jax.pairs.match import Pair
from fnet_jax.weights.integrity import checksums

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE, NUMBERS, ARRAYS, FIGURES = "report.html", "numbers.json", "arrays.npz", "figures"
RESULTS = ("fused.png", "edited.png")
ELSEWHERE = "use another --out"
DOTS = 150  # per inch, of PNG files and of pictures inside SVG files
COUNT = 12  # figures without an edit; one more with one


def check(folder: Path, *, overwrite: bool) -> None:
    """Raises InputError unless a report may be written to ``folder``, which need not exist."""
    with writable(folder, remedy=ELSEWHERE):
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if not {PAGE, NUMBERS} <= names <= {PAGE, NUMBERS, ARRAYS, FIGURES, *RESULTS}:
        raise InputError(f"{folder} already exists and holds other files; {ELSEWHERE}")
    if not overwrite:
        raise InputError(f"{folder} already exists; use --overwrite to replace the report")


def origin_of(fuser: Fuser, pair: Pair, *, color: str) -> dict[str, str]:
    """The provenance of an explanation: images, color mode, weights, date and versions."""
    versions = provenance.versions(*provenance.NETWORK, "matplotlib")
    return {
        "I1": pair.i1.name,
        "I2": pair.i2.name,
        "I1 and I2 (SHA-256)": provenance.fingerprint([("I1", pair.i1), ("I2", pair.i2)]),
        "color": color,
        "weights (SHA-256)": provenance.fingerprint_of(checksums(fuser.params)),
        "date": provenance.today(),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }


def write(
    folder: Path,
    name: str,
    explanation: Explanation,
    origin: Mapping[str, str],
    *,
    advance: Callable[[], object] = lambda: None,
) -> None:
    """Writes a report of uint8 or uint16 images, whole or not at all.

    A report in ``folder`` is replaced; ``origin`` is the result of :func:`origin_of`, and
    ``advance`` is called after each figure.

    Raises:
        InputError: it cannot be written, or something else exists there.
    """
    check(folder, overwrite=True)
    with writable(folder, remedy=ELSEWHERE):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replace_folder(folder) as new:
            _fill(new, name, explanation, origin, advance)


def _fill(
    folder: Path,
    name: str,
    explanation: Explanation,
    origin: Mapping[str, str],
    advance: Callable[[], object],
) -> None:
    (folder / FIGURES).mkdir()
    figures = []
    for drawing in drawings(explanation):
        file = folder / FIGURES / f"{drawing.name}.png"
        _save(drawing.draw(explanation), file)
        figures.append(Shown(drawing.title, drawing.caption, file.read_bytes()))
        advance()
    pictures = [
        Shown(title, "", _png(from_unit(np.clip(image, 0, 1), np.dtype(np.uint8))))
        for title, image in ((x, explanation.images[x]) for x in ("I1", "I2"))
    ]
    edit = described(explanation.edit)
    results = [("", explanation.fused), (edit, explanation.edited)]
    for result, (caption, image) in zip(RESULTS, results[: 1 + bool(edit)], strict=False):
        images.write(folder / result, image)
        pictures.append(Shown(Path(result).stem, caption, _png(image)))
    numbers = explanation.numbers()
    with (folder / ARRAYS).open("wb") as file_of_arrays:
        np.savez_compressed(file_of_arrays, **explanation.arrays())  # type: ignore[arg-type]
    text = json.dumps({"pair": name} | numbers | {"origin": dict(origin)}, indent=1) + "\n"
    (folder / NUMBERS).write_bytes(text.encode("utf-8", "replace"))
    html = page(name, numbers, explanation.edit, pictures, figures, origin)
    (folder / PAGE).write_bytes(html.encode("utf-8", "replace"))


def _save(figure: "Figure", file: Path) -> None:
    """Writes a figure as PNG, and as SVG beside it."""
    from matplotlib import rc_context

    figure.savefig(file, dpi=DOTS)
    figure.set_layout_engine("none")  # the layout is done, and takes the longest
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "explain"}):
        about = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file.with_suffix(".svg"), dpi=DOTS, metadata=about)


def _png(image: np.ndarray) -> bytes:
    """An image, uint8 or uint16, as the content of an 8-bit PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(to_8_bits(image)).save(file, "PNG")
    return file.getvalue()
