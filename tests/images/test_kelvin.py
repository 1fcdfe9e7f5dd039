import warnings

import numpy as np
import pytest
import tifffile

from fnet_jax import images
from fnet_jax.cli.fuse import main as fuse
from fnet_jax.errors import InputError
from fnet_jax.images.range_rules import ByUnit, Range
from fnet_jax.images.ranges import range_of_job, ranged

SCENE = np.linspace(12.0, 38.0, 20 * 30).reshape(20, 30)  # °C
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description {}>{}'
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
)


def written(path, values, *, xmp="", **tags):
    extra = [(700, 1, len(xmp), xmp.encode(), True)] if xmp else []
    names = {"make": 271, "model": 272}
    extra += [(names[tag], 2, len(text) + 1, text, True) for tag, text in tags.items()]
    tifffile.imwrite(path, values, photometric="minisblack", extratags=extra)
    return path


def counts(scene, scale):
    return np.rint((scene + 273.15) * scale).astype(np.uint16)


def opened(path):
    return images.open(path), images.open(path, part="picture")


@pytest.mark.parametrize(
    ("scale", "said"),
    [
        (25, {"make": "DJI", "model": "XT2"}),
        (100, {"make": "DJI", "model": "XT2"}),
        (25, {"model": "FLIR Duo R"}),
        (25, {"xmp": XMP.format("", "<d:cameraModel>Vue Pro R</d:cameraModel>")}),
        (25, {"xmp": XMP.format("", "<FLIR:TlinearGain>0.04</FLIR:TlinearGain>")}),
        (100, {"xmp": XMP.format('Camera:TlinearGain="0.01"', "")}),
        (10, {"xmp": XMP.format("Camera:TlinearGain='0.1'", "")}),
        (100, {"make": "FLIR", "model": "Boson"}),
        (100, {}),
    ],
)
def test_counts_of_kelvin_are_temperatures(tmp_path, scale, said):
    frame, picture = opened(written(tmp_path / "a.tif", counts(SCENE, scale), **said))
    assert frame.unit == "°C"
    assert frame.pixels.dtype == np.float32
    assert np.abs(frame.pixels - SCENE).max() <= 0.5 / scale + 1e-4  # half a count
    assert any("kelvin" in note for note in frame.notes)
    assert picture.unit == "levels"
    assert np.array_equal(picture.pixels, counts(SCENE, scale))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (counts(SCENE, 25), {}),  # raw counts of 14 bits look the same
        (counts(SCENE, 25), {"make": "Canon"}),
        (counts(SCENE, 25), {"make": "FLIR", "model": "Vue Pro"}),  # which writes counts
        (counts(SCENE, 25), {"make": "DJI", "model": "FC6360"}),  # a multispectral camera
        (counts(SCENE, 25), {"xmp": XMP.format('xmlns:drone-dji="FLIR"', "")}),
        (counts(SCENE * 6 - 60, 100), {"make": "DJI", "model": "FC6360"}),  # near-infrared
        (np.uint16(SCENE * 700), {}),  # a 16-bit picture
        (counts(SCENE, 100) * (SCENE > 15).astype(np.uint16), {}),  # its background is 0
        (counts(np.linspace(-40, 190, 600).reshape(20, 30), 100), {}),  # too wide for a scene
        (np.uint16(SCENE * 1000 + 12000), {"make": "FLIR"}),  # counts, of neither scale
        (np.stack([counts(SCENE, 100)] * 3, axis=2), {}),
        (np.uint8(SCENE), {"make": "FLIR"}),
        (SCENE.astype(np.float32) / 40, {}),  # levels
        (SCENE.astype(np.float32), {}),  # of what, nothing says
        (np.where(SCENE > 37.9, np.nan, SCENE).astype(np.float32), {}),
    ],
)
def test_other_values_stay_levels(tmp_path, values, said):
    path = tmp_path / "a.tif"
    if values.ndim == 3:
        tifffile.imwrite(path, values, photometric="rgb")
    else:
        written(path, values, **said)
    frame, picture = opened(path)
    assert frame.unit == "levels"
    assert np.array_equal(frame.pixels, picture.pixels, equal_nan=True)
    with pytest.raises(InputError, match="contains no thermal image"):
        images.open(path, part="thermal")


@pytest.mark.parametrize("gain", ["4.0", "0.0.4"])
def test_a_gain_that_gives_no_temperatures_is_said(tmp_path, gain):
    xmp = XMP.format(f'Camera:TlinearGain="{gain}"', "")
    frame, picture = opened(written(tmp_path / "a.tif", counts(SCENE, 25), xmp=xmp))
    assert frame.unit == "levels"
    assert np.array_equal(frame.pixels, picture.pixels)
    assert any(f"TlinearGain {gain}" in note for note in frame.notes)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_floats_that_are_called_temperatures_are_celsius(tmp_path, dtype):
    frame, _ = opened(written(tmp_path / "a.celsius.tif", SCENE.astype(dtype)))
    assert frame.unit == "°C"
    assert np.array_equal(frame.pixels, SCENE.astype(dtype).astype(np.float32))
    for values in (SCENE / 40, SCENE * 100):  # levels; what no camera measures
        frame, _ = opened(written(tmp_path / "b.celsius.tif", values.astype(dtype)))
        assert frame.unit == "levels"


@pytest.mark.parametrize("value", [0, 65535])
def test_a_broken_pixel_changes_nothing(tmp_path, value):
    whole, broken = counts(SCENE, 100), counts(SCENE, 100)
    whole, broken = (np.tile(x, (4, 4)) for x in (whole, broken))
    broken[7, 9] = value
    frames = []
    for name, values in (("whole.tif", whole), ("broken.tif", broken)):
        path = written(tmp_path / name, values, make="FLIR", model="Boson")
        frames.append((path, images.open(path)))
    assert {frame.unit for _, frame in frames} == {"°C"}
    rule = range_of_job(frames, None, report=lambda line: None)
    one, two = (ranged(frame, rule) for _, frame in frames)
    assert (one != two).sum() == 1
    for _, frame in frames:
        full = ranged(frame, "type")
        assert full.min() >= 0
        assert full.max() <= 1


def test_type_is_the_stored_range_also_of_temperatures(tmp_path):
    path = written(tmp_path / "a.tif", counts(SCENE, 100))
    frame, picture = opened(path)
    expected = picture.pixels / 65535
    assert np.abs(ranged(frame, "type") - expected).max() < 1e-6  # float32 of kelvin


def test_temperatures_without_a_stored_range_share_one(tmp_path):
    """Under ``type`` too: each by its own least and greatest would invent hot spots."""
    frames = []
    for name, scene in (("cold.celsius.tif", SCENE - 10), ("hot.celsius.tif", SCENE + 50)):
        path = written(tmp_path / name, scene.astype(np.float32))
        frames.append((path, images.open(path)))
    lines = []
    rule = range_of_job(frames, "type", report=lines.append)
    assert isinstance(rule, Range)
    assert rule.low < 3
    assert rule.high > 87
    assert len(lines) == 1
    cold, hot = (ranged(frame, rule) for _, frame in frames)
    assert cold.max() < hot.min()


def test_each_unit_of_a_job_has_its_own_range(tmp_path):
    """One file states its scale and the next does not: counts are not judged in °C."""
    xmp = XMP.format('Camera:TlinearGain="0.04"', "")
    frames = []
    for name, said in (("stated.tif", {"xmp": xmp}), ("bare.tif", {})):
        path = written(tmp_path / name, counts(SCENE, 25), **said)
        frames.append((path, images.open(path)))
    lines = []
    rule = range_of_job(frames, None, report=lines.append)
    assert isinstance(rule, ByUnit)
    assert len(lines) == 2
    one, two = (ranged(frame, rule) for _, frame in frames)
    assert np.abs(one - two / 65535).max() < 1e-4  # the same scene, in floats and in 16 bits
    assert str(rule).count("…") == 2


def test_fusing_writes_its_temperatures(tmp_path, monkeypatch, small_checkpoint):
    infrared = written(tmp_path / "ir.tif", counts(SCENE, 100))
    images.write(tmp_path / "vi.png", np.uint8(SCENE * 6))
    out = tmp_path / "out"
    call = [
        "--ckpt",
        str(small_checkpoint),
        "--i1",
        str(tmp_path / "vi.png"),
        "--i2",
        str(infrared),
    ]
    monkeypatch.setattr("sys.argv", ["fuse", *call, "--out", str(out), "--temperatures"])
    assert fuse(prog="fuse") == 0
    found = images.open(out / "vi.celsius.tif")
    assert np.abs(found.pixels - SCENE).max() < 0.006


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_what_is_no_number_is_no_temperature_and_gives_no_warning(tmp_path, value):
    path = tmp_path / "celsius.tif"
    tifffile.imwrite(path, np.full((9, 9), value, np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match="NaN or infinity"):
            images.read(path, part=None)
