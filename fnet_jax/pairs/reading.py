"""Detection of swapped pairs, and the warnings about pairs that are swapped or misaligned."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fnet_jax import images
from fnet_jax.images.color import is_color, published_grey
from fnet_jax.images.range_rules import TYPE, Rule
from fnet_jax.pairs.match import Pair

JPEG = b"\xff\xd8\xff"


def grey_and_color(path: Path, *, rule: Rule = TYPE) -> tuple[np.ndarray, bool]:
    """I2 as ``images.read(path, part=None, grey=True)`` returns it, and whether it shows color.

    It is decoded once, except for JPEG files of three channels, whose stored luma needs a second
    decoder.

    Raises:
        InputError: the file cannot be read.
    """
    image = images.read(path, part=None, rule=rule)
    if image.ndim == 2:
        return image, False
    with path.open("rb") as file:
        stored_luma = file.read(len(JPEG)) == JPEG
    if stored_luma or image.dtype != np.uint8:
        return images.read(path, part=None, grey=True, rule=rule), is_color(image)
    return published_grey(image), is_color(image)


def swapped(pairs: Sequence[Pair]) -> str:
    """The warning about one or more pairs in which I2 shows color and I1 does not."""
    first = pairs[0]
    named = f"{first.i1} and {first.i2}"
    if len(pairs) > 1:
        named = f"{len(pairs):,} pairs, such as {named}"
    return f"{named}: I2 shows color and I1 does not; are they swapped?"


def displaced(found: Mapping[Pair, float]) -> str:
    """The warning about one or more pairs that look misaligned, by how many pixels."""
    worst = max(found, key=lambda pair: found[pair])
    named = f"{worst.i1} and {worst.i2} (about {found[worst]:.0f} pixels)"
    if len(found) > 1:
        named = f"{len(found):,} pairs, the worst {named}"
    return f"{named}: the images look misaligned; use --register auto to align them"
