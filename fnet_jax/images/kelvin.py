"""TIFF files whose values are temperatures: 16 bits of kelvin × 100 or × 25, and floats of °C.

Few of them state it. What is believed, in this order: the gain that FLIR's cameras write into XMP
(``TlinearGain``); the name of a thermal camera, with values that are temperatures by one of the two
scales; values that nothing but kelvin × 100 explains well. Raw counts of 14 bits look like
kelvin × 25, which is therefore never assumed without a name. A note states what was assumed.
"""

import re

import numpy as np

from fnet_jax.images.frame import CELSIUS, LEVELS, Frame
from fnet_jax.images.strips import by_strips

ZERO = 273.15  # °C in kelvin
SCALES = (100, 25)  # counts per kelvin
PLAUSIBLE = -50.0, 200.0  # °C
STATED = -100.0, 1000.0  # °C, by a gain that the file states
SPREAD = 150.0  # °C, of a scene in a file that names no camera
FLOATS = -100.0, 150.0  # °C
BACKGROUND = 0.01  # share of exact zeros that a computed image has and a measured one has not
PERCENTILES = 0.1, 99.9  # that a few broken pixels do not move

GAIN = re.compile(rb"""TlinearGain\s*(?:>|=\s*["'])\s*([0-9.]+)""")
CAMERAS = re.compile(
    r"\b(FLIR|Duo (Pro )?R|Vue Pro R|XT ?2|XT R|Zenmuse|DJI|Boson|Lepton|Tau ?2|Optris|LWIR|Altum|"
    r"Workswell|WIRIS|TeAx|ThermalCapture|InfraTec|VarioCAM|Autel|InfiRay|HIKMICRO|Testo|Fluke)\b",
    re.IGNORECASE,
)


def celsius(frame: Frame, names: str = "", xmp: bytes = b"") -> Frame | None:
    """A TIFF file's image in °C, float32; None where its values are not known to be temperatures.

    Args:
        frame: of the file, as levels.
        names: what it says of its camera: maker, model, software, description.
        xmp: its XMP, empty where it has none.
    """
    pixels = frame.pixels
    if pixels.ndim != 2 or frame.unit != LEVELS or not pixels.size:
        return None
    if np.issubdtype(pixels.dtype, np.floating):
        return _of_floats(frame)
    if pixels.dtype != np.uint16:
        return None
    low, high = (float(x) for x in np.percentile(pixels, PERCENTILES))
    if stated := GAIN.search(xmp):
        gain = _number(stated[1])
        if _within((low * gain - ZERO, high * gain - ZERO), STATED):
            return _scaled(frame, gain, f"kelvin × {1 / gain:g}, as its XMP states")
        doubt = f"its TlinearGain of {stated[1].decode()} gives no temperatures: counts as levels"
        return frame.replace(notes=(*frame.notes, doubt))
    named = CAMERAS.search(f"{names} {xmp.decode('utf-8', 'replace')}")
    for scale in SCALES:
        if not _within((low / scale - ZERO, high / scale - ZERO), PLAUSIBLE):
            continue
        if named:
            why = f"as it names a thermal camera ({named[0]})"
            return _scaled(frame, 1 / scale, f"kelvin × {scale}, {why}")
        extent = float(pixels.min()) / scale - ZERO, float(pixels.max()) / scale - ZERO
        if scale == 100 and _within(extent, PLAUSIBLE) and extent[1] - extent[0] <= SPREAD:
            return _scaled(frame, 1 / scale, f"kelvin × {scale}, by its values alone")
    return None


def _of_floats(frame: Frame) -> Frame | None:
    pixels = frame.pixels
    low, high = float(pixels.min()), float(pixels.max())
    if not _within((low, high), FLOATS) or (low >= 0 and high <= 1):
        return None
    whole = bool((pixels == np.rint(pixels)).all())
    if whole or (pixels == 0).mean() > BACKGROUND:
        return None
    return _frame(frame, 1.0, 0.0, "°C, by its values alone", scaled=False)


def _scaled(frame: Frame, gain: float, what: str) -> Frame:
    return _frame(frame, gain, ZERO, what, scaled=True)


def _frame(frame: Frame, gain: float, zero: float, what: str, *, scaled: bool) -> Frame:
    """The frame in °C: gain times its values, less the zero of °C in them."""
    pixels = by_strips(lambda part: (part * gain - zero).astype(np.float32), frame.pixels)
    low, high = float(pixels.min()), float(pixels.max())
    note = f"its values are taken for {what}: {low:.1f} to {high:.1f} °C"
    return frame.replace(
        pixels=pixels,
        black=frame.black * gain - zero if scaled else low,
        white=frame.white * gain - zero if scaled else high,
        unit=CELSIUS,
        scaled=scaled,
        notes=(*frame.notes, note),
    )


def _within(found: tuple[float, float], allowed: tuple[float, float]) -> bool:
    return allowed[0] <= found[0] and found[1] <= allowed[1]  # False of NaN


def _number(digits: bytes) -> float:
    try:
        return float(digits)
    except ValueError:  # such as 0.0.4
        return 0.0
