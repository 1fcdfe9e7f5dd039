"""Made-up folders in the layouts of the sets."""

import numpy as np

from fnet_jax import images

CLASSES = 9


def scene(rng, height=32, width=40):
    """Visible, infrared and class image: a bright warm person (2) and a dark car (1) at random."""
    labels = np.zeros((height, width), np.uint8)
    top, left = rng.integers(2, height - 14), rng.integers(2, width // 2 - 12)
    labels[top : top + 12, left : left + 8] = 2
    top, left = rng.integers(2, height - 10), rng.integers(width // 2, width - 14)
    labels[top : top + 8, left : left + 12] = 1
    visible = rng.integers(80, 110, (height, width, 3)).astype(np.uint8)
    infrared = rng.integers(80, 110, (height, width)).astype(np.uint8)
    visible[labels == 1] //= 3  # only the visible camera sees the car,
    infrared[labels == 2] += 120  # only the infrared one the person
    return visible, infrared, labels


def msrs(folder, train=6, test=4):
    """MSRS with class images, 40 wide and 32 high; returns the folder."""
    rng = np.random.default_rng(0)
    number = 0
    for split, count in (("train", train), ("test", test)):
        for kind in ("vi", "ir", "labels"):
            (folder / split / kind).mkdir(parents=True)
        for _ in range(count):
            number += 7
            name = f"{number:05}D.png"
            for kind, image in zip(("vi", "ir", "labels"), scene(rng), strict=True):
                images.write(folder / split / kind / name, image)
    return folder
