import os
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from fnet_jax import images
from fnet_jax.errors import InputError
from fnet_jax.images import color

ORIENTATION_TAG, PHOTOMETRIC_TAG = 0x0112, 0x0106  # of TIFF; photometric 0: white is 0


@pytest.fixture
def rgb(rng):
    return rng.integers(0, 256, size=(9, 13, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff"])
def test_lossless_formats_give_back_what_was_written(tmp_path, rgb, suffix):
    for name, image in (("colour", rgb), ("grey", rgb[..., 0])):
        path = tmp_path / f"{name}{suffix}"
        images.write(path, image)
        np.testing.assert_array_equal(images.read(path), image)
        assert images.size(path) == (9, 13)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_keep_full_precision(tmp_path, suffix):
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    images.write(tmp_path / f"a{suffix}", levels)
    found = images.read(tmp_path / f"a{suffix}")
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, levels)
    big_endian = Image.fromarray(levels.astype(">u2"))
    big_endian.save(tmp_path / "b.tif")
    np.testing.assert_array_equal(images.read(tmp_path / "b.tif"), levels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_zero_is_not_a_negative(tmp_path, dtype):
    stored = np.arange(12, dtype=dtype).reshape(3, 4)
    Image.fromarray(stored).save(tmp_path / "a.tif", tiffinfo={PHOTOMETRIC_TAG: 0})
    with Image.open(tmp_path / "a.tif") as image:
        assert image.getexif()[PHOTOMETRIC_TAG] == 0
    raw = (tmp_path / "a.tif").read_bytes()
    assert stored.tobytes() in raw or (np.iinfo(dtype).max - stored).tobytes() in raw
    written_as_shown = stored.tobytes() not in raw
    expected = stored if written_as_shown else np.iinfo(dtype).max - stored
    np.testing.assert_array_equal(images.read(tmp_path / "a.tif"), expected)


def test_folders_without_hard_links(tmp_path, rgb, monkeypatch):
    def link(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    images.write(tmp_path / "a.png", rgb)
    with pytest.raises(InputError, match="already exists"):
        images.write(tmp_path / "a.png", rgb // 2)
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), rgb)
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_modes(tmp_path, rgb, mode):
    image = Image.fromarray(rgb).convert(mode)
    image.save(tmp_path / "a.tif")
    found = images.read(tmp_path / "a.tif")
    expected = np.asarray(image.convert("L" if mode in ("1", "L", "LA") else "RGB"))
    np.testing.assert_array_equal(found, expected)
    assert images.read(tmp_path / "a.tif", grey=True).shape == (9, 13)


def test_grey_is_the_published_one(tmp_path, rgb):
    images.write(tmp_path / "a.png", rgb)
    np.testing.assert_array_equal(
        images.read(tmp_path / "a.png", grey=True), color.published_grey(rgb)
    )
    images.write(tmp_path / "a.jpg", rgb)
    stored = Image.open(tmp_path / "a.jpg")
    stored.draft("L", None)
    np.testing.assert_array_equal(images.read(tmp_path / "a.jpg", grey=True), np.asarray(stored))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 9])
def test_orientation_of_the_camera_is_followed(tmp_path, suffix, orientation):
    smooth = np.add.outer(5 * np.arange(9), 7 * np.arange(13)).astype(np.uint8)
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation  # 6: the scene's top is at the array's right
    Image.fromarray(smooth).save(tmp_path / f"a{suffix}", exif=exif)
    expected = np.rot90(smooth, {3: 2, 6: -1}.get(orientation, 0))
    found = images.read(tmp_path / f"a{suffix}")
    assert found.shape == expected.shape == images.size(tmp_path / f"a{suffix}")
    # JPEG changes smooth values by a few levels.
    np.testing.assert_allclose(found, expected, atol=8 if suffix == ".jpg" else 0)


def test_bad_files_are_named(tmp_path, rgb):
    images.write(tmp_path / "good.png", rgb)
    good = (tmp_path / "good.png").read_bytes()
    for name, content, message in [
        ("empty.png", b"", "the file is empty"),
        ("text.png", b"not an image at all", "not in a known image format"),
        ("cut.png", good[: len(good) // 2], "damaged or cut short"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name}: {message}"):
            images.read(tmp_path / name)
    with pytest.raises(InputError, match=r"gone\.png: no such file"):
        images.read(tmp_path / "gone.png")
    (tmp_path / "link.png").symlink_to("nowhere.png")
    with pytest.raises(InputError, match=r"link\.png: a link to a file that does not exist"):
        images.read(tmp_path / "link.png")
    (tmp_path / "locked.png").write_bytes(good)
    (tmp_path / "locked.png").chmod(0)
    if not os.access(tmp_path / "locked.png", os.R_OK):  # the superuser may read anything
        with pytest.raises(
            InputError, match=r"locked\.png: permission denied; check its permissions"
        ):
            images.read(tmp_path / "locked.png")
    with pytest.raises(InputError, match="13×9 pixels exceed the limit of 100.*--max-pixels"):
        images.read(tmp_path / "good.png", max_pixels=100)
    Image.fromarray(np.full((4, 4), 20.5, np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(
        InputError, match=r"float\.tif: contains floats from 20.5 to 20.5; scale them"
    ):
        images.read(tmp_path / "float.tif")
    Image.fromarray(np.full((4, 4), -1, np.int32)).save(tmp_path / "int.tif")
    with pytest.raises(InputError, match=r"int\.tif: contains floats from -1 to -1"):
        images.read(tmp_path / "int.tif")
    (tmp_path / "loop.png").symlink_to("loop.png")
    with pytest.raises(
        InputError, match=r"loop\.png: cannot be read \(too many levels of symbolic"
    ):
        images.read(tmp_path / "loop.png")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match=r"pipe\.png: not a regular file"):
        images.read(tmp_path / "pipe.png")
    for name, content in (
        ("eps.png", b"%!PS-Adobe-3.0 EPSF"),
        ("gif.jpg", b"GIF89a"),
        ("webp.tif", b"RIFF\0\0\0\0WEBP"),
    ):
        (tmp_path / name).write_bytes(content + bytes(99))
        with pytest.raises(InputError, match=f"{name}: contains (PostScript|GIF|WebP)"):
            images.read(tmp_path / name)
    (tmp_path / "wave.png").write_bytes(b"RIFF\0\0\0\0WAVE")
    with pytest.raises(InputError, match=r"wave\.png: not in a known image format"):
        images.read(tmp_path / "wave.png")


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".png", {}),
        (".jpg", {}),
        (".bmp", {}),
        (".tif", {}),
        (".tif", {"compression": "tiff_lzw"}),
        (".tif", {"compression": "tiff_deflate"}),
    ],
)
def test_damage_gives_an_image_or_one_kind_of_error(tmp_path, rng, capfd, suffix, options):
    """Cuts and flipped bytes anywhere; not every format can notice each of them."""
    smooth = np.add.outer(np.arange(40), np.arange(50)).astype(np.uint8)
    Image.fromarray(np.stack([smooth] * 3, axis=2)).save(tmp_path / f"a{suffix}", **options)
    content = (tmp_path / f"a{suffix}").read_bytes()
    refused = 0
    for _ in range(150):
        damaged = bytearray(content[: rng.integers(1, len(content) + 1)])
        for position in rng.integers(0, len(damaged), size=rng.integers(0, 4)):
            damaged[position] = rng.integers(0, 256)
        (tmp_path / f"b{suffix}").write_bytes(damaged)
        try:
            images.read(tmp_path / f"b{suffix}", max_pixels=10**6)
        except InputError:
            refused += 1
    assert refused > 50
    assert capfd.readouterr().err == ""  # decoders of other languages print on their own


def test_find_lists_images_only(tmp_path):
    for name in ("b.PNG", "a.jpeg", "notes.txt", ".c.png", "d.seq", "e.FFF"):
        (tmp_path / name).touch()
    assert [path.name for path in images.find(tmp_path)] == ["a.jpeg", "b.PNG", "d.seq", "e.FFF"]


def test_threads_read_at_once_and_nothing_else_is_silenced(tmp_path, rng, capfd):
    """Pillow's settings are those of the process; so is where messages go."""
    levels = rng.integers(0, 256, (40, 50), np.uint8)
    Image.fromarray(levels).save(tmp_path / "good.tif", compression="tiff_lzw")
    damaged = bytearray((tmp_path / "good.tif").read_bytes())
    damaged[8:400] = bytes(392)
    (tmp_path / "bad.tif").write_bytes(damaged)

    def read(name):
        with suppress(InputError):
            return images.read(tmp_path / name)

    limit, libtiff = Image.MAX_IMAGE_PIXELS, TiffImagePlugin.READ_LIBTIFF
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(read, ["good.tif", "bad.tif"] * 60)
        for i in range(300):
            os.write(2, f"line {i}\n".encode())
            time.sleep(1e-4)
        good = list(found)[::2]
    assert all((image == levels).all() for image in good)
    assert (limit, libtiff) == (Image.MAX_IMAGE_PIXELS, TiffImagePlugin.READ_LIBTIFF)
    assert capfd.readouterr().err == "".join(f"line {i}\n" for i in range(300))


def grey_profile(gamma):
    """An ICC profile of a grey picture."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    text = b"grey\0"
    name = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(79)
    bodies = [(b"desc", name + bytes(-len(name) % 4)), (b"wtpt", white), (b"kTRC", curve)]
    place, table, content = 128 + 4 + 12 * len(bodies), b"", b""
    for kind, body in bodies:
        table += kind + struct.pack(">2I", place + len(content), len(body))
        content += body
    head = struct.pack(
        ">I4sI4s4s4s", place + len(content), bytes(4), 0x02100000, b"mntr", b"GRAY", b"XYZ "
    )
    head = (head + bytes(12) + b"acsp").ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(bodies)) + table + content


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
@pytest.mark.parametrize("grey", [False, True])
def test_profiles_of_grey_pictures_are_applied(tmp_path, suffix, grey):
    levels = np.full((16, 16), 64, np.uint8)
    found = []
    for gamma in (1.0, 2.2):
        path = tmp_path / f"{gamma}.{suffix}"
        Image.fromarray(levels).save(path, icc_profile=grey_profile(gamma))
        found.append(int(images.read(path, grey=grey)[8, 8]))
    # Linear light of 64 / 255 is level 137 of sRGB; a gamma of 2.2 is near sRGB's own curve.
    assert abs(found[0] - 137) <= 2
    assert abs(found[1] - 64) <= 3
