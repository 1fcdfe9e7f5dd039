"""Thermal cameras' files: made-up ones of every layout, damaged ones, and real ones."""

import io
import math
import struct
import sys
import zlib

import numpy as np
import pytest
from made_up_fff import (
    HEIGHT,
    SENSOR,
    WIDTH,
    camera_record,
    dji,
    fff,
    in_jpeg,
    jpeg,
    made_up,
    parted,
    pip_record,
    png,
    read,
    smooth_counts,
    visible_record,
)
from PIL import Image

from fnet_jax.errors import InputError
from fnet_jax.fusing.loading import Loader
from fnet_jax.images import embedded, files, radiometric
from fnet_jax.images.alignment import Alignment
from fnet_jax.pairs.match import Pair


@pytest.fixture
def counts(rng):
    return smooth_counts(rng)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("header", ["<", ">"])
def test_both_byte_orders_of_header_and_records(counts, header, order):
    found = read(made_up(counts, header=header, order=order))
    np.testing.assert_array_equal(found.raw, counts)
    assert found.raw.dtype == np.uint16
    assert found.camera == "FLIR Test"
    # 1568147407 is 20:30:07 UTC, six hours east of the camera's clock.
    assert found.taken == "2019-09-10T14:30:07.482-06:00"
    assert found.thermal.unit == "°C"
    assert found.thermal.pixels.dtype == np.float32
    assert found.thermal.black == found.thermal.pixels.min()
    assert found.thermal.white == found.thermal.pixels.max()
    assert found.thermal.notes == ()
    assert found.visible() is None
    assert found.alignment is None


@pytest.mark.parametrize("swapped", [True, False])
def test_raw_png_of_either_byte_order(counts, swapped):
    stored = counts.byteswap() if swapped else counts
    np.testing.assert_array_equal(read(made_up(counts, body=png(stored))).raw, counts)


def test_uncompressed_counts_of_the_other_byte_order_than_their_record(counts):
    found = read(made_up(counts, body=counts.astype(">u2").tobytes()))
    np.testing.assert_array_equal(found.raw, counts)


def test_a_flat_image_keeps_the_usual_byte_order():
    flat = np.full((HEIGHT, WIDTH), 0x3A4B, np.uint16)
    np.testing.assert_array_equal(read(made_up(flat, body=png(flat.byteswap()))).raw, flat)


def test_jpeg_ls_is_read_where_a_decoder_is_installed(counts):
    codecs = pytest.importorskip("imagecodecs")
    found = read(made_up(counts, body=codecs.jpegls_encode(counts)))
    np.testing.assert_array_equal(found.raw, counts)


def test_jpeg_ls_without_a_decoder_names_it(counts, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    frame = b"\xff\xd8\xff\xf7\x00\x0b\x10" + struct.pack(">2H", HEIGHT, WIDTH) + b"\x01\x01\x11\0"
    with pytest.raises(InputError, match="JPEG-LS; install imagecodecs"):
        read(made_up(counts, body=frame))


def test_segments_in_any_order_and_repeated(counts):
    record = made_up(counts)
    parts = parted(record)
    assert len(parts) > 3
    shuffled = [parts[-1], *parts[1:-1][::-1], parts[0], parts[1]]
    for payloads in (parts, shuffled):
        np.testing.assert_array_equal(read(in_jpeg(payloads)).raw, counts)


@pytest.mark.parametrize("missing", [0, 2, -1])
def test_a_missing_segment_is_refused(counts, missing):
    parts = parted(made_up(counts))
    many = len(parts)
    del parts[missing]
    with pytest.raises(InputError, match=rf"^photo.jpg: 1 of {many} segments"):
        read(in_jpeg(parts))


def test_two_segments_of_one_number_have_to_agree(counts):
    parts = parted(made_up(counts))
    with pytest.raises(InputError, match="two FLIR segments 1 differ"):
        read(in_jpeg([*parts, parts[1][:-1] + b"?"]))


def test_the_first_frame_of_a_sequence(counts):
    first, second = made_up(counts, header="<"), made_up(counts[::-1], header="<")
    np.testing.assert_array_equal(read(first + second).raw, counts)
    np.testing.assert_array_equal(read(b"AFF" + first[3:]).raw, counts)


def test_other_jpegs_hold_nothing(counts):
    assert read(jpeg(np.zeros((8, 8), np.uint8))) is None
    without_raw = fff([(0x20, camera_record("<", SENSOR))])
    assert read(in_jpeg(parted(without_raw))) is None
    with pytest.raises(InputError, match="no raw image"):
        read(without_raw)
    assert not radiometric.is_radiometric(b"\x89PNG")
    with pytest.raises(InputError, match="neither"):
        radiometric.read("a.png", b"\x89PNG")


@pytest.mark.parametrize("order", ["<", ">"])
def test_visible_image_and_alignment_tags(counts, rng, order):
    smooth = np.linspace(0, 255, 80 * 60 * 3).reshape(60, 80, 3).astype(np.uint8)
    more = [(0x0E, visible_record(jpeg(smooth), 80, 60)), (0x2A, pip_record(1.5, 3, -4, order))]
    found = read(made_up(counts, more=more))
    assert found.alignment == Alignment(1.5, 3, -4, pip=(36, 142, 37, 143))
    picture = found.visible()
    assert picture.pixels.shape == (60, 80, 3)
    assert (picture.black, picture.white, picture.unit) == (0, 255, "levels")
    # JPEG of quality 95 without detail
    assert np.abs(picture.pixels.astype(int) - smooth).mean() < 3


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ((1.0, 0, 0), "placeholders"),
        ((0.0, 0, 0), "are invalid"),
        ((math.nan, 3, 4), "are invalid"),
        ((1.4, 20000, 0), "are invalid"),
    ],
)
def test_placeholders_of_the_alignment_are_said(counts, tags, words):
    picture = jpeg(np.zeros((60, 80, 3), np.uint8))
    more = [(0x0E, visible_record(picture, 80, 60)), (0x2A, pip_record(*tags))]
    found = read(made_up(counts, more=more))
    assert found.alignment is None
    assert words in found.thermal.notes[0]


def test_a_png_of_luma_and_chroma_becomes_rgb(counts, rng):
    y, x = np.mgrid[:60, :80]
    stripes = 60 * np.sin(x / 2) * np.cos(y / 3)
    rgb = np.stack([120 + stripes, 130 + stripes, 110 + stripes], 2) + rng.normal(0, 3, (60, 80, 3))
    rgb[:, 40:, 0] += 50
    picture = Image.fromarray(rgb.clip(0, 255).astype(np.uint8))
    luma_chroma = np.asarray(picture.convert("YCbCr"))
    for stored, said in ((luma_chroma, True), (np.asarray(picture), False)):
        more = [(0x0E, visible_record(png(stored), 80, 60))]
        found = read(made_up(counts, more=more)).visible()
        # Y'CbCr was rounded to 8 bits, and blue is 1.77 times its chroma.
        np.testing.assert_allclose(found.pixels, np.asarray(picture), rtol=0, atol=3)
        assert bool(found.notes) is said


def test_a_damaged_visible_image_leaves_the_thermal_one(counts):
    file = bytearray(png(np.zeros((60, 80, 3), np.uint8)))
    file[-20] ^= 1  # in the compressed data
    for broken in (bytes(file), b"nothing", jpeg(np.zeros((9, 9), np.uint8))[:200]):
        found = read(made_up(counts, more=[(0x0E, visible_record(broken, 80, 60))]))
        np.testing.assert_array_equal(found.raw, counts)
        with pytest.raises(InputError, match=r"^photo.jpg: "):
            found.visible()


def test_a_visible_jpeg_is_bounded_however_its_header_is_found(counts, monkeypatch):
    monkeypatch.setattr(embedded, "MOST_VISIBLE", 80 * 60 - 1)
    file = jpeg(np.zeros((60, 80, 3), np.uint8))
    for hidden in (file, file[:2] + b"\xff\xe0\x00\x02??" + file[2:]):  # with garbage
        found = read(made_up(counts, more=[(0x0E, visible_record(hidden, 80, 60))]))
        with pytest.raises(InputError, match="80×60 pixels exceeds the limit of 4799"):
            found.visible()
    scans = file[:-2] + 101 * (b"\xff\xda\x00") + file[-2:]
    monkeypatch.setattr(embedded, "MOST_VISIBLE", 80 * 60)
    found = read(made_up(counts, more=[(0x0E, visible_record(scans, 80, 60))]))
    with pytest.raises(InputError, match="scans"):
        found.visible()


def test_a_raw_png_with_a_wrong_checksum_is_refused(counts):
    file = bytearray(png(counts.byteswap()))
    file[100] ^= 1
    with pytest.raises(InputError, match="checksum"):
        read(made_up(counts, body=bytes(file)))


def test_sizes_are_bounded_before_anything_is_decoded(counts, monkeypatch):
    wide = struct.pack(">2I", 200_000, 200_000)
    file = png(counts.byteswap())
    claimed = b"IHDR" + wide + file[24:29]
    file = file[:12] + claimed + struct.pack(">I", zlib.crc32(claimed)) + file[33:]
    with pytest.raises(InputError, match="200000×200000"):
        read(made_up(counts, body=file))
    monkeypatch.setattr(embedded, "MOST_COUNTS", HEIGHT * WIDTH - 1)
    with pytest.raises(InputError, match="exceeds the limit of 1199"):
        read(made_up(counts))


def test_offsets_and_counts_outside_the_file_are_refused(counts):
    record = made_up(counts)
    for at in (0x18, 0x1C, 64 + 12, 64 + 16, 96 + 12, 96 + 16):
        for value in (0xFFFFFFFF, 0x7FFFFFFF, len(record)):
            broken = bytearray(record)
            struct.pack_into(">I", broken, at, value)
            with pytest.raises(InputError, match=r"^photo.jpg: damaged or cut short"):
                read(bytes(broken))


def test_mutated_files_raise_nothing_else(counts, rng):
    picture = np.repeat(counts[..., None] >> 7, 3, 2).astype(np.uint8)
    files = [
        made_up(counts, body=png(counts.byteswap()), more=[(0x2A, pip_record(1.4, 2, 3))]),
        in_jpeg(parted(made_up(counts, more=[(0x0E, visible_record(jpeg(picture), 40, 30))]))),
        in_jpeg(parted(made_up(counts, more=[(0x0E, visible_record(png(picture), 40, 30))]))),
        dji(counts),
    ]
    outcomes = set()
    for number in range(800):
        content = bytearray(files[number % len(files)])
        if number % 5 == 0:
            content = content[: rng.integers(4, len(content))]
        reach = len(content) if number % 2 else min(400, len(content))
        for _ in range(rng.integers(1, 4)):
            content[rng.integers(4, reach) if reach > 4 else 3] = rng.integers(256)
        try:
            found = radiometric.read("photo.jpg", bytes(content))
            if found is not None:
                assert np.isfinite(found.thermal.pixels).all()
                found.visible()
            outcomes.add("read")
        except InputError as error:
            assert str(error).startswith("photo.jpg: ")
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


@pytest.mark.parametrize("zoom", [1, 2])
def test_dji_raw_images_are_levels(counts, zoom):
    found = read(dji(counts, size=(HEIGHT * zoom, WIDTH * zoom)))
    np.testing.assert_array_equal(found.raw, counts)
    np.testing.assert_array_equal(found.thermal.pixels, counts)
    assert (found.thermal.unit, found.thermal.white) == ("levels", 65535)
    assert "DJI's Thermal SDK" in found.thermal.notes[0]
    assert (found.camera, found.taken) == ("M3T", "2022-07-23T15:13:38")


def test_app3_of_other_cameras_is_not_an_image(counts):
    assert read(dji(counts, make="Other")) is None
    assert read(dji(counts, size=(31, 17))) is None


def test_real_files_without_a_jpeg(data_folder):
    folder = data_folder / "thermal"
    frame = radiometric.read("a.fff", (folder / "fff/researchir_le.fff").read_bytes())
    assert frame.thermal.size == (240, 320)
    assert frame.camera.startswith("FLIR T420")
    frame = radiometric.read("a.seq", (folder / "seq/sc660.seq").read_bytes())
    assert frame.thermal.size == (480, 640)
    assert frame.taken == "2012-06-13T14:52:08.699-05:00"
    # A room: no truth is known.
    assert 10 < frame.thermal.black < frame.thermal.white < 60


def test_the_luma_and_chroma_of_a_real_file(data_folder):
    found = read((data_folder / "thermal/flir_jpeg/b60_tower.jpg").read_bytes()).visible()
    assert found.notes == ("the visible image is stored as Y'CbCr",)
    red, _, blue = found.pixels[20:60, 20:80].reshape(-1, 3).mean(0)  # the sky
    assert blue > red + 20


@pytest.mark.parametrize(
    # index.json, raw_min and raw_max; those of the M3T are of the SDK, which divides by 4
    ("name", "least", "greatest"),
    [("h20t", 18363, 22796), ("m3t", 4 * 4745, 4 * 5036)],
)
def test_real_dji_files(data_folder, name, least, greatest):
    found = read((data_folder / f"thermal/dji/{name}.jpg").read_bytes())
    assert found.thermal.size == (512, 640)
    assert (found.raw.min(), found.raw.max()) == (least, greatest)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_images_of_a_photo_are_turned_alike(counts, rng, tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    height, width = counts.shape
    shown = rng.integers(0, 2, (height, width), np.uint8) * 255
    file, seen = io.BytesIO(), io.BytesIO()
    Image.fromarray(shown).save(file, "JPEG", exif=exif, quality=100)
    Image.fromarray(np.stack([shown] * 3, axis=2)).save(seen, "PNG")
    more = [(0x0E, visible_record(seen.getvalue(), width, height))]
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(in_jpeg(parted(made_up(counts, more=more)), picture=file.getvalue()))
    stored = files.thermal_camera(photo)
    np.testing.assert_array_equal(stored.raw, counts)
    turned = files.upright(shown, orientation)
    found = {
        part: files.open(photo, part=part).pixels for part in ("picture", "visible", "thermal")
    }
    np.testing.assert_array_equal(found["picture"] > 127, turned > 127)
    np.testing.assert_array_equal(found["visible"][..., 0], turned)
    warm = files.upright(stored.thermal.pixels, orientation)
    np.testing.assert_array_equal(found["thermal"], warm)
    assert files.size(photo, part=None) == warm.shape
    laid = Loader().load(Pair(photo, photo))
    np.testing.assert_array_equal(laid.i1[..., 0], turned)
    np.testing.assert_allclose(laid.celsius, warm, atol=1e-3)
