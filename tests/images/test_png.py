"""PNG files of every kind, and what viewers honor in them."""

import io
import itertools
import zlib

import numpy as np
import pytest
from made_up_png import CHANNELS, chunk, encoded, said
from PIL import Image, ImageCms

from fnet_jax import images
from fnet_jax.errors import InputError


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("bits", "color"),
    [(1, 0), (2, 0), (4, 0), *itertools.product((8, 16), CHANNELS)],
)
def test_every_depth_is_read_whole(tmp_path, rng, bits, color, interlaced):
    samples = rng.integers(0, 2**bits, (11, 13, CHANNELS[color]))
    opaque = 2**bits - 1
    if color in (4, 6):
        samples[..., -1] = opaque
    (tmp_path / "a.png").write_bytes(encoded(samples, bits, color, interlaced=interlaced))
    found = images.read(tmp_path / "a.png")
    assert found.dtype == (np.uint16 if bits == 16 else np.uint8)
    shown = samples[..., :3] if color in (2, 6) else samples[..., 0]
    np.testing.assert_array_equal(found, shown * (np.iinfo(found.dtype).max // opaque))
    assert images.open(tmp_path / "a.png").notes == ()


@pytest.mark.parametrize(("bits", "color"), [*itertools.product((8, 16), (4, 6))])
def test_what_is_transparent_becomes_black_and_is_said(tmp_path, rng, caplog, bits, color):
    samples = rng.integers(0, 2**bits, (5, 6, CHANNELS[color]))
    samples[..., -1] = 2**bits - 1
    samples[:2, ..., -1] = 0
    samples[2, ..., -1] = (2**bits - 1) // 2
    (tmp_path / "a.png").write_bytes(encoded(samples, bits, color))
    found = images.read(tmp_path / "a.png").astype(float)
    shown = samples[..., :3] if color == 6 else samples[..., 0]
    assert not found[:2].any()
    np.testing.assert_allclose(found[2], shown[2] / 2, atol=2**bits / 100)
    np.testing.assert_array_equal(found[3:], shown[3:])
    assert "a.png: transparent pixels become black" in caplog.text


@pytest.mark.parametrize(("bits", "color"), [(1, 0), (4, 0), (8, 0), (16, 0), (8, 2), (16, 2)])
def test_a_transparent_color_becomes_black(tmp_path, rng, bits, color):
    samples = rng.integers(0, 2**bits, (7, 8, CHANNELS[color]))
    samples[2, 3] = samples[4, 5]
    key = samples[4, 5].astype(">u2").tobytes()
    (tmp_path / "a.png").write_bytes(encoded(samples, bits, color, before=[(b"tRNS", key)]))
    found = images.read(tmp_path / "a.png")
    assert not found[2, 3].any()
    hidden = (samples == samples[4, 5]).all(axis=2)
    shown = samples if color == 2 else samples[..., 0]
    expected = np.where(hidden[..., None] if color == 2 else hidden, 0, shown)
    np.testing.assert_array_equal(found, expected * (np.iinfo(found.dtype).max // (2**bits - 1)))


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("place", ["eXIf", "XMP", "XMP element", "tEXt", "zTXt"])
def test_orientation_of_every_place_is_followed(tmp_path, rng, place, orientation, late):
    samples = rng.integers(0, 256, (5, 7, 1))
    parts = {"after" if late else "before": [said(place, orientation)]}
    (tmp_path / "a.png").write_bytes(encoded(samples, 8, 0, **parts))
    found = images.read(tmp_path / "a.png")
    image = samples[..., 0]
    expected = {  # Exif: where row 0 and column 0 of the array are in the picture
        1: image,
        2: image[:, ::-1],
        3: image[::-1, ::-1],
        4: image[::-1],
        5: image.T,
        6: image.T[:, ::-1],
        7: image.T[::-1, ::-1],
        8: image.T[::-1],
    }[orientation]
    np.testing.assert_array_equal(found, expected)
    assert images.size(tmp_path / "a.png") == found.shape


def test_exif_counts_more_than_xmp(tmp_path, rng):
    samples = rng.integers(0, 256, (5, 7, 1))
    parts = [said("XMP", 6), said("eXIf", 3)]
    (tmp_path / "a.png").write_bytes(encoded(samples, 8, 0, before=parts))
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), samples[::-1, ::-1, 0])


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"prVt"])
def test_long_texts_are_no_reason_to_refuse(tmp_path, rng, kind, late):
    samples = rng.integers(0, 256, (5, 7, 3))
    long = rng.bytes(3_000_000)
    body = {
        b"tEXt": b"Comment\0" + long,
        b"zTXt": b"Comment\0\0" + zlib.compress(b"a" * 80_000_000),
        b"iTXt": b"XML:com.adobe.xmp\0\0\0\0\0" + long,
        b"prVt": long,
    }[kind]
    parts = {"after" if late else "before": [(kind, body)]}
    (tmp_path / "a.png").write_bytes(encoded(samples, 8, 2, **parts))
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), samples)


@pytest.mark.parametrize("color", [0, 2, 6])
def test_every_flipped_bit_is_noticed(tmp_path, rng, color):
    """But in what is no part of the picture and of nothing that is looked at."""
    samples = rng.integers(0, 256, (6, 7, CHANNELS[color]))
    samples[..., -1] = 255 if color == 6 else samples[..., -1]
    content = encoded(samples, 8, color, before=[said("eXIf", 6)])
    (tmp_path / "a.png").write_bytes(content)
    expected = images.read(tmp_path / "a.png")
    passed = 0
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        (tmp_path / "b.png").write_bytes(damaged)
        try:
            found = images.read(tmp_path / "b.png")
        except InputError:
            continue
        passed += 1  # such as in the kind of the part that holds Exif, which makes it unknown
        assert found.shape in (expected.shape, (6, 7, *expected.shape[2:]))
    assert passed <= 4


def wide_gamut():
    """A profile whose primaries are not those of sRGB: linear light, from littleCMS's own XYZ."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def test_profiles_of_srgb_change_nothing(tmp_path, rng):
    samples = rng.integers(0, 256, (5, 7, 3), np.uint8)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(samples).save(tmp_path / "a.png", icc_profile=profile)
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), samples)
    Image.fromarray(samples).save(tmp_path / "b.png", icc_profile=b"damaged" * 20)
    np.testing.assert_array_equal(images.read(tmp_path / "b.png"), samples)
    Image.fromarray(samples).save(tmp_path / "c.png", icc_profile=wide_gamut())
    np.testing.assert_array_equal(images.read(tmp_path / "c.png"), samples)  # of another kind


def test_several_frames_give_the_first(tmp_path, rng):
    frames = [Image.fromarray(rng.integers(0, 256, (5, 7), np.uint8)) for _ in range(3)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), np.asarray(frames[0]))


def test_an_image_after_its_end_is_ignored(tmp_path, rng):
    samples = rng.integers(0, 256, (5, 7, 1))
    content = encoded(samples, 8, 0)
    (tmp_path / "a.png").write_bytes(content + rng.bytes(1000))
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), samples[..., 0])
    stored = Image.open(io.BytesIO(content))
    np.testing.assert_array_equal(stored, samples[..., 0])  # the encoder of this test is sound


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("bits", "color"), [(1, 0), (8, 0), (8, 2), (16, 6)])
def test_a_picture_with_too_few_rows_is_refused(tmp_path, rng, bits, color, interlaced):
    """All its checksums are right; a whole one whose last row is black is read."""
    samples = rng.integers(1, 1 << bits, (9, 11, CHANNELS[color]))
    samples[-1] = 0
    whole = encoded(samples, bits, color, interlaced=interlaced)
    path = tmp_path / "a.png"
    path.write_bytes(whole)
    assert not images.read(path)[-1].any()
    start = whole.index(b"IDAT") - 4
    length = int.from_bytes(whole[start : start + 4], "big")
    rows = zlib.decompress(whole[start + 8 : start + 8 + length])
    short = chunk(b"IDAT", zlib.compress(rows[: len(rows) // 3]))
    path.write_bytes(whole[:start] + short + whole[start + 12 + length :])
    with pytest.raises(InputError, match=r"a\.png: damaged"):
        images.read(path)


@pytest.mark.parametrize("first", [(0, 0, 0), (200, 30, 30)])
def test_a_palette_picture_with_too_few_rows_is_refused(tmp_path, rng, first):
    """What is missing has the first color of the palette, which need not be black."""
    path = tmp_path / "a.png"
    image = Image.fromarray(rng.integers(1, 4, (9, 11)).astype(np.uint8), "P")
    image.putpalette([*first, 1, 2, 3, 90, 80, 70, 255, 250, 245])
    image.save(path, bits=8)
    whole = path.read_bytes()
    assert images.read(path).shape == (9, 11, 3)
    start = whole.index(b"IDAT") - 4
    length = int.from_bytes(whole[start : start + 4], "big")
    rows = zlib.decompress(whole[start + 8 : start + 8 + length])
    for kept in (len(rows) // 3, len(rows) - 13):
        short = chunk(b"IDAT", zlib.compress(rows[:kept]))
        path.write_bytes(whole[:start] + short + whole[start + 12 + length :])
        with pytest.raises(InputError, match=r"a\.png: damaged"):
            images.read(path)


def test_a_last_pass_that_is_missing_is_noticed(tmp_path, rng):
    samples = rng.integers(1, 256, (9, 11, 1))
    whole = encoded(samples, 8, 0, interlaced=True)
    path = tmp_path / "a.png"
    path.write_bytes(whole)
    np.testing.assert_array_equal(images.read(path), samples[..., 0])
    start = whole.index(b"IDAT") - 4
    length = int.from_bytes(whole[start : start + 4], "big")
    rows = zlib.decompress(whole[start + 8 : start + 8 + length])
    short = chunk(b"IDAT", zlib.compress(rows[: -4 * 12]))  # the odd rows
    path.write_bytes(whole[:start] + short + whole[start + 12 + length :])
    with pytest.raises(InputError, match=r"a\.png: damaged"):
        images.read(path)
