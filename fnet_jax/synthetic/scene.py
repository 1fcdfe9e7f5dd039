"""A scene for two cameras, painted back to front.

Each surface has a color, illumination, texture and temperature. The visible camera sees color times
light; the infrared one sees only temperature, through a softer lens. Thus each camera shows things
that the other cannot.
"""

import copy

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Color = tuple[float, float, float]

AMBIENT = 0.10  # light at night on a surface that no lamp reaches


class Scene:
    """A scene as both cameras see it; all values are roughly in [0, 1].

    Attributes:
        color: reflectance of each pixel, (height, width, 3).
        light: light that falls on each pixel, (height, width).
        heat: temperature of each pixel, (height, width).
    """

    def __init__(
        self,
        height: int,
        width: int,
        seed: int,
        *,
        ambient: float = AMBIENT,
        dtype: type[np.floating] = np.float64,
    ) -> None:
        """Makes an empty, cold scene in ``ambient`` light; ``seed`` determines all randomness.

        float32 is faster to paint; ``night_street`` uses float64.
        """
        self.random = np.random.default_rng(seed)
        self.color = np.zeros((height, width, 3), dtype)
        self.light = np.full((height, width), ambient, dtype)
        self.heat = np.full((height, width), 0.12, dtype)
        self._ambient, self._unit, self._left, self._top = ambient, height, 0, 0

    def window(self, left: float, top: float, right: float, bottom: float) -> "Scene":
        """A view of a box, given in fractions of the scene's height.

        Painting into the window paints into the scene, in the same coordinates, and is cheap for
        small objects. Arrays must be changed in place. The window contains at least one pixel, the
        nearest one if the box lies outside.
        """
        height, width = self.light.shape
        x0, x1 = (p * self._unit - self._left for p in (left, right))
        y0, y1 = (p * self._unit - self._top for p in (top, bottom))
        column = min(max(int(x0) - 1, 0), width - 1)
        row = min(max(int(y0) - 1, 0), height - 1)
        box = np.s_[
            row : min(max(int(y1) + 2, row + 1), height),
            column : min(max(int(x1) + 2, column + 1), width),
        ]
        part = copy.copy(self)
        part.color, part.light, part.heat = self.color[box], self.light[box], self.heat[box]
        part._left, part._top = self._left + column, self._top + row
        return part

    def paint(
        self,
        mask: np.ndarray,
        color: Color | None,
        *,
        heat: float | None,
        rough: float = 0.0,
        grain: int = 6,
        relief: float = 0.0,
    ) -> None:
        """Covers the pixels of ``mask``, (height, width) in [0, 1], with an unlit surface.

        Args:
            mask: fraction of each pixel that the surface covers; (1, 1) for all pixels.
            color: red, green and blue reflectance; None for that of the background, so that the
                visible camera does not see the surface.
            heat: temperature; None for that of the background.
            rough: strength of the texture, which the infrared camera hardly sees.
            grain: size of the texture's spots in pixels.
            relief: excess temperature of the bright spots of the texture.
        """
        spots = self.noise(grain)
        if color is not None:
            surface = (1 + rough * spots)[..., None] * np.array(color, self.color.dtype)
            np.clip(surface, 0, 1, out=surface)
            surface -= self.color
            surface *= mask[..., None]
            self.color += surface
            self.light += mask * (self._ambient - self.light)
        if heat is not None:
            warmth = heat + relief * spots + 0.05 * rough * self.noise(2 * grain)
            self.heat += mask * (warmth - self.heat)

    def shine(self, center: tuple[float, float], radius: float, strength: float) -> None:
        """Adds a lamp's light around ``center`` (y, x), all in fractions of the height."""
        height, width = self.light.shape
        y, x = np.ogrid[:height, :width]
        y, x = (y + self._top) / self._unit, (x + self._left) / self._unit
        distance = np.hypot(y - center[0], x - center[1]) / radius
        self.light += strength / (1 + 4 * distance**2)

    def mask(self, kind: str, *points: float) -> np.ndarray:
        """A filled ``"rectangle"``, ``"ellipse"`` or ``"polygon"``, (height, width) in [0, 1].

        Args:
            kind: the shape.
            points: x, y, x, y, … in fractions of the scene's height.
        """
        height, width = self.light.shape
        image = Image.new("L", (4 * width, 4 * height))
        start = (4 * self._left, 4 * self._top)
        corners = [4 * self._unit * p - start[i % 2] for i, p in enumerate(points)]
        getattr(ImageDraw.Draw(image), kind)(corners, fill=255)
        return np.asarray(
            image.resize((width, height), Image.Resampling.BOX)
        ) / self.heat.dtype.type(255)

    def noise(self, grain: int) -> np.ndarray:
        """Smooth noise of about unit variance with spots of ``grain`` pixels."""
        height, width = self.light.shape
        coarse = self.random.normal(size=(height // grain + 2, width // grain + 2))
        image = Image.fromarray(coarse.astype(np.float32))
        return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))

    def photographs(
        self, *, noise: tuple[float, float] = (0.012, 0.008), blur: float = 0.8
    ) -> tuple[np.ndarray, np.ndarray]:
        """The visible image, uint8 (height, width, 3), and the infrared one, uint8.

        Args:
            noise: standard deviation of each camera's noise, as a fraction of white.
            blur: softness of the infrared lens in pixels.
        """
        dark = -1.6 * self.color
        dark *= self.light[..., None]
        visible = 1 - np.exp(dark, out=dark)
        visible += self._noise(visible.shape, noise[0])
        infrared = self.heat + self._noise(self.heat.shape, noise[1])
        soft = Image.fromarray(_levels(infrared)).filter(ImageFilter.GaussianBlur(blur))
        return _levels(visible), np.asarray(soft)

    def _noise(self, shape: tuple[int, ...], scale: float) -> np.ndarray:
        noise = self.random.standard_normal(shape, dtype=self.heat.dtype.type)
        noise *= scale
        return noise


def _levels(unit: np.ndarray) -> np.ndarray:
    levels = np.clip(unit, 0, 1)
    levels *= 255
    return np.rint(levels, out=levels).astype(np.uint8)
