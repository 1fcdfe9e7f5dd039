"""The findings as an HTML page."""

import io
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from fnet_jax import images
from fnet_jax.artifacts import html
from fnet_jax.checking.check import KINDS, Checked, counts
from fnet_jax.errors import InputError
from fnet_jax.images.levels import to_8_bits

MOST = 200  # pairs that are shown
WIDTH = 240  # pixels of a picture
QUALITY = 80  # of JPEG


def render(title: str, lines: Sequence[str], found: Sequence[Checked]) -> str:
    """Renders a self-contained page of the pairs with findings."""
    wrong = [each for each in found if each.findings]
    return html.render(
        __package__,
        "checked.html",
        title=title,
        lines=lines,
        counts=[(KINDS[kind], number) for kind, number in counts(found).items()],
        left_out=max(0, len(wrong) - MOST),
        pairs=[_shown(each) for each in wrong[:MOST]],
    )


def _shown(checked: Checked) -> dict[str, object]:
    return {
        "name": f"{checked.split}/{checked.name}" if checked.split else checked.name,
        "lines": [finding.text for finding in checked.findings],
        "pictures": list(_pictures(checked)),
    }


def _pictures(checked: Checked) -> Iterable[str]:
    """Thumbnails of readable files as URLs."""
    sides = zip((checked.pair.i1, checked.pair.i2), ("picture", None), checked.rules, strict=True)
    for path, part, rule in sides:
        try:
            levels = to_8_bits(images.read(path, part=part, rule=rule, max_pixels=None))
        except InputError:
            continue
        picture = Image.fromarray(np.ascontiguousarray(levels))
        picture.thumbnail((WIDTH, WIDTH))
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=QUALITY)
        yield html.data_url(file.getvalue(), "image/jpeg")
