"""BMP files of 1 to 32 bits, uncompressed or run-length encoded."""

from typing import BinaryIO

from PIL import BmpImagePlugin

from fnet_jax.images.stored import Stored, with_alpha
from fnet_jax.images.strips import copied

GREY = ("1", "L")


def size(file: BinaryIO) -> tuple[int, int, int]:
    """Height, width, and the orientation, which is always 1."""
    width, height = BmpImagePlugin.BmpImageFile(file).size
    return height, width, 1


def decode(file: BinaryIO, *, grey: bool) -> Stored:
    """Decodes a BMP file; same interface as the other formats."""
    image = BmpImagePlugin.BmpImageFile(file)
    image.load()
    mode = "L" if image.mode in GREY else "RGBA" if image.mode == "RGBA" else "RGB"
    found = copied(image, lambda strip: strip.convert(mode))
    pixels, alpha = with_alpha(found.reshape(*found.shape[:2], -1), 255)
    return Stored(pixels, 255, alpha)
