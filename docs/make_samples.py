"""Draws the sample pairs that are shipped: ``python -m docs.make_samples``."""

from pathlib import Path

import numpy as np

from fnet_jax import images
from fnet_jax.pairs.match import SAMPLES
from fnet_jax.synthetic import night_street, phantom


def drawn() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """I1 and I2 of each pair by its name."""
    return {
        "synthetic_night_street": night_street(240, 320, seed=1),
        "synthetic_ct_mri": phantom(seed=3, kind="ct"),
        "synthetic_pet_mri": phantom(seed=5, kind="pet"),
    }


def main(folder: Path = SAMPLES) -> None:
    """Writes them as PNG files into ``I1/`` and ``I2/`` of a folder, and prints their paths."""
    for name, pair in drawn().items():
        for kind, image in zip(("I1", "I2"), pair, strict=True):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            images.write(folder / kind / f"{name}.png", image, overwrite=True)
            print(folder / kind / f"{name}.png")


if __name__ == "__main__":
    main()
