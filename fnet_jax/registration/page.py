"""An HTML page of registered pairs, before and after: checkerboards, edges, and blinking images."""

import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from fnet_jax.artifacts import html
from fnet_jax.registration.directions import inside, raw_directions
from fnet_jax.registration.estimation import prepared
from fnet_jax.registration.resampling import apply, covered, resized

SIDE = 640  # pixels of a picture's longer side
SQUARES = 8  # of the checkerboard along the longer side
QUALITY = 85  # of JPEG


class Shown(NamedTuple):
    """A pair on the page: its result as text, images (H, W) or (H, W, 3), and matrices.

    ``fits`` says whether the pair agrees with the transform.
    """

    name: str
    lines: Sequence[str]
    fits: bool
    i1: np.ndarray
    i2: np.ndarray
    before: np.ndarray
    after: np.ndarray


def render(title: str, lines: Sequence[str], pairs: Iterable[Shown]) -> str:
    """Renders the page as one self-contained file."""
    return html.render(
        __package__,
        "registration.html",
        title=title,
        lines=lines,
        pairs=[_pictures(pair) for pair in pairs],
    )


def _pictures(pair: Shown) -> dict[str, object]:
    one, to_small = resized(prepared("i1", pair.i1), min(1.0, SIDE / max(pair.i1.shape[:2])))
    two = prepared("i2", pair.i2)
    back = np.linalg.inv(to_small)
    views = {}
    for when, matrix in (("before", pair.before), ("after", pair.after)):
        place = matrix @ back
        laid = apply(two, place, one.shape)
        there = covered(place, one.shape, two.shape)
        views[when] = {
            "checkerboard": _url(_checkerboard(one, laid, there)),
            "edges": _url(_edges(one, laid, there)),
            "infrared": _url(_levels(np.where(there, laid, 0))),
        }
    return {
        "name": pair.name,
        "lines": pair.lines,
        "fits": pair.fits,
        "visible": _url(_levels(one)),
        "views": views,
        "height": one.shape[0],
        "width": one.shape[1],
    }


def _levels(unit: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)


def _checkerboard(one: np.ndarray, laid: np.ndarray, there: np.ndarray) -> np.ndarray:
    side = max(1, max(one.shape) // SQUARES)
    y, x = np.ogrid[: one.shape[0], : one.shape[1]]
    return _levels(np.where(((y // side + x // side) % 2 == 0) | ~there, one, laid))


def _edges(one: np.ndarray, laid: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Edges of I1 in red and of I2 in cyan; common edges are white."""
    red, cyan = (
        np.abs(raw_directions(image.astype(np.float32), valid, sigma=1.5)[0])
        for image, valid in (
            (one, np.ones(one.shape, np.float32)),
            (laid, inside(there.astype(np.float32), margin=4)),
        )
    )
    return _levels(np.stack([red, cyan, cyan], -1))


def _url(levels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=QUALITY)
    return html.data_url(file.getvalue(), "image/jpeg")
