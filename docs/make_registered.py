"""Draws the picture of docs/registration.md: ``python -m docs.make_registered``."""

from pathlib import Path

import numpy as np

from fnet_jax import Fuser, images, registration
from fnet_jax.fusing.registering import Registering, blended
from fnet_jax.registration.resampling import warped
from fnet_jax.registration.transforms import centered
from fnet_jax.synthetic import night_street

PICTURE = Path(__file__).with_name("registered.png")
SIZE = (250, 300)  # of the infrared camera
TURN, SCALE = np.radians(2.5), 0.85  # of it against the visible camera


def main() -> None:
    """Fuses a made-up street that two cameras see, before and after they are registered."""
    visible, street = night_street(320, 420, seed=1)
    c, s = SCALE * np.cos(TURN), SCALE * np.sin(TURN)
    matrix = np.array([[c, -s, -12], [s, c, -22], [0, 0, 1]])
    camera = warped(street.astype(np.float32), np.linalg.inv(matrix), SIZE)
    infrared = np.clip(np.rint(camera), 0, 255).astype(np.uint8)
    found = registration.estimate(visible, infrared)
    start = registration.Registration(
        centered(visible.shape[:2], SIZE), True, 0, 0, "start", "", visible.shape[:2], SIZE
    )
    fuser, panels = Fuser.pretrained(), [visible, np.zeros_like(visible)]
    panels[1][: SIZE[0], : SIZE[1]] = infrared[..., None]
    for each in (start, found):
        laid = Registering().lay(each, visible, infrared)
        panels.append(blended(fuser.fuse(laid.i1, laid.i2), visible, laid.weight))
    gap = np.full((len(visible), 6, 3), 255, np.uint8)
    row = [part for panel in panels for part in (gap, panel)][1:]
    images.write(PICTURE, np.concatenate(row, axis=1), overwrite=True)
    print(PICTURE, f"(expected error {found.expected_error:.2f} pixels)")


if __name__ == "__main__":
    main()
