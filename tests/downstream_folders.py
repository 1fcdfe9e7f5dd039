"""Made-up folders in the layouts of MSRS, M3FD and MFNet."""

import numpy as np
from made_up_files import write
from made_up_png import encoded

YOLO = "1 0.5 0.5 0.25 0.5\n"
SIZE = (24, 32)  # height, width


def levels(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape or SIZE, np.uint8)


def classes_of(seed, most=9):
    return np.random.default_rng(seed).integers(0, most, SIZE, np.uint8)


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def pair(folder, name, *, visible="vi", infrared="ir", suffix=".png"):
    """Images of noise, which the number of the scene is the seed of."""
    seed = int("".join(filter(str.isdigit, name)))
    write(folder / visible / f"{name}{suffix}", levels(seed, *SIZE, 3))
    write(folder / infrared / f"{name}.png", levels(seed + 1000))


def msrs(folder, train=("00001D", "00003D"), test=("00002D",), *, labels="labels"):
    for split, names in (("train", train), ("test", test)):
        for name in names:
            pair(folder / split, name)
            write(folder / split / labels / f"{name}.png", classes_of(len(name)))
            text(folder / split / "boxes" / f"{name}.txt", YOLO)
    text(folder / "boxes_classes.txt", "0 person\n1 bicycle\n2 car\n")
    return folder


def voc(objects=(("Car", 1, 2, 9, 12),), size=SIZE):
    boxes = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>"
        f"<ymax>{d}</ymax></bndbox></object>"
        for name, a, b, c, d in objects
    )
    height, width = size
    extent = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation>{extent}{boxes}</annotation>"


def m3fd(folder, count=3):
    for k in range(count):
        pair(folder, f"{k:05d}", visible="Vis", infrared="Ir")
        text(folder / "Annotation" / f"{k:05d}.xml", voc())
    return folder


def mfnet(folder, names=("00001D", "00001D_flip", "00002N", "00003N", "00004D")):
    folder.joinpath("images").mkdir(parents=True)
    for k, name in enumerate(names):
        content = encoded(levels(k, *SIZE, 4), 8, 6)
        (folder / "images" / f"{name}.png").write_bytes(content)
        write(folder / "labels" / f"{name}.png", classes_of(k))
    text(folder / "train.txt", "00001D\n")
    text(folder / "val.txt", "00002N\n")
    text(folder / "test.txt", "00003N\n00004D\n")
    return folder
