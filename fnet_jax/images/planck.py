"""Temperatures from the counts of a thermal camera, by Planck's law and a model of the air.

Let R(T) = R1 / (R2 (exp(B / T) − F)) − O be the counts of a black body at T kelvin. For an object
of emissivity ε behind air of transmission τ and a window of transmission w, the camera measures
raw = w (ε τ R(T) + (1 − ε) τ R(T_reflected) + (1 − τ) R(T_air)) + (1 − w) R(T_window), which is
solved for T. The transmission of d meters of air is

    τ = X exp(−√d (α1 + β1 √h)) + (1 − X) exp(−√d (α2 + β2 √h)),
    h = RH exp(1.5587 + 0.06939 t − 0.00027816 t² + 6.8455e−7 t³), t in °C

(Minkina & Dudzik, Infrared Thermography, Wiley 2009, and FLIR's toolkit). FLIR's own programs use
√d, not √(d / 2) as some others do: with it, exported values are reproduced within their rounding.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

ZERO_CELSIUS = 273.15
ROOM = 293.15  # K; the factory setting of all temperatures
ROOM_HUMIDITY = 0.5  # factory setting
FARTHEST = 10_000.0  # m; more than any camera accepts
LEAST_EMISSIVITY, LEAST_TRANSMISSION = 0.01, 0.01
AIR, SURROUNDINGS = (150.0, 400.0), (50.0, 5000.0)  # K, accepted ranges
BANDS = (500.0, 25_000.0)  # K; B = 14388 µm·K / wavelength, of 0.6 to 28 µm
MEDIAN = (-200.0, 4000.0)  # °C; outside of this range, the conversion of an image has failed


@dataclass(frozen=True)
class Constants:
    """What a camera file states about the sensor, the object and what lies between them.

    Attributes:
        r1, b, f, o, r2: Planck constants R1, B (kelvin), F, O (counts) and R2.
        emissivity: ε of the object, 0…1.
        distance: to the object, meters.
        reflected, atmosphere, window: temperatures of what the object reflects (apparent), of the
            air and of the window, kelvin.
        window_transmission: of the window, 0…1.
        humidity: relative humidity of the air, 0…1.
        alpha1, alpha2, beta1, beta2, x: α1, α2, β1, β2 and X of the air.
    """

    r1: float
    r2: float
    b: float
    f: float
    o: float
    emissivity: float = 1.0
    distance: float = 0.0
    reflected: float = ROOM
    atmosphere: float = ROOM
    window: float = ROOM
    window_transmission: float = 1.0
    humidity: float = ROOM_HUMIDITY
    alpha1: float = 0.006569
    alpha2: float = 0.01262
    beta1: float = -0.002276
    beta2: float = -0.00667
    x: float = 1.9


def temperatures(raw: np.ndarray, constants: Constants) -> tuple[np.ndarray | None, list[str]]:
    """Converts an image of counts, uint16 (H, W), to temperatures.

    Impossible constants are replaced by :func:`believed`. Counts too small for any temperature get
    the lowest temperature of the image.

    Returns:
        float32 array (H, W) in °C, or None if the constants give no temperatures; and a line for
        each constant that was not accepted.
    """
    if not _sensor_is_known(constants):
        return None, [
            f"the Planck constants (R1 {constants.r1:g}, R2 {constants.r2:g}, B {constants.b:g}, "
            f"F {constants.f:g}, O {constants.o:g}) are invalid; "
            f"raw counts are used instead of temperatures"
        ]
    constants, notes = believed(constants)
    celsius = _converted(raw, constants)
    if not _plausible(celsius):
        celsius = _converted(
            raw, replace(constants, emissivity=1.0, distance=0.0, window_transmission=1.0)
        )
        if not _plausible(celsius):
            return None, ["the constants give no temperatures; raw counts are used instead"]
        notes.append(
            "the emissivity, distance or window give impossible temperatures; "
            "those of a black body without air in between are used"
        )
    impossible = ~np.isfinite(celsius)
    if impossible.any():
        celsius[impossible] = celsius[~impossible].min()
        notes.append(
            f"{int(impossible.sum())} pixels are colder than the constants allow; "
            f"they get the lowest temperature of the others"
        )
    return celsius, notes


def believed(constants: Constants) -> tuple[Constants, list[str]]:
    """Replaces impossible constants of the scene; also returns a line for each of them.

    Replacements are the factory settings of cameras: emissivity 1, temperatures 20 °C, humidity
    50 %; a distance becomes 0, which ignores the air; a window is ignored. A humidity of 1…100 is
    read as percent. Constants without effect, such as the air at distance 0, are not checked.
    """
    notes: list[str] = []
    changes: dict[str, float] = {}

    def check(name: str, words: str, right: bool, instead: float, unit: str = "") -> None:
        if not right:
            changes[name] = instead
            found = getattr(constants, name)
            notes.append(f"the {words} of {found:g}{unit} is invalid; {instead:g}{unit} is used")

    c = constants
    check("emissivity", "emissivity", LEAST_EMISSIVITY <= c.emissivity <= 1 + 1e-6, 1.0)
    if c.emissivity < 1 and "emissivity" not in changes:
        check("reflected", "reflected temperature", _within(c.reflected, SURROUNDINGS), ROOM, " K")
    check("distance", "distance", 0 <= c.distance <= FARTHEST, 0.0, " m")
    if c.distance > 0 and "distance" not in changes:
        check("atmosphere", "air temperature", _within(c.atmosphere, AIR), ROOM, " K")
        if 1 < c.humidity <= 100:
            changes["humidity"] = c.humidity / 100
            notes.append(f"the humidity of {c.humidity:g} is read as percent")
        else:
            check("humidity", "humidity", 0 <= c.humidity <= 1, ROOM_HUMIDITY)
    w = c.window_transmission
    check("window_transmission", "window transmission", LEAST_TRANSMISSION <= w <= 1 + 1e-6, 1.0)
    if w < 1 and "window_transmission" not in changes:
        check("window", "window temperature", _within(c.window, AIR), ROOM, " K")
    constants = replace(constants, **changes)
    if not LEAST_TRANSMISSION <= transmission(constants) <= 1 + 1e-6:
        notes.append("the constants of the air give an impossible transmission; it is ignored")
        constants = replace(constants, distance=0.0)
    return constants, notes


def transmission(constants: Constants) -> float:
    """The transmission τ of the air by the equation above; NaN if the constants give none."""
    c = constants
    if c.distance == 0:
        return 1.0
    t = c.atmosphere - ZERO_CELSIUS
    try:
        h = c.humidity * math.exp(1.5587 + t * (0.06939 + t * (-0.00027816 + t * 6.8455e-7)))
        d = math.sqrt(c.distance)
        first = math.exp(-d * (c.alpha1 + c.beta1 * math.sqrt(h)))
        second = math.exp(-d * (c.alpha2 + c.beta2 * math.sqrt(h)))
    except (OverflowError, ValueError):
        return math.nan
    return c.x * first + (1 - c.x) * second


def counts(kelvin: float, constants: Constants) -> float:
    """R(T), the counts of a black body; NaN if the constants give none."""
    c = constants
    try:
        return c.r1 / (c.r2 * (math.exp(c.b / kelvin) - c.f)) - c.o
    except (OverflowError, ZeroDivisionError):
        return math.nan


def _converted(raw: np.ndarray, constants: Constants) -> np.ndarray:
    """Temperatures in °C as float32 from a table of all counts; NaN where undefined."""
    c = constants
    tau = transmission(c)
    table = np.arange(int(raw.max()) + 1, dtype=np.float64)
    with np.errstate(all="ignore"):
        if c.window_transmission < 1:
            w = c.window_transmission
            table = (table - (1 - w) * counts(c.window, c)) / w
        if c.emissivity < 1:
            table = table - (1 - c.emissivity) * tau * counts(c.reflected, c)
        if tau < 1:
            table = table - (1 - tau) * counts(c.atmosphere, c)
        signal = table / (c.emissivity * tau) + c.o
        kelvin = c.b / np.log(c.r1 / (c.r2 * signal) + c.f)
        kelvin[(signal <= 0) | ~(kelvin > 0)] = np.nan
        return (kelvin - ZERO_CELSIUS).astype(np.float32)[raw]


def _sensor_is_known(c: Constants) -> bool:
    return (
        0 < c.r1 < 1e9
        and 0 < c.r2 < 1e9
        and _within(c.b, BANDS)
        and 0 <= c.f <= 100
        and abs(c.o) <= 1e6
    )


def _plausible(celsius: np.ndarray) -> bool:
    known = celsius[np.isfinite(celsius)]
    return 2 * known.size > celsius.size and _within(float(np.median(known)), MEDIAN)


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]
