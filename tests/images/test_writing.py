"""Writing: whole or not at all, at the depth that a format has, with what I1's file said."""

import logging
import os

import numpy as np
import pytest
from PIL import Image

from fnet_jax import images
from fnet_jax.errors import InputError


@pytest.fixture
def rgb(rng):
    return rng.integers(0, 256, size=(9, 13, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("shape", [(9, 13), (9, 13, 3)])
def test_sixteen_bits_are_kept(tmp_path, rng, suffix, shape):
    levels = rng.integers(0, 65536, shape, np.uint16)
    images.write(tmp_path / f"a{suffix}", levels)
    found = images.read(tmp_path / f"a{suffix}")
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, levels)


@pytest.mark.parametrize("shape", [(9, 13), (9, 13, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_are_kept_by_tiff(tmp_path, rng, shape, dtype):
    image = rng.uniform(size=shape).astype(dtype)
    images.write(tmp_path / "a.tif", image)
    np.testing.assert_array_equal(images.read(tmp_path / "a.tif"), image)


@pytest.mark.parametrize(
    ("image", "suffix", "said", "dtype"),
    [
        (np.full((4, 4), 0.5, np.float32), ".png", "floats are written with 16 bits", np.uint16),
        (np.full((4, 4, 3), 0.5, np.float16), ".png", "floats are written with 16 bits", np.uint16),
        (np.full((4, 4), 0.5), ".bmp", "floats are written with 8 bits", np.uint8),
        (np.full((4, 4), 32768, np.uint16), ".jpg", "16 bits are written as 8 bits", np.uint8),
        (np.full((4, 4, 3), 32768, np.uint16), ".bmp", "16 bits are written as 8 bits", np.uint8),
    ],
)
def test_what_a_format_cannot_keep_is_said(tmp_path, caplog, image, suffix, said, dtype):
    with caplog.at_level(logging.WARNING, "fnet_jax"):
        images.write(tmp_path / f"a{suffix}", image)
    assert f"a{suffix}: {said}" in caplog.text
    found = images.read(tmp_path / f"a{suffix}")
    assert found.dtype == dtype
    np.testing.assert_allclose(found / np.iinfo(dtype).max, 0.5, atol=0.003)  # of 8 bits


def test_what_may_not_be_written_is_refused(tmp_path, rgb):
    shapes = [(4, 4, 2, 2), (0, 3), (2, 2, 1), (2, 2, 4)]
    bad = [np.zeros((4, 4), np.int32), *(np.zeros(shape, np.uint8) for shape in shapes)]
    for image in bad:
        with pytest.raises(InputError, match="must be a uint8, uint16 or float image"):
            images.write(tmp_path / "a.png", image)
    for value in (-0.1, 1.1, np.nan):
        with pytest.raises(InputError, match=r"floats outside \[0, 1\]"):
            images.write(tmp_path / "a.tif", np.full((2, 2), value))
    with pytest.raises(InputError, match="unsupported format"):
        images.write(tmp_path / "a.webp", rgb)
    with pytest.raises(InputError, match="cannot be written"):
        images.write(tmp_path / "none" / "a.png", rgb)


def test_jpeg_has_a_largest_side(tmp_path):
    with pytest.raises(InputError, match="at most 65500 pixels a side; use --format png"):
        images.write(tmp_path / "a.jpg", np.zeros((1, 65501), np.uint8))
    images.write(tmp_path / "a.png", np.zeros((1, 65501), np.uint8))


def test_byte_order_does_not_matter(tmp_path):
    images.write(tmp_path / "a.png", np.arange(12, dtype=">u2").reshape(3, 4))
    np.testing.assert_array_equal(images.read(tmp_path / "a.png").ravel(), np.arange(12))


@pytest.mark.parametrize("suffix", images.SUFFIXES)
def test_written_whole_or_not_at_all(tmp_path, rgb, monkeypatch, suffix):
    path = tmp_path / f"a{suffix}"
    images.write(path, rgb)
    before = path.read_bytes()
    with pytest.raises(InputError, match="already exists.*--overwrite"):
        images.write(path, rgb // 2)
    assert path.read_bytes() == before

    def fsync(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(InputError, match=r"a\..*: cannot be written .*no space left"):
        images.write(path, rgb // 2, overwrite=True)
    with pytest.raises(InputError, match=r"b\..*: cannot be written .*no space left"):
        images.write(tmp_path / f"b{suffix}", rgb)
    monkeypatch.undo()
    assert path.read_bytes() == before
    images.write(path, rgb // 2, overwrite=True)
    assert path.read_bytes() != before
    assert os.listdir(tmp_path) == [f"a{suffix}"]


def test_files_get_the_usual_permissions(tmp_path, rgb):
    (tmp_path / "other").touch()
    images.write(tmp_path / "a.png", rgb)
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("deep", [False, True])
def test_what_the_source_said_is_kept(tmp_path, rgb, suffix, deep):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0132] = "Maker", "Model 7", "2026:11:26 08:00:00"
    exif[0x0112] = 6  # turned: not kept, as the pixels are turned
    Image.fromarray(rgb).save(tmp_path / "source.jpg", exif=exif, dpi=(300, 300))
    frame = images.open(tmp_path / "source.jpg")
    assert frame.size == (13, 9)
    image = frame.pixels.astype(np.uint16) * 257 if deep and suffix != ".jpg" else frame.pixels
    images.write(tmp_path / f"fused{suffix}", image, metadata=frame.metadata)
    again = images.open(tmp_path / f"fused{suffix}")
    assert again.size == (13, 9)
    found = Image.Exif()
    found.load(again.metadata["exif"])
    assert found[0x010F] == "Maker"
    assert found[0x0110] == "Model 7"
    assert found[0x0132] == "2026:11:26 08:00:00"
    assert 0x0112 not in found
    assert again.metadata["resolution"] == pytest.approx((300, 300), rel=1e-3)  # dots per meter
