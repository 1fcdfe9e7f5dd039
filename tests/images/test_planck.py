"""Temperatures: the equation solved, constants that cannot be, and exported values."""

import dataclasses
import gzip
import math

import numpy as np
import pytest
import tifffile
from made_up_fff import HEIGHT, SENSOR, WIDTH, fff, image_record, made_up, read, smooth_counts


@pytest.fixture
def counts(rng):
    return smooth_counts(rng)


def seen(kelvin, c):
    """Counts of an object, by the equation in data/README.md written out in its own way."""

    def body(t):
        return c.r1 / (c.r2 * (math.exp(c.b / t) - c.f)) - c.o

    ta = c.atmosphere - 273.15
    h = c.humidity * math.exp(1.5587 + 0.06939 * ta - 0.00027816 * ta**2 + 6.8455e-7 * ta**3)
    root = math.sqrt(c.distance)
    tau = c.x * math.exp(-root * (c.alpha1 + c.beta1 * math.sqrt(h)))
    tau += (1 - c.x) * math.exp(-root * (c.alpha2 + c.beta2 * math.sqrt(h)))
    object_, around = c.emissivity * body(kelvin), (1 - c.emissivity) * body(c.reflected)
    scene = tau * (object_ + around) + (1 - tau) * body(c.atmosphere)
    w = c.window_transmission
    return w * scene + (1 - w) * body(c.window)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"emissivity": 0.6, "reflected": 250.0},
        {"distance": 200.0, "atmosphere": 303.15, "humidity": 0.9},
        {"window_transmission": 0.8, "window": 320.0},
        {"f": 2.5, "r2": 0.0277009, "o": -7494, "distance": 0.0},
    ],
)
def test_temperatures_solve_the_equation(changes):
    constants = dataclasses.replace(SENSOR, **changes)
    kelvin = np.linspace(250, 350, HEIGHT * WIDTH)
    exact = np.array([seen(t, constants) for t in kelvin])
    rounded = np.rint(exact).astype(np.uint16).reshape(HEIGHT, WIDTH)
    found = read(made_up(rounded, constants)).thermal
    assert found.notes == ()
    # Rounding moves the counts by half a one.
    count = np.gradient(kelvin, exact).max()
    np.testing.assert_allclose(
        found.pixels.ravel(), kelvin - 273.15, rtol=0, atol=0.5 * count + 1e-3
    )
    assert count < 0.1  # or the tolerance would allow anything


@pytest.mark.parametrize(
    ("placeholders", "words", "instead"),
    [
        ({"emissivity": 0.0}, "emissivity of 0 ", {"emissivity": 1.0}),
        ({"emissivity": 95.0}, "emissivity of 95 ", {"emissivity": 1.0}),
        ({"emissivity": math.nan}, "emissivity of nan ", {"emissivity": 1.0}),
        ({"distance": -1.0}, "distance of -1 m", {"distance": 0.0}),
        ({"distance": 1e30}, "distance of 1e+30 m", {"distance": 0.0}),
        ({"reflected": 0.0}, "reflected temperature of 0 K", {"reflected": 293.15}),
        ({"atmosphere": math.inf}, "air temperature of inf K", {"atmosphere": 293.15}),
        ({"humidity": -0.5}, "humidity of -0.5 ", {"humidity": 0.5}),
        ({"humidity": 70.0}, "humidity of 70 is read as percent", {"humidity": 0.7}),
        ({"window_transmission": 0.0}, "window transmission of 0 ", {"window_transmission": 1.0}),
        ({"x": math.nan}, "constants of the air", {"distance": 0.0}),
        ({"alpha1": 1e9, "alpha2": 1e9}, "constants of the air", {"distance": 0.0}),
    ],
)
def test_impossible_constants_are_said_and_replaced(counts, placeholders, words, instead):
    found = read(made_up(counts, dataclasses.replace(SENSOR, **placeholders))).thermal
    expected = read(made_up(counts, dataclasses.replace(SENSOR, **instead))).thermal
    # A file's 293.15 K and 70 % are float32.
    np.testing.assert_allclose(found.pixels, expected.pixels, rtol=0, atol=1e-4)
    assert found.unit == "°C"
    assert expected.notes == ()
    (note,) = found.notes
    assert words in note


@pytest.mark.parametrize(
    "sensor", [{"r1": 0.0}, {"r2": 0.0}, {"b": math.nan}, {"r1": -1.0}, {"f": math.inf}]
)
def test_without_planck_constants_the_counts_are_levels(counts, sensor):
    found = read(made_up(counts, dataclasses.replace(SENSOR, **sensor))).thermal
    np.testing.assert_array_equal(found.pixels, counts)
    assert (found.unit, found.black, found.white) == ("levels", 0, 65535)
    assert "raw counts" in found.notes[0]


def test_without_a_camera_record_the_counts_are_levels(counts):
    raw = image_record("<", 2, WIDTH, HEIGHT, counts.tobytes())
    found = read(fff([(1, raw)]))
    np.testing.assert_array_equal(found.thermal.pixels, counts)
    assert found.thermal.notes
    assert (found.camera, found.taken) == ("", None)


def test_counts_below_every_temperature_get_the_lowest(counts):
    counts[0, :3] = 0
    found = read(made_up(counts)).thermal
    assert np.isfinite(found.pixels).all()
    np.testing.assert_array_equal(found.pixels[0, :3], found.pixels.min())
    assert "3 pixels are colder" in found.notes[0]


def test_corrections_that_leave_nothing_are_left_out(counts):
    # Reflections of 900 K off a mirror would be brighter than all that is seen.
    hot = dataclasses.replace(SENSOR, emissivity=0.3, reflected=900.0)
    plain = dataclasses.replace(SENSOR, emissivity=1.0, distance=0.0)
    found = read(made_up(counts, hot)).thermal
    np.testing.assert_array_equal(found.pixels, read(made_up(counts, plain)).thermal.pixels)
    assert "black body" in found.notes[0]


WITH_TRUTH = {  # of shared/data/thermal/flir_jpeg
    "b60_tower": ("flirtools", "celsius"),
    "c2_panel": ("celsius",),
    "e40bx_no_visible": ("flirtools", "celsius"),
    "e60_car_no_visible": ("flirtools",),
    "i7_ducks_no_visible": ("flirtools", "celsius"),
}


@pytest.mark.parametrize(
    ("name", "source"), [(name, source) for name, all_ in WITH_TRUTH.items() for source in all_]
)
def test_exported_temperatures(data_folder, name, source):
    path = data_folder / "thermal/flir_jpeg" / f"{name}.jpg"
    found = read(path.read_bytes()).thermal
    assert found.notes == ()
    if source == "flirtools":
        with gzip.open(path.with_name(f"{name}.flirtools.csv.gz"), "rt") as file:
            truth = np.loadtxt(file, delimiter=",")
        celsius = found.pixels.clip(-40.01)  # below which FLIR Tools shows nothing
    else:
        truth = tifffile.imread(path.with_name(f"{name}.celsius_f32.tif"))
        celsius = found.pixels
    # Values of FLIR Tools, and one of the TIFF files, have three decimals; float32 adds 1e-5.
    np.testing.assert_allclose(celsius, truth, rtol=0, atol=0.0006)


@pytest.mark.parametrize(
    ("file", "least", "greatest"),  # index.json, celsius_formula
    [
        ("flir_jpeg/one_gen1_mug.jpg", 25.934, 62.231),
        ("flir_jpeg/e5_spindle_0132.jpg", 15.752, 73.657),
        ("flir_jpeg/e5pro_0016.jpg", 19.002, 38.141),
        ("flir_jpeg/e5pro_0017.jpg", 19.002, 23.524),
        ("flir_jpeg/t540_56020.jpg", 22.076, 27.064),
        ("flir_jpeg/e54_0001.jpg", 29.213, 40.585),
        ("flir_jpeg/duo_r_882.jpg", 10.324, 35.307),
        ("dji/xt_r_flir_kind.jpg", 16.255, 59.416),
    ],
)
def test_ranges_of_files_without_exported_temperatures(data_folder, file, least, greatest):
    found = read((data_folder / "thermal" / file).read_bytes()).thermal
    # index.json has three decimals
    assert (found.black, found.white) == pytest.approx((least, greatest), abs=0.0006)
