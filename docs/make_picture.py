"""Draws the picture at the top of the README: ``python -m docs.make_picture``."""

from pathlib import Path

import numpy as np

from fnet_jax import Fuser, images
from fnet_jax.synthetic import night_street

PICTURE = Path(__file__).with_name("night_street.png")


def main() -> None:
    """Fuses a made-up street and writes visible, infrared and fused image side by side."""
    visible, infrared = night_street(320, 420, seed=1)
    fused = Fuser.pretrained().fuse(visible, infrared)
    gap = np.full((len(visible), 6, 3), 255, np.uint8)
    panels = [visible, gap, np.stack([infrared] * 3, axis=2), gap, fused]
    images.write(PICTURE, np.concatenate(panels, axis=1), overwrite=True)
    print(PICTURE)


if __name__ == "__main__":
    main()
