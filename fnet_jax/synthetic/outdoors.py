"""Random visible and infrared pairs for training without a data set: drawn, not measured.

Levels are similar to those of MSRS: half the scenes are at night, and the infrared image is dark
except for a few warm objects. Edges are denser: over 100 seeds, the median of the mean gradient is
1.8 times that of MSRS in the visible image and 1.4 times in the infrared one.
"""

from dataclasses import dataclass, replace

import numpy as np

from fnet_jax.synthetic.scene import Color, Scene

_WHOLE = np.ones((1, 1), np.float32)  # the mask that covers all of a window


@dataclass(frozen=True)
class _Surface:
    """Arguments of ``Scene.paint``, and ``glow``, the light that the surface emits."""

    color: Color | None
    heat: float | None
    rough: float = 0.0
    grain: int = 4
    relief: float = 0.0
    glow: float = 0.0


def random_scene(
    height: int = 256, width: int = 256, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """A random scene, by day or night, in front of a street, a wall or trees.

    It has five to twenty objects, whose temperature is independent of their brightness. Some have
    the temperature or the color of their background, so that only one camera sees them.

    Args:
        height: of the images in pixels, at least 16.
        width: of the images in pixels, at least 16.
        seed: determines everything.

    Returns:
        The visible image, uint8 (height, width, 3), and the infrared one, uint8 (height, width).
    """
    dice = np.random.default_rng([seed, 1])  # separate from the scene's own, which textures use
    night = dice.random() < 0.5
    ambient = float(np.exp(dice.uniform(*np.log((0.01, 0.12) if night else (0.3, 1.1)))))
    scene = Scene(height, width, seed, ambient=ambient, dtype=np.float32)
    right = width / height
    backdrop = (_street, _street, _wall, _trees)[dice.integers(4)]
    backdrop(scene, dice, right, night)
    for _ in range(dice.integers(5, 21)):
        _object(scene, dice, right, night)
    lamps = dice.integers(0, 5) if night else 0
    for _ in range(lamps):
        _lamp(scene, dice, right)
    y, x = np.ogrid[:height, :width]
    y, x = y / height - 0.5, x / height - 0.5
    slope, tilt = dice.normal(size=2), dice.normal(size=2)
    scene.light *= np.exp(0.35 * (slope[0] * y + slope[1] * x))
    scene.color *= dice.normal((1, 1.04, 0.96) if night else 1, 0.04, 3)  # white balance
    scene.heat += 0.03 * (tilt[0] * y + tilt[1] * x)
    gain, gamma = dice.uniform(0.55, 1.1), dice.uniform(0.9, 1.9)
    scene.heat[:] = 0.03 * dice.random() + gain * np.maximum(scene.heat, 0) ** gamma
    if dice.random() < 0.04:  # cameras that show cold as white
        scene.heat[:] = 0.8 - 0.9 * scene.heat
    noise = (dice.uniform(0.002, 0.018 if night else 0.01), dice.uniform(0.003, 0.015))
    return scene.photographs(noise=noise, blur=dice.uniform(0.4, 1.2))


def _draw(scene: Scene, surface: _Surface, kind: str, *points: float) -> tuple[Scene, np.ndarray]:
    """Paints a shape of ``Scene.mask``; returns its bounding box and its mask within."""
    x, y = points[::2], points[1::2]
    part = scene.window(min(x), min(y), max(x), max(y))
    mask = part.mask(kind, *points)
    _cover(part, mask, surface)
    return part, mask


def _cover(part: Scene, mask: np.ndarray, surface: _Surface) -> None:
    part.paint(
        mask,
        surface.color,
        heat=surface.heat,
        rough=surface.rough,
        grain=surface.grain,
        relief=surface.relief,
    )
    if surface.glow and surface.color is not None:
        part.light += surface.glow * mask


def _grey(dice: np.random.Generator, low: float, high: float, tint: float = 0.06) -> Color:
    red, green, blue = np.clip(dice.uniform(low, high) * dice.normal(1, tint, 3), 0.02, 1)
    return red, green, blue


def _stripes(length: int, pitch: float, share: float, phase: float) -> tuple[np.ndarray, ...]:
    """Bars that cover ``share`` of each pitch (pixels): coverage and index of each pixel."""
    place = (np.arange(length) + 0.5) / pitch + phase
    cover = np.clip(0.5 + pitch * (share / 2 - np.abs(place % 1 - 0.5)), 0, 1)
    return cover, place.astype(int)


def _windows(part: Scene, dice: np.random.Generator, night: bool) -> None:
    """Rows of windows on the wall that fills ``part``; at night some are lit."""
    height, width = part.light.shape
    pitch = max(4.0, min(height, width) / dice.uniform(2, 7))
    down, row = _stripes(height, pitch * dice.uniform(0.9, 1.6), dice.uniform(0.4, 0.6), 0)
    along, column = _stripes(width, pitch, dice.uniform(0.4, 0.7), dice.random())
    glass = np.outer(down, along)
    pane = dice.random((row[-1] + 1, column[-1] + 1))[row][:, column]
    color = (1.0, 0.88, 0.6) if night else _grey(dice, 0.05, 0.35)
    _cover(part, glass, _Surface(color, float(dice.uniform(0.15, 0.45))))
    part.heat += 0.12 * glass * (pane - 0.5)
    if night:
        part.light += 2 * glass * (pane > dice.uniform(0.6, 1.1)) * pane
    else:
        part.light *= 1 - 0.6 * glass * pane


def _ground(scene: Scene, dice: np.random.Generator, right: float, horizon: float) -> None:
    road = _Surface(
        _grey(dice, 0.2, 0.6, 0.03),
        float(dice.uniform(0.1, 0.28)),
        rough=float(dice.uniform(0.02, 0.13)),
        grain=int(dice.integers(1, 4)),
        relief=float(dice.uniform(0, 0.012)),
    )
    part = scene.window(0, horizon, right, 1)
    _cover(part, _WHOLE, road)
    part.light *= 1 + 0.15 * part.noise(max(2, len(part.light) // 3))  # wet, worn, repaired
    vanish = dice.uniform(0, right)
    paint = _Surface(_grey(dice, 0.7, 1, 0.03), None, rough=0.08)
    for _ in range(dice.integers(0, 4)):
        foot, broad = dice.uniform(-0.5, right + 0.5), dice.uniform(0.02, 0.07)
        far = dice.uniform(0, 0.6)  # how far from the horizon the mark ends
        end, y = vanish + far * (foot - vanish), horizon + far * (1 - horizon)
        _draw(scene, paint, "polygon", foot, 1, foot + broad, 1, end + far * broad, y, end, y)


def _sky(
    scene: Scene, dice: np.random.Generator, right: float, horizon: float, night: bool
) -> None:
    blue = dice.uniform(0.3, 0.9)
    cold = _Surface((blue, 0.85 * blue + 0.14, 0.98), float(dice.uniform(0, 0.1)))
    part = scene.window(0, 0, right, horizon)
    _cover(part, _WHOLE, replace(cold, rough=0.04, grain=40))
    ramp = np.linspace(0, 1, len(part.light))[:, None]
    part.light *= dice.uniform(0.1, 1) if night else 1.2 + dice.uniform(0, 2) * ramp
    part.heat += 0.06 * ramp


def _street(scene: Scene, dice: np.random.Generator, right: float, night: bool) -> None:
    horizon = dice.uniform(0.35, 0.65)
    _sky(scene, dice, right, horizon, night)
    x = -dice.uniform(0, 0.3)
    while x < right:
        wide, top = dice.uniform(0.2, 0.6), horizon * dice.uniform(0, 0.9)
        wall = _Surface(
            _grey(dice, 0.2, 0.75),
            float(dice.uniform(0.12, 0.32)),
            rough=float(dice.uniform(0.03, 0.2)),
            grain=int(dice.integers(1, 5)),
            relief=float(dice.uniform(0, 0.015)),
        )
        kind = dice.random()
        if kind < 0.65:
            part = scene.window(x, top, x + wide, horizon)
            _cover(part, _WHOLE, wall)
            part.light *= dice.uniform(0.5, 1.3)  # which way the front faces
            if dice.random() < 0.8:
                _windows(part, dice, night)
        elif kind < 0.9:
            _tree(scene, dice, x + wide / 2, horizon, horizon - top)
        x += wide * dice.uniform(0.7, 1.2)
    _ground(scene, dice, right, horizon)


def _wall(scene: Scene, dice: np.random.Generator, right: float, night: bool) -> None:
    wall = _Surface(
        _grey(dice, 0.2, 0.75, 0.1),
        float(dice.uniform(0.12, 0.3)),
        rough=float(dice.uniform(0.05, 0.25)),
        grain=int(dice.integers(1, 6)),
        relief=float(dice.uniform(0, 0.02)),
    )
    _cover(scene, _WHOLE, wall)
    joints = 1 - _stripes(len(scene.light), dice.uniform(5, 24), 0.85, 0)[0]
    scene.light *= 1 - dice.uniform(0, 0.5) * joints[:, None]
    scene.heat += dice.uniform(-0.02, 0.02) * joints[:, None]
    if dice.random() < 0.6:
        x, y = dice.uniform(0, 0.5 * right), dice.uniform(0, 0.4)
        _windows(scene.window(x, y, x + 0.5 * right, y + 0.5), dice, night)
    if dice.random() < 0.7:
        _ground(scene, dice, right, dice.uniform(0.6, 0.9))


def _trees(scene: Scene, dice: np.random.Generator, right: float, night: bool) -> None:
    horizon = dice.uniform(0.4, 0.7)
    _sky(scene, dice, right, horizon, night)
    for _ in range(dice.integers(3, 7)):
        _tree(scene, dice, dice.uniform(0, right), horizon + 0.03, dice.uniform(0.2, 0.7))
    _ground(scene, dice, right, horizon)


def _tree(scene: Scene, dice: np.random.Generator, x: float, foot: float, tall: float) -> None:
    heat = float(dice.uniform(0.1, 0.25))
    trunk = 0.04 * tall
    bark = _Surface((0.25, 0.2, 0.15), heat + 0.08, rough=0.3, grain=2, relief=0.01)
    _draw(scene, bark, "polygon", x - trunk, foot, x + trunk, foot, x, foot - 0.8 * tall)
    wide = tall * dice.uniform(0.3, 0.7)
    part = scene.window(x - wide, foot - 1.1 * tall, x + wide, foot - 0.2 * tall)
    height, width = part.light.shape
    v, u = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    grain = int(dice.integers(2, 5))
    bumps = part.noise(4 * grain) + part.noise(grain)
    crown = np.clip(0.5 + 3 * (0.75 - u**2 - v**2 + 0.25 * bumps), 0, 1)
    green = dice.uniform(0.15, 0.45)
    leaves = (green * dice.uniform(0.5, 1.5), green, green * dice.uniform(0.2, 0.6))
    _cover(part, crown, _Surface(leaves, heat, rough=0.5, grain=grain, relief=0.02))
    part.light *= 1 - crown * np.clip(0.3 * bumps + 0.3 * v, -0.5, 0.8)  # leaves shade leaves


def _object(scene: Scene, dice: np.random.Generator, right: float, night: bool) -> None:
    """Draws a random object: its surface first, then its shape and place."""
    size = float(np.exp(dice.uniform(np.log(0.035), np.log(0.4))))
    x, y = dice.uniform(0, right), dice.uniform(0.15, 1)
    seen = dice.random()  # which cameras see it: below 0.25 visible only, above 0.8 infrared only
    warm = dice.random() < 0.35
    heat = dice.uniform(0.4, 1) if warm else dice.uniform(0.04, 0.32)
    color = _grey(dice, 0.03, 0.9, 0.06 if dice.random() < 0.7 else 0.5)
    surface = _Surface(
        None if seen > 0.8 else color,
        None if seen < 0.25 else float(heat),
        rough=float(dice.choice((0.02, 0.1, 0.3))),
        grain=int(dice.integers(1, 6)),
        relief=float(dice.choice((0, 0, 0.02))),
        glow=float(dice.uniform(0.3, 2)) if night and dice.random() < 0.15 else 0.0,
    )
    shape = dice.integers(8)
    if shape == 0:
        _person(scene, dice, x, min(y + size / 2, 1), max(size, 0.12), surface)
        return
    if shape == 1:
        _fence(scene, dice, x, y, size, surface)
        return
    wide = size * np.exp(dice.uniform(-0.7, 0.7))
    if shape in (2, 3):
        points = [x - wide / 2, y - size / 2, x + wide / 2, y + size / 2]
        kind = "rectangle" if shape == 2 else "ellipse"
    elif shape in (4, 5):
        turn = np.sort(dice.uniform(0, 2 * np.pi, dice.integers(3, 8)))
        corners = np.stack([x + wide / 2 * np.cos(turn), y + size / 2 * np.sin(turn)], axis=1)
        points, kind = corners.ravel().tolist(), "polygon"
    else:  # a pole, a rail or a wire
        turn = dice.choice((0, np.pi / 2, dice.uniform(0, np.pi)))
        along = np.array([np.cos(turn), np.sin(turn)]) * dice.uniform(0.1, 0.5)
        across = np.array([-np.sin(turn), np.cos(turn)]) * dice.uniform(0.002, 0.012)
        ends = [along + across, along - across, -along - across, -along + across]
        points, kind = (np.array([x, y]) + np.stack(ends)).ravel().tolist(), "polygon"
    if not night and surface.color and dice.random() < 0.4:
        drop = (0.3 * size, 0.1 * size) * (len(points) // 2)
        _shadow(scene, kind, [p + d for p, d in zip(points, drop, strict=True)])
    _shade(*_draw(scene, surface, kind, *points), dice, surface)


def _shade(part: Scene, mask: np.ndarray, dice: np.random.Generator, surface: _Surface) -> None:
    """Varies light and heat over an object, each in its own direction."""
    height, width = mask.shape
    v, u = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    a, b, c, d = dice.normal(size=4)
    if surface.color is not None:
        part.light *= 1 + mask * np.clip(0.25 * (a * u + b * v), -0.7, 0.7)
    if surface.heat is not None:
        part.heat *= 1 + mask * np.clip(0.15 * (c * u + d * v), -0.5, 0.5)


def _shadow(scene: Scene, kind: str, points: list[float]) -> None:
    part = scene.window(min(points[::2]), min(points[1::2]), max(points[::2]), max(points[1::2]))
    part.light *= 1 - 0.5 * part.mask(kind, *points)


def _person(
    scene: Scene, dice: np.random.Generator, x: float, foot: float, tall: float, dress: _Surface
) -> None:
    """Draws a standing or walking person; ``dress`` gives the coat its color."""
    heat = float(dice.uniform(0.5, 0.9))
    coat = _Surface(dress.color or _grey(dice, 0.03, 0.2), heat, rough=0.15, grain=3, relief=0.04)
    legs = replace(coat, color=_grey(dice, 0.03, 0.4), heat=0.85 * heat)
    top, step = foot - tall, dice.uniform(0.02, 0.16) * tall
    hip, knee, toe = top + 0.48 * tall, 0.05 * tall, 0.035 * tall
    for side in (-step, step):
        points = (x - knee, hip, x + knee, hip, x + side + toe, foot, x + side - toe, foot)
        _draw(scene, legs, "polygon", *points)
    swing = dice.uniform(0.08, 0.18) * tall
    for side in (-swing, swing):
        start = (x - 0.03 * tall, top + 0.19 * tall, x + 0.03 * tall, top + 0.19 * tall)
        end = (x + side + 0.02 * tall, top + 0.52 * tall, x + side - 0.02 * tall, top + 0.52 * tall)
        _draw(scene, coat, "polygon", *start, *end)
    trunk = (x - 0.11 * tall, top + 0.14 * tall, x + 0.11 * tall, top + 0.55 * tall)
    _draw(scene, coat, "ellipse", *trunk)
    face = _Surface((0.55, 0.4, 0.32), min(1.0, heat + 0.12))
    _draw(scene, face, "ellipse", x - 0.06 * tall, top, x + 0.06 * tall, top + 0.15 * tall)


def _fence(
    scene: Scene, dice: np.random.Generator, x: float, y: float, size: float, surface: _Surface
) -> None:
    """Draws a railing, a grille or a crosswalk: bars, mostly upright."""
    wide, tall = dice.uniform(1, 3) * size, dice.uniform(0.3, 1) * size
    part = scene.window(x - wide, y - tall / 2, x + wide, y + tall / 2)
    height, width = part.light.shape
    pitch = dice.uniform(4, 16)
    bars = np.tile(_stripes(width, pitch, dice.uniform(0.15, 0.5), 0)[0], (height, 1))
    if dice.random() < 0.6:
        rails = _stripes(height, max(4.0, height / 2), 0.15, 0.5)[0]
        bars = np.maximum(bars, rails[:, None])
    _cover(part, bars, surface)


def _lamp(scene: Scene, dice: np.random.Generator, right: float) -> None:
    x, y, size = dice.uniform(0, right), dice.uniform(0.05, 0.7), dice.uniform(0.006, 0.03)
    heat = float(dice.uniform(0.2, 0.9))
    bulb = _Surface((1.0, 0.95, float(dice.uniform(0.5, 1))), heat, glow=4.0)
    _draw(scene, bulb, "ellipse", x - size, y - size, x + size, y + size)
    scene.shine((y, x), dice.uniform(0.05, 0.35), dice.uniform(0.3, 2.5))
