"""TIFF files of every kind that a fusion needs; the rest is refused by what it holds."""

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


def test_twelve_bits_have_their_own_white(tmp_path, rng):
    levels = rng.integers(0, 4096, (6, 8), np.uint16)
    pairs = levels.reshape(-1, 2).astype(np.uint32)
    packed = np.stack(
        [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1]], 1
    )
    content = packed.astype(np.uint8).tobytes()
    tags = [(256, 8), (257, 6), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 6)]
    tags += [(279, len(content))]
    path = tmp_path / "a.tif"
    directory = len(tags).to_bytes(2, "little")
    for tag, value in tags:
        directory += tag.to_bytes(2, "little") + (4).to_bytes(2, "little")
        directory += (1).to_bytes(4, "little") + value.to_bytes(4, "little")
    start = 8 + len(content)
    path.write_bytes(b"II*\0" + start.to_bytes(4, "little") + content + directory + bytes(4))
    frame = images.open(path)
    np.testing.assert_array_equal(frame.pixels, levels)
    assert frame.white == 4095
    found = images.read(path)
    np.testing.assert_allclose(found / 65535, levels / 4095, atol=1e-5)  # of 16 bits


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
    assert "taken for 16-bit" in caplog.text
    large = samples(rng, np.uint32, (9, 11))
    tifffile.imwrite(tmp_path / "b.tif", large, photometric="minisblack")
    np.testing.assert_allclose(
        images.read(tmp_path / "b.tif") / 65535, large / (2**32 - 1), atol=1e-5
    )


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.zeros((5, 9, 11), np.uint8), {"photometric": "minisblack", "planarconfig": "separate"},
         "holds 5 channels of 8-bit unsigned integers"),
        (np.zeros((9, 11), np.uint64), {}, "holds 1 channels of 64-bit unsigned integers"),
        (np.zeros((9, 11), np.complex64), {}, "holds 1 channels of 64-bit other values"),
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
