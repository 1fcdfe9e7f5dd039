"""Damaged image files of every kind: an image or an InputError, soon and in little memory.

``pytest -m slow tests/images/test_mutations.py`` reads 30,000 of them in some minutes.
"""

import io
import resource
import time

import made_up_fff
import numpy as np
import pytest
import tifffile
from made_up_png import encoded, said
from PIL import Image

from fnet_jax import images
from fnet_jax.errors import InputError

PIXELS = 10**6  # largest image that is accepted here
EACH = 600


def by_pillow(image, form, **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, form, **options)
    return file.getvalue()


def by_tifffile(image, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, image, **options)
    return file.getvalue()


def seeds():
    """Files of every kind by a name whose suffix is theirs."""
    rng = np.random.default_rng(0)
    smooth = np.add.outer(3 * np.arange(40), 2 * np.arange(50)).astype(np.uint8)
    rgb = np.stack([smooth, smooth[::-1], smooth[:, ::-1]], axis=2)
    deep = smooth.astype(np.uint16) * 257
    unit = np.float32(smooth / 255)
    found = {}
    for name, bits, color, channels in [
        *(("grey", bits, 0, 1) for bits in (1, 2, 4, 8, 16)),
        *(("rgb", bits, 2, 3) for bits in (8, 16)),
        *(("la", bits, 4, 2) for bits in (8, 16)),
        *(("rgba", bits, 6, 4) for bits in (8, 16)),
    ]:
        for interlaced in (False, True):
            samples = rng.integers(0, 2**bits, (11, 13, channels))
            parts = [said("eXIf", 6), said("zTXt", 3)]
            content = encoded(samples, bits, color, before=parts, interlaced=interlaced)
            found[f"{name}{bits}{'i' * interlaced}.png"] = content
    found["palette.png"] = by_pillow(rgb, "PNG")
    for name, options in {
        "plain": {},
        "progressive": {"progressive": True},
        "exif": {"exif": Image.Exif(), "dpi": (72, 72)},
        "fine": {"quality": 98, "subsampling": 0},
    }.items():
        found[f"{name}.jpg"] = by_pillow(rgb, "JPEG", **options)
    found["grey.jpg"] = by_pillow(smooth, "JPEG")
    cmyk = io.BytesIO()
    Image.fromarray(rgb).convert("CMYK").save(cmyk, "JPEG")
    found["cmyk.jpg"] = cmyk.getvalue()
    for mode in ("1", "L", "P", "RGB"):
        file = io.BytesIO()
        Image.fromarray(rgb).convert(mode).save(file, "BMP")
        found[f"{mode}.bmp"] = file.getvalue()
    for name, image in {"u8": smooth, "u16": deep, "f32": unit, "rgb8": rgb}.items():
        photometric = "rgb" if image.ndim == 3 else "minisblack"
        for layout, options in {
            "plain": {},
            "tiles": {"tile": (16, 16)},
            "deflate": {"compression": "zlib", "predictor": False},
            "big": {"bigtiff": True, "byteorder": ">"},
        }.items():
            content = by_tifffile(image, photometric=photometric, **options)
            found[f"{name}-{layout}.tif"] = content
    for compression in ("tiff_lzw", "packbits", "jpeg"):
        found[f"{compression}.tif"] = by_pillow(rgb, "TIFF", compression=compression)
    counts = made_up_fff.smooth_counts(rng)
    record = made_up_fff.made_up(counts)
    found["thermal.fff"] = record
    found["thermal.jpg"] = made_up_fff.in_jpeg(made_up_fff.parted(record))
    found["dji.jpg"] = made_up_fff.dji(counts)
    return found


SEEDS = seeds()


def mutated(content, rng):
    """A file with some of its bits, bytes or parts changed, doubled, moved or cut off."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(len(data)))
        kind = rng.integers(6)
        if kind == 0:
            data[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[place] = rng.integers(256)
        elif kind == 2:
            data[place : place + 4] = rng.choice(
                [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"]
            )
        elif kind == 3:
            del data[place : place + int(rng.integers(1, 60))]
        elif kind == 4:
            data[place:place] = data[place : place + int(rng.integers(1, 60))]
        else:
            del data[max(place, 8) :]
        if not data:
            return b""
    return bytes(data)


@pytest.mark.parametrize("name", SEEDS)
@pytest.mark.parametrize("count", [6, pytest.param(EACH, marks=pytest.mark.slow)])
def test_damage_gives_an_image_or_one_kind_of_error(tmp_path, capfd, name, count):
    rng = np.random.default_rng(len(name) * 1000 + sum(map(ord, name)))
    path = tmp_path / name
    path.write_bytes(SEEDS[name])
    whole = images.open(path, max_pixels=PIXELS)
    refused = 0
    for i in range(count):
        path.write_bytes(mutated(SEEDS[name], rng))
        start, size = time.process_time(), None
        try:
            size = images.size(path, part=None, max_pixels=PIXELS)
            frame = images.open(path, max_pixels=PIXELS)
        except InputError as error:
            assert str(path) in str(error)
            assert "\n" not in str(error)
            refused += 1
        else:
            assert frame.size == size
            assert frame.pixels.size <= 4 * PIXELS
            if name.endswith(".png") and frame.pixels.shape == whole.pixels.shape:
                np.testing.assert_array_equal(
                    frame.pixels, whole.pixels
                )  # each part has a checksum
        assert time.process_time() - start < 10, i
    assert refused > count / 20
    assert capfd.readouterr().err == ""  # decoders of other languages print on their own
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 * 2**20  # kilobytes
