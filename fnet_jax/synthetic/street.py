"""A street at night, for the picture in the README."""

import numpy as np

from fnet_jax.synthetic.scene import Scene


def night_street(
    height: int = 240, width: int = 320, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """A street at night: lamps and windows for one camera, people and an engine for the other.

    Args:
        height: of the images in pixels, at least 16.
        width: of the images in pixels, at least 16; the street fills about 4/3 of the height.
        seed: determines textures, noise, windows and the positions of people.

    Returns:
        The visible image, uint8 (height, width, 3), and the infrared one, uint8 (height, width).
    """
    scene = Scene(height, width, seed)
    random, mask, right = scene.random, scene.mask, width / height
    scene.paint(mask("rectangle", 0, 0, right, 0.62), (0.16, 0.2, 0.35), heat=0.06)
    _houses(scene, right)
    scene.paint(
        mask("rectangle", 0, 0.62, right, 1), (0.34, 0.34, 0.36), heat=0.27, rough=0.15, grain=3
    )
    for x in np.arange(-0.1, right, 0.28):  # lane marks: paint is as warm as the road
        scene.paint(
            mask("polygon", x, 0.86, x + 0.14, 0.86, x + 0.12, 0.89, x - 0.02, 0.89),
            (0.9, 0.9, 0.85),
            heat=0.28,
        )
    for x in (0.12, 0.93):  # trees, cooler than the walls
        scene.paint(mask("rectangle", x - 0.012, 0.4, x + 0.012, 0.66), (0.3, 0.2, 0.12), heat=0.22)
        crown = mask("ellipse", x - 0.11, 0.2, x + 0.11, 0.5)
        scene.paint(crown, (0.2, 0.42, 0.16), heat=0.17, rough=0.5, grain=4)
    _car(scene, 0.62)
    for _ in range(3):
        _person(scene, x=random.uniform(0.08, right - 0.08), tall=random.uniform(0.2, 0.3))
    lamp = (0.14, 0.55)
    scene.paint(mask("rectangle", 0.545, 0.14, 0.555, 0.68), (0.3, 0.3, 0.3), heat=0.3)
    scene.paint(mask("ellipse", 0.525, 0.115, 0.575, 0.165), (1, 0.95, 0.8), heat=0.75)
    scene.shine(lamp, 0.22, 1.4)
    scene.shine((0.75, 0.42), 0.12, 0.6)  # the cone of the car's headlights
    return scene.photographs()


def _houses(scene: Scene, right: float) -> None:
    x = -0.05
    while x < right:
        wide, top = scene.random.uniform(0.25, 0.4), scene.random.uniform(0.08, 0.3)
        brick = (0.5, scene.random.uniform(0.25, 0.45), 0.28)
        wall = scene.mask("rectangle", x, top, x + wide, 0.64)
        scene.paint(wall, brick, heat=scene.random.uniform(0.3, 0.42), rough=0.25, grain=2)
        for left in np.arange(x + 0.04, x + wide - 0.07, 0.085):
            for above in np.arange(top + 0.05, 0.5, 0.13):
                pane = scene.mask("rectangle", left, above, left + 0.045, above + 0.07)
                lit = scene.random.uniform() < 0.35
                scene.paint(pane, (1, 0.85, 0.5) if lit else (0.1, 0.12, 0.16), heat=0.5)
                scene.light += 2.2 * pane if lit else 0
        x += wide


def _car(scene: Scene, x: float) -> None:
    body = scene.mask("rectangle", x, 0.68, x + 0.42, 0.8)
    roof = scene.mask("polygon", x + 0.08, 0.69, x + 0.14, 0.6, x + 0.3, 0.6, x + 0.37, 0.69)
    glass = scene.mask("polygon", x + 0.11, 0.69, x + 0.15, 0.62, x + 0.29, 0.62, x + 0.33, 0.69)
    scene.paint(np.maximum(body, roof), (0.55, 0.08, 0.08), heat=0.36)
    scene.paint(glass, (0.1, 0.13, 0.16), heat=0.22)
    scene.paint(scene.mask("ellipse", x, 0.69, x + 0.16, 0.79), (0.55, 0.08, 0.08), heat=0.8)
    for wheel in (x + 0.09, x + 0.33):
        tyre = scene.mask("ellipse", wheel - 0.04, 0.76, wheel + 0.04, 0.84)
        scene.paint(tyre, (0.06, 0.06, 0.06), heat=0.62)
    lamp = scene.mask("ellipse", x - 0.005, 0.71, x + 0.025, 0.745)
    scene.paint(lamp, (1, 1, 0.9), heat=0.6)
    scene.light += 2.5 * lamp


def _person(scene: Scene, x: float, tall: float) -> None:
    foot = 0.7 + 0.5 * (tall - 0.2) * 2
    red, green, blue = scene.random.uniform(0.04, 0.16, 3)
    coat = (red, green, blue)
    top = foot - tall
    legs = scene.mask("polygon", x - 0.13 * tall, foot, x, foot - 0.5 * tall, x + 0.13 * tall, foot)
    trunk = scene.mask(
        "ellipse", x - 0.14 * tall, top + 0.14 * tall, x + 0.14 * tall, foot - 0.4 * tall
    )
    head = scene.mask("ellipse", x - 0.075 * tall, top, x + 0.075 * tall, top + 0.17 * tall)
    scene.paint(legs, coat, heat=0.68)
    scene.paint(trunk, coat, heat=0.78)
    scene.paint(head, (0.5, 0.36, 0.28), heat=0.95)
