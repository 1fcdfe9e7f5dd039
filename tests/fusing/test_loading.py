"""Both images of a pair: of two files, or of one file of a thermal camera."""

import logging
from itertools import permutations

import numpy as np
import pytest
import tifffile
from made_up_fff import made_up, photo, smooth_counts
from PIL import Image

from fnet_jax import images
from fnet_jax.errors import InputError
from fnet_jax.fusing.loading import Loader
from fnet_jax.images.range_rules import Range
from fnet_jax.pairs.match import Pair, match


def test_one_file_gives_both_images_on_one_grid(tmp_path, rng):
    path = photo(tmp_path / "a.jpg", rng)
    loader = Loader().of_job([Pair(path, path)], report=lambda line: None)
    found = loader.load(Pair(path, path))
    assert found.i1.shape == (*found.i2.shape, 3)
    assert loader.size(Pair(path, path)) == found.i2.shape
    assert found.i1.shape[1] == 64  # 80 / 1.25
    assert found.i1.dtype == np.uint8
    assert found.i2.dtype == np.float32
    assert found.i2.min() == 0
    assert found.i2.max() == 1
    thermal = images.open(path)
    assert thermal.unit == "°C"
    assert found.celsius.min() == pytest.approx(thermal.pixels.min(), abs=1)
    order = np.corrcoef(found.celsius.ravel(), found.i2.ravel())[0, 1]
    assert order > 0.999
    assert images.open(path, part="visible").pixels.shape == (60, 80, 3)
    with Image.open(path) as picture:
        exif = picture.getexif()
        exif[0x010F] = "Maker"
    content = path.read_bytes()
    segment = exif.tobytes()
    head = b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment
    path.write_bytes(content[:2] + head + content[2:])
    assert b"Maker" in loader.load(Pair(path, path)).metadata["exif"]
    assert images.read(path).shape == images.size(path) == (24, 32)  # the picture that viewers show


def test_a_file_without_a_visible_image_is_named(tmp_path, rng):
    path = photo(tmp_path / "a.jpg", rng, visible=False)
    with pytest.raises(InputError, match=r"a\.jpg contains no visible image; use two images"):
        Loader().load(Pair(path, path))
    Image.new("RGB", (9, 9)).save(tmp_path / "b.jpg")
    with pytest.raises(InputError, match=r"b\.jpg contains no image of a thermal camera"):
        Loader().size(Pair(tmp_path / "b.jpg", tmp_path / "b.jpg"))
    with pytest.raises(InputError, match=r"b\.jpg: contains no visible image of a thermal camera"):
        images.open(tmp_path / "b.jpg", part="visible")


def test_a_thermal_file_as_the_second_image(tmp_path, rng):
    """Its temperatures are fused, not the colors that it shows."""
    path = photo(tmp_path / "ir.jpg", rng)
    images.write(tmp_path / "vi.png", rng.integers(0, 256, (30, 40), np.uint8))
    pair = Pair(tmp_path / "vi.png", path)
    found = Loader().of_job([pair], report=lambda line: None).load(pair)
    assert found.i2.shape == found.celsius.shape == (30, 40)


def test_one_range_for_all_files_of_a_job(tmp_path, rng):
    lines = []
    pairs = [
        Pair(path, path)
        for path in (photo(tmp_path / f"{n}.jpg", rng, warmer=n) for n in (0, 400, 800))
    ]
    loader = Loader().of_job(pairs, report=lines.append)
    means = [loader.load(pair).i2.mean() for pair in pairs]
    assert means[0] < means[1] < means[2]
    (line,) = lines
    assert "0.jpg and 2 more" in line
    assert "°C" in line
    asked = Loader().of_job(pairs, rule=Range(-100, 200), report=lines.append)
    assert 0.3 < asked.load(pairs[0]).i2.mean() < 0.7
    assert len(lines) == 1


@pytest.mark.parametrize("kind", ["tiff", "png"])
def test_raw_counts_are_seen(tmp_path, rng, kind):
    counts = rng.integers(6743, 7077, (9, 12), np.uint16)
    path = tmp_path / f"ir.{kind}"
    if kind == "png":
        images.write(path, counts)
    else:
        tifffile.imwrite(path, counts)
    images.write(tmp_path / "vi.png", rng.integers(0, 256, (9, 12), np.uint8))
    pair, lines = Pair(tmp_path / "vi.png", path), []
    found = Loader().of_job([pair], report=lines.append).load(pair)
    assert found.i2.std() > 10_000
    assert str(path) in lines[0]
    plain = Loader().of_job([pair], rule="type", report=lines.append).load(pair)
    np.testing.assert_array_equal(plain.i2, counts)
    assert len(lines) == 1


def test_floats_of_degrees_are_fused(tmp_path, rng):
    celsius = rng.uniform(15, 35, (9, 12)).astype(np.float32)
    tifffile.imwrite(tmp_path / "ir.tif", celsius)
    images.write(tmp_path / "vi.png", rng.integers(0, 256, (9, 12), np.uint8))
    pair = Pair(tmp_path / "vi.png", tmp_path / "ir.tif")
    found = Loader().of_job([pair], report=lambda line: None).load(pair)
    np.testing.assert_allclose(found.i2, (celsius - 15) / 20, atol=0.05)  # of percentiles


def test_what_was_decided_is_said_unless_quiet(tmp_path, rng, caplog):
    rgba = rng.integers(0, 255, (9, 12, 4), np.uint8)
    Image.fromarray(rgba).save(tmp_path / "vi.png")
    images.write(tmp_path / "ir.png", rgba[..., 0])
    pair = Pair(tmp_path / "vi.png", tmp_path / "ir.png")
    with caplog.at_level(logging.WARNING, "fnet_jax"):
        Loader().load(pair, quiet=True)
        assert caplog.text == ""
        Loader().load(pair)
    assert "vi.png: transparent pixels become black" in caplog.text


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("grey", [False, True])
def test_color_in_i2_alone_looks_swapped(tmp_path, rng, suffix, grey):
    for name, mode in (("color", "RGB"), ("grey", "L")):
        levels = rng.integers(0, 256, (24, 40, 3), dtype=np.uint8)
        Image.fromarray(levels).convert(mode).save(tmp_path / f"{name}{suffix}")
    both = Image.open(tmp_path / f"grey{suffix}").convert("RGB")
    both.save(tmp_path / f"stored{suffix}")  # three channels without color
    names = ("color", "grey", "stored")
    for one, two in permutations(names, 2):
        pair = Pair(tmp_path / f"{one}{suffix}", tmp_path / f"{two}{suffix}")
        found = Loader("grey" if grey else "auto").load(pair)
        assert found.swapped == (one != "color" and two == "color")
        np.testing.assert_array_equal(found.i1, images.read(pair.i1, grey=grey))
        np.testing.assert_array_equal(found.i2, images.read(pair.i2, grey=True))


@pytest.mark.parametrize("suffix", [".fff", ".seq"])
def test_bare_records_of_thermal_cameras_are_second_images(tmp_path, rng, suffix):
    (tmp_path / "vi").mkdir()
    (tmp_path / "ir").mkdir()
    images.write(tmp_path / "vi/1.png", rng.integers(0, 256, (30, 40), np.uint8))
    (tmp_path / f"ir/1{suffix}").write_bytes(made_up(smooth_counts(rng)) * 2)
    (pair,), problems = match(tmp_path / "vi", tmp_path / "ir")
    assert problems == []
    found = Loader().of_job([pair], report=lambda line: None).load(pair)
    assert found.celsius.shape == found.i2.shape == (30, 40)
