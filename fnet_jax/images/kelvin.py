"""TIFF files of temperatures: 16-bit kelvin × 100 or kelvin × 25, and floats in °C.

Few files declare it. The following evidence is accepted, in this order: the gain that FLIR's
cameras write into XMP (``TlinearGain``); the name of a camera that writes temperatures, if the
values are plausible temperatures at one of the two scales; for thermal cameras in general, and for
files that name no camera, values that kelvin × 100 explains well. Raw 14-bit counts look like
kelvin × 25, which is therefore never assumed without such a camera. Floats are accepted if the
file's name or its tags mention temperatures. A note states what was assumed.
"""

import re

import numpy as np

from fnet_jax.images.frame import CELSIUS, LEVELS, Frame
from fnet_jax.images.strips import by_strips

ZERO = 273.15  # 0 °C in kelvin
PLAUSIBLE = -50.0, 200.0  # °C
STATED = -100.0, 1000.0  # °C, with a gain stated by the file
UNNAMED = -40.0, 120.0  # °C, of a scene in a file that names no camera
SPREAD = 100.0  # °C, of such a scene
PERCENTILES = 0.1, 99.9  # insensitive to a few dead pixels

GAIN = re.compile(r"""TlinearGain\s*(?:>|=\s*["'])\s*([0-9.]+)""")
MODEL = re.compile(r"""cameraModel\s*(?:>|=\s*["'])\s*([^<"']+)""", re.IGNORECASE)
BAND = re.compile(r"BandName.{0,200}?\bLWIR\b", re.DOTALL)
RADIOMETRIC = re.compile(r"\b(Duo (Pro )?R|Vue Pro R|XT ?2|XT R)\b", re.IGNORECASE)
THERMAL = re.compile(
    r"\b(FLIR|Boson|Lepton|Tau ?2|Optris|Workswell|WIRIS|ThermalCapture|InfraTec|VarioCAM|InfiRay|"
    r"HIKMICRO)\b",
    re.IGNORECASE,
)
SPEAKS = re.compile(r"celsius|temperature|thermal|°C|\bdeg ?C\b", re.IGNORECASE)


def celsius(frame: Frame, names: str = "", xmp: str = "", *, says: str = "") -> Frame | None:
    """A TIFF file's image in °C, float32; None unless its values are known to be temperatures.

    Args:
        frame: of the file, as levels.
        names: the camera's maker, model and software.
        xmp: the file's XMP; empty if there is none.
        says: the file's name and description.
    """
    pixels = frame.pixels
    if pixels.ndim != 2 or frame.unit != LEVELS or not pixels.size:
        return None
    with np.errstate(invalid="ignore"):  # infinities fail every range check, and are refused later
        low, high = (float(x) for x in np.percentile(pixels, PERCENTILES))
    if np.issubdtype(pixels.dtype, np.floating):
        if _within((low, high), STATED) and not (low >= 0 and high <= 1) and SPEAKS.search(says):
            return _frame(frame, 1.0, 0.0, "°C (from its name or tags)", scaled=False)
        return None
    if pixels.dtype != np.uint16:
        return None
    if stated := GAIN.search(xmp):
        gain = _number(stated[1])
        if _within((low * gain - ZERO, high * gain - ZERO), STATED):
            return _scaled(frame, gain, f"kelvin × {1 / gain:g} (from its XMP)")
        doubt = f"TlinearGain {stated[1]} gives no plausible temperatures; read as levels"
        return frame.replace(notes=(*frame.notes, doubt))
    camera = " ".join((names, *MODEL.findall(xmp)))
    named = RADIOMETRIC.search(camera) or THERMAL.search(camera) or BAND.search(xmp)
    if named and _within((low / 100 - ZERO, high / 100 - ZERO), PLAUSIBLE):
        return _scaled(frame, 0.01, "kelvin × 100 (from the name of its camera)")
    radiometric = RADIOMETRIC.search(camera)
    if radiometric and _within((low / 25 - ZERO, high / 25 - ZERO), PLAUSIBLE):
        return _scaled(frame, 0.04, f"kelvin × 25 (from its camera, {radiometric[0]})")
    if _within((low / 100 - ZERO, high / 100 - ZERO), UNNAMED) and high - low <= 100 * SPREAD:
        return _scaled(frame, 0.01, "kelvin × 100 (from its values alone)")
    return None


def _scaled(frame: Frame, gain: float, what: str) -> Frame:
    return _frame(frame, gain, ZERO, what, scaled=True)


def _frame(frame: Frame, gain: float, zero: float, what: str, *, scaled: bool) -> Frame:
    """The frame in °C: gain times its values, minus ``zero``."""
    pixels = by_strips(lambda part: (part * gain - zero).astype(np.float32), frame.pixels)
    low, high = float(pixels.min()), float(pixels.max())
    note = f"values are read as {what}: {low:.1f} to {high:.1f} °C"
    return frame.replace(
        pixels=pixels,
        black=frame.black * gain - zero if scaled else low,
        white=frame.white * gain - zero if scaled else high,
        unit=CELSIUS,
        scaled=scaled,
        notes=(*frame.notes, note),
    )


def _within(found: tuple[float, float], allowed: tuple[float, float]) -> bool:
    return allowed[0] <= found[0] and found[1] <= allowed[1]  # False for NaN


def _number(digits: str) -> float:
    try:
        return float(digits)
    except ValueError:  # such as 0.0.4
        return 0.0
