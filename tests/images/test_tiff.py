"""TIFF files of every kind that a fusion needs; the rest is refused by what it holds."""

import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from fnet_jax import images
from fnet_jax.errors import InputError


def samples(rng, dtype, shape):
    if np.issubdtype(dtype, np.floating):
        return rng.uniform(size=shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


LAYOUTS = {
    "plain": {},
    "strips": {"rowsperstrip": 4},
    "tiles": {"tile": (16, 16)},
    "big": {"bigtiff": True},
    "big-endian": {"byteorder": ">"},
    "deflate": {"compression": "zlib", "predictor": False},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(21, 18), (21, 18, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
def test_every_depth_and_layout(tmp_path, rng, dtype, shape, layout):
    image = samples(rng, dtype, shape)
    photometric = "rgb" if len(shape) == 3 else "minisblack"
    options = dict(LAYOUTS[layout])
    tifffile.imwrite(tmp_path / "a.tif", image, photometric=photometric, **options)
    found = images.read(tmp_path / "a.tif")
    assert found.dtype == (np.float32 if dtype == np.float16 else dtype)
    np.testing.assert_array_equal(found, image)
    assert images.size(tmp_path / "a.tif") == (21, 18)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_planes_apart(tmp_path, rng, dtype):
    image = samples(rng, dtype, (3, 9, 11))
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(images.read(tmp_path / "a.tif"), np.moveaxis(image, 0, 2))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [2, 4])
def test_what_is_transparent_becomes_black(tmp_path, rng, dtype, channels):
    image = samples(rng, dtype, (9, 11, channels))
    most = np.iinfo(dtype).max
    image[..., -1] = most
    image[:3, ..., -1] = 0
    photometric = "rgb" if channels == 4 else "minisblack"
    tifffile.imwrite(
        tmp_path / "a.tif", image, photometric=photometric, extrasamples=["unassalpha"]
    )
    found = images.read(tmp_path / "a.tif")
    assert found.dtype == dtype
    shown = image[..., :3] if channels == 4 else image[..., 0]
    assert not found[:3].any()
    np.testing.assert_array_equal(found[3:], shown[3:])


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("mode", ["1", "L", "RGB", "I;16", "F"])
def test_what_other_programs_write(tmp_path, rng, mode, compression):
    image = Image.fromarray(
        {
            "1": rng.integers(0, 2, (9, 11), np.uint8) * 255,
            "L": samples(rng, np.uint8, (9, 11)),
            "RGB": samples(rng, np.uint8, (9, 11, 3)),
            "I;16": samples(rng, np.uint16, (9, 11)),
            "F": samples(rng, np.float32, (9, 11)),
        }[mode]
    )
    image = image.convert("1") if mode == "1" else image
    image.save(tmp_path / "a.tif", compression=compression)
    expected = np.asarray(image.convert("L") if mode == "1" else image)
    np.testing.assert_array_equal(images.read(tmp_path / "a.tif"), expected)


def packed(samples, bits, *, photometric=1, strip=4, deflate=False):
    """A TIFF file of samples (H, W, C) without gaps between them but at the ends of rows."""
    height, width, channels = samples.shape
    digits = (samples.reshape(height, -1)[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    rows = np.packbits(digits.reshape(height, -1).astype(np.uint8), axis=1)
    strips = [rows[y : y + strip].tobytes() for y in range(0, height, strip)]
    strips = [zlib.compress(x) for x in strips] if deflate else strips
    content, places = b"", []
    for one in strips:
        places.append(8 + len(content))
        content += one
    arrays = {258: [bits] * channels, 273: places, 279: [len(one) for one in strips]}
    tags = {256: width, 257: height, 258: bits, 259: 8 if deflate else 1, 262: photometric}
    tags |= {273: places[0], 277: channels, 278: strip, 279: len(strips[0])}
    directory = struct.pack("<H", len(tags))
    more = b""
    behind = 8 + len(content) + 2 + 12 * len(tags) + 4
    for tag, value in tags.items():
        values = arrays.get(tag, [value])
        if len(values) > 1:
            value = behind + len(more)
            more += struct.pack(f"<{len(values)}I", *values)
        directory += struct.pack("<HHII", tag, 4, len(values), value)
    return b"II*\0" + struct.pack("<I", 8 + len(content)) + content + directory + bytes(4) + more


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [2, 4, 5, 10, 12, 14, 20])
def test_samples_that_share_bytes_have_their_own_white(tmp_path, rng, bits, channels, deflate):
    samples = rng.integers(0, 2**bits, (10, 7, channels))
    photometric = 2 if channels == 3 else 1
    content = packed(samples, bits, photometric=photometric, deflate=deflate)
    (tmp_path / "a.tif").write_bytes(content)
    frame = images.open(tmp_path / "a.tif")
    np.testing.assert_array_equal(frame.pixels, samples if channels == 3 else samples[..., 0])
    assert frame.white == 2**bits - 1
    found = images.read(tmp_path / "a.tif")
    most = np.iinfo(found.dtype).max
    assert most == (255 if bits <= 8 else 65535)
    np.testing.assert_allclose(found / most, frame.pixels / frame.white, atol=0.51 / most)
    assert images.size(tmp_path / "a.tif") == (10, 7)


def test_channels_of_no_known_meaning_are_left_out_and_said(tmp_path, rng, caplog):
    image = samples(rng, np.uint16, (9, 11, 2))
    for kind, said in (
        ("unspecified", "the last channel is ignored"),
        ("assocalpha", "transparent pixels become black"),
    ):
        tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack", extrasamples=[kind])
        np.testing.assert_array_equal(images.read(tmp_path / "a.tif"), image[..., 0])
        assert said in caplog.text


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_white_may_be_zero(tmp_path, rng, dtype):
    image = samples(rng, dtype, (9, 11))
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="miniswhite")
    most = 1 if dtype == np.float32 else np.iinfo(dtype).max
    np.testing.assert_array_equal(images.read(tmp_path / "a.tif"), (most - image).astype(dtype))


def test_palettes(tmp_path, rng):
    indices = rng.integers(0, 256, (9, 11), np.uint8)
    colors = rng.integers(0, 65536, (3, 256), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=colors)
    expected = np.moveaxis((colors >> 8).astype(np.uint8)[:, indices], 0, 2)
    np.testing.assert_array_equal(images.read(tmp_path / "a.tif"), expected)


@pytest.mark.parametrize("thumbnail_first", [False, True])
def test_the_first_page_of_full_resolution_is_read_and_said(tmp_path, rng, caplog, thumbnail_first):
    pages = [(samples(rng, np.uint8, (20, 24)), 0), (samples(rng, np.uint8, (5, 6)), 1)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for page, kind in pages[::-1] if thumbnail_first else pages:
            tif.write(page, photometric="minisblack", subfiletype=kind, metadata=None)
    np.testing.assert_array_equal(images.read(tmp_path / "a.tif"), pages[0][0])
    assert images.size(tmp_path / "a.tif") == (20, 24)
    assert f"page {1 + thumbnail_first} of 2 is read" in caplog.text


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "lzw"])
def test_orientation(tmp_path, rng, orientation, dtype, compression):
    image = samples(rng, dtype, (5, 7))
    tags = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack", extratags=tags)
    if compression:
        Image.fromarray(image).save(
            tmp_path / "a.tif", compression="tiff_lzw", tiffinfo={274: orientation}
        )
    found = images.read(tmp_path / "a.tif")
    turned = image.T if orientation > 4 else image
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    np.testing.assert_array_equal(found, turned[::rows, ::columns])
    assert images.size(tmp_path / "a.tif") == found.shape


def test_small_values_of_32_bits_are_levels_of_16(tmp_path, rng, caplog):
    levels = samples(rng, np.uint16, (9, 11))
    for dtype in (np.uint32, np.int32):
        tifffile.imwrite(tmp_path / "a.tif", levels.astype(dtype), photometric="minisblack")
        np.testing.assert_array_equal(images.read(tmp_path / "a.tif"), levels)
    assert "read as 16-bit" in caplog.text
    large = samples(rng, np.uint32, (9, 11))
    tifffile.imwrite(tmp_path / "b.tif", large, photometric="minisblack")
    np.testing.assert_allclose(
        images.read(tmp_path / "b.tif") / 65535, large / (2**32 - 1), atol=1e-5
    )


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.zeros((5, 9, 11), np.uint8), {"photometric": "minisblack", "planarconfig": "separate"},
         "contains 5 channels of 8-bit unsigned integers"),
        (np.zeros((9, 11, 3), np.uint8), {"photometric": "cielab"},
         "contains 8-bit CIELAB samples with NONE compression; install imagecodecs"),
        (np.zeros((9, 11), np.uint64), {}, "contains 1 channel of 64-bit unsigned integers"),
        (np.zeros((9, 11), np.complex64), {}, "contains 1 channel of 64-bit other values"),
    ],
)  # fmt: skip
def test_what_is_no_image_is_refused_by_what_it_holds(tmp_path, image, options, message):
    tifffile.imwrite(tmp_path / "a.tif", image, **options)
    with pytest.raises(InputError, match=rf"a\.tif: {message}"):
        images.read(tmp_path / "a.tif")


def test_places_on_earth_are_kept(tmp_path, rng):
    image = samples(rng, np.uint8, (9, 11, 3))
    tags = [(33550, 12, 3, (0.5, 0.5, 0.0), True), (34737, 2, 0, "WGS 84|", True)]
    tifffile.imwrite(
        tmp_path / "a.tif", image, photometric="rgb", extratags=tags, resolution=(300, 300)
    )
    frame = images.open(tmp_path / "a.tif")
    images.write(tmp_path / "b.tif", frame.pixels, metadata=frame.metadata)
    assert images.open(tmp_path / "b.tif").metadata == frame.metadata
    assert frame.metadata["geotiff"][33550][1] == (0.5, 0.5, 0.0)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
def test_signed_values_are_kept_as_they_are(tmp_path, rng, dtype):
    """Such as hundredths of a degree."""
    values = rng.integers(-90, 90, (9, 11)).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values)
    frame = images.open(tmp_path / "a.tif")
    np.testing.assert_array_equal(frame.pixels, values)
    assert np.issubdtype(frame.pixels.dtype, np.floating)
