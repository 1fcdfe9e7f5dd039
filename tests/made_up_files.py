"""Image files of noise and of made-up scenes, whole and damaged."""

import numpy as np

from fnet_jax import images
from fnet_jax.scoring.run import score
from fnet_jax.synthetic import random_scene

FEW = ("MI", "CE", "MSE")  # metrics which take a millisecond


def drawn(rng, folder, *names, size=(48, 40)):
    """Writes an image of noise to each name in a folder, no two alike; returns the folder."""
    folder.mkdir(exist_ok=True)
    for name in names:
        images.write(folder / name, rng.integers(0, 256, size, np.uint8), overwrite=True)
    return folder


def cut(path):
    """Leaves of a file what a copy that was stopped leaves."""
    path.write_bytes(path.read_bytes()[:60])
    return path


def picture(seed, height=9, width=12):
    """I1 (height, width, 3) and I2 (height, width) of a made-up pair."""
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
    return levels[..., :3], levels[..., 3]


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, array, overwrite=True)


def source_of(folder, count=3, *, suffix=".png"):
    """A folder with I1/ and I2/ of pairs of several sizes, called 0, 1 …"""
    for i in range(count):
        for kind, array in zip(("I1", "I2"), picture(i, 9 + i, 12), strict=True):
            write(folder / f"{kind}/{i}{suffix}", array)
    return folder


def spoil(source):
    """Adds six bad pairs to the sound ones; returns what has to be said of each file."""
    good = (source / "I1/0.png").read_bytes()
    for name, one, two in [
        ("cut", good[:60], good),
        ("empty", good, b""),
        ("text", b"text", b"text"),
        ("size", good, (source / "I2/2.png").read_bytes()),
        ("alone", good, None),
    ]:
        (source / f"I1/{name}.png").write_bytes(one)
        if two is not None:
            (source / f"I2/{name}.png").write_bytes(two)
    (source / "I2/lost.png").symlink_to("nowhere")
    (source / "I1/lost.png").write_bytes(good)
    return {
        "I1/cut.png": "damaged or cut short",
        "I2/empty.png": "the file is empty",
        "I1/text.png": "not in a known image format",
        "I2/text.png": "not in a known image format",
        "I1/size.png": "is 12×9 but",
        "I1/alone.png": "has no partner alone",
        "I2/lost.png": "a link to a file that does not exist",
    }


def write_pair(folder, first, second, name, seed):
    visible, infrared = random_scene(48, 50, seed=seed)
    for side, image in ((first, visible), (second, infrared)):
        (folder / side).mkdir(parents=True, exist_ok=True)
        images.write(folder / side / f"{name}.png", image)


def scored(scenes, **options):
    """The scores of scenes in this process, and the lines that were reported."""
    lines = []
    options = {"metrics": FEW, "workers": 1} | options
    return score(scenes, report=lines.append, **options), lines
