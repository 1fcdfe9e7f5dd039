"""The rule of black and white for deep images."""

from pathlib import Path

import numpy as np
import pytest

from fnet_jax import images
from fnet_jax.images import ranges
from fnet_jax.images.frame import CELSIUS, Frame
from fnet_jax.images.range_rules import Range, rule_of, text_of
from fnet_jax.images.ranges import range_of_job, ranged, robust, samples


def levels(rng, low, high, shape=(30, 40)):
    return Frame(rng.integers(low, high, shape, np.uint16, endpoint=True), 0, 65535)


def celsius(rng, low, high):
    pixels = rng.uniform(low, high, (30, 40)).astype(np.float32)
    return Frame(pixels, float(pixels.min()), float(pixels.max()), CELSIUS)


def of_job(frames, rule=None):
    lines = []
    named = [(Path(f"ir/{i}.tif"), frame) for i, frame in enumerate(frames)]
    return range_of_job(named, rule, report=lines.append), lines


def test_rules_of_flags():
    assert [rule_of(text) for text in ("type", "folder", "image")] == ["type", "folder", "image"]
    assert rule_of("-5,40.5") == Range(-5, 40.5)
    for text in ("", "auto", "1", "1,2,3", "5,5", "5,1", "a,b", "nan,1", "0,inf"):
        with pytest.raises(ValueError, match="is neither|is not a range"):
            rule_of(text)


def test_images_that_fill_their_range_keep_it(rng):
    rule, lines = of_job([levels(rng, 0, 65535), levels(rng, 100, 200)])
    assert (rule, lines) == ("type", [])
    assert of_job([]) == ("type", [])


def test_raw_counts_share_one_range_which_is_said(rng):
    frames = [levels(rng, 6743, 7077), levels(rng, 7000, 7300)]
    rule, lines = of_job(frames)
    assert isinstance(rule, Range)
    assert 6743 <= rule.low < 6760
    assert 7280 < rule.high <= 7300
    (line,) = lines
    assert "ir/0.tif and 1 more: fills a small part of its range" in line
    assert "--range type" in line
    cold, warm = (ranged(frame, rule) for frame in frames)
    assert cold.dtype == np.uint16
    assert cold.mean() < warm.mean()  # a range of each would make them alike
    assert of_job(frames, "type") == ("type", [])
    assert of_job(frames, "folder") == (rule, [])  # asked for: nothing to say


def test_broken_pixels_do_not_move_it(rng):
    frame = levels(rng, 6743, 7077, (300, 400))
    frame.pixels[0, 0], frame.pixels[5, 5] = 0, 65535
    rule, _ = of_job([frame])
    assert rule.low > 6700
    assert rule.high < 7100
    assert ranged(frame, rule)[5, 5] == 65535


def test_values_with_a_unit_or_outside_their_range_are_never_of_their_type(rng):
    rule, (line,) = of_job([celsius(rng, 18, 39)])
    assert 18 <= rule.low < rule.high <= 39
    assert "°C" in line
    floats = Frame(rng.uniform(250, 300, (9, 9)).astype(np.float32), 0, 1)
    rule, lines = of_job([floats])
    assert isinstance(rule, Range)
    assert len(lines) == 1
    unit = Frame(rng.uniform(0, 1, (9, 9)).astype(np.float32), 0, 1)
    assert of_job([unit]) == ("type", [])


def test_a_range_maps_its_ends_to_black_and_white(rng):
    frame = celsius(rng, 10, 30)
    found = ranged(frame, Range(15, 25))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, ((frame.pixels - 15) / 10).clip(0, 1), atol=1e-6)
    counts = levels(rng, 0, 4000)
    found = ranged(counts, Range(1000, 3000))
    expected = ((counts.pixels.astype(float) - 1000) / 2000).clip(0, 1) * 65535
    np.testing.assert_allclose(found, expected, atol=0.51)  # rounded


def test_each_image_by_itself(rng):
    one, other = (ranged(levels(rng, low, low + 300), "image") for low in (6000, 9000))
    assert abs(one.mean() - other.mean()) < 2000
    assert one.min() == other.min() == 0
    flat = Frame(np.full((5, 5), 700, np.uint16), 0, 65535)
    assert not ranged(flat, "image").any()


def test_images_of_8_bits_have_no_range(rng):
    frame = Frame(rng.integers(0, 256, (9, 9), np.uint8), 0, 255)
    for rule in ("image", "folder", Range(10, 20)):
        np.testing.assert_array_equal(ranged(frame, rule), frame.pixels)


def test_values_that_are_not_numbers_are_refused():
    frame = Frame(np.array([[1.0, np.nan]], np.float32), 0, 1)
    with pytest.raises(ValueError, match="NaN"):
        ranged(frame, Range(0, 1))
    assert len(ranges.samples(frame)) == 1


@pytest.mark.parametrize(
    "shape", [(512, 640), (1024, 1280), (2048, 2048), (8192, 600), (600, 8192)]
)
def test_samples_meet_all_rows_and_columns(shape):
    """A ramp along rows or columns has its range found, whatever the width."""
    height, width = shape
    for ramp in (np.linspace(1000, 5000, width)[None], np.linspace(1000, 5000, height)[:, None]):
        image = np.broadcast_to(ramp, shape).astype(np.uint16)
        (found,) = (robust([samples(Frame(image, 0, 65535))]),)
        # A thousandth of 4,000 is left out at each end; 16,384 samples, and steps of a pixel.
        assert abs(found.low - 1004) < 12
        assert abs(found.high - 4996) < 12


def test_a_rule_for_deep_images_is_none_where_there_are_none():
    assert range_of_job([], Range(1, 2), report=pytest.fail) == "type"
    assert range_of_job([], "image", report=pytest.fail) == "type"


def test_an_image_outside_the_range_is_named(tmp_path, caplog):
    path = tmp_path / "a.png"
    images.write(path, np.linspace(30000, 40000, 600).reshape(20, 30).astype(np.uint16))
    images.read(path, rule=Range(20, 35))
    assert "a.png: all values" in caplog.text
    assert "outside the range 20…35" in caplog.text
    caplog.clear()
    images.read(path, rule=Range(20, 35000))
    assert not caplog.text


def test_a_rule_as_text_is_read_as_the_same():
    for rule in ("type", "folder", "image", Range(-5.25, 40.1)):
        assert rule_of(text_of(rule)) == rule
