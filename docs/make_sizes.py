"""The picture of docs/sizes.md, its greys and its table of parts: ``python -m docs.make_sizes``."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import numpy as np
from matplotlib import pyplot

from fnet_jax import Fuser, images
from fnet_jax.artifacts import markdown
from fnet_jax.networks.sizes import BASE, SIZES
from fnet_jax.pairs.match import SAMPLES

PARTS = {"If_u1": "of u1", "If_u2": "of u2", "If_c": "of c"}
SHOWN = "synthetic_night_street"
DIFFERENCE = 0.1  # shown from blue to red
GREYS = (40, 80, 120, 160, 200)


def found(fuser: Fuser, name: str) -> dict[str, np.ndarray]:
    """The fused image and its parts, (H, W) each, of a shipped sample."""
    pair = (images.read(SAMPLES / which / f"{name}.png") for which in ("I1", "I2"))
    intermediates = fuser.decompose(*pair)
    return {part: np.asarray(intermediates[part])[..., 0] for part in ("If", *PARTS)}


def main() -> None:
    """Explains every sample by every size, and compares the parts with those of the paper's."""
    names = sorted(path.stem for path in (SAMPLES / "I1").iterdir())
    every = {size: [found(Fuser.pretrained(size), name) for name in names] for size in SIZES}
    print(markdown.table(["size", *map(str, GREYS)], [brightness(size) for size in SIZES]))
    path = Path(__file__).with_name("sizes_parts.png")
    draw({size: parts[names.index(SHOWN)] for size, parts in every.items()}, path)
    print(path)
    print(markdown.table(["size", "sample", "fused", *PARTS.values()], list(rows(every, names))))


def brightness(size: str) -> list[str]:
    """How many levels two equal images of one grey come out brighter, in their middle."""
    fuser = Fuser.pretrained(size)
    flat = (np.full((64, 64), grey, np.uint8) for grey in GREYS)
    middles = (fuser.fuse(image, image)[24:40, 24:40].mean() for image in flat)
    return [size, *(f"{middle - grey:+.0f}" for middle, grey in zip(middles, GREYS, strict=True))]


def rows(every: dict[str, list[dict[str, np.ndarray]]], names: list[str]) -> Iterator[list[str]]:
    """Correlation of each image with the same image by the paper's size."""
    for size in [size for size in every if size != BASE]:
        for name, sample, base in zip(names, every[size], every[BASE], strict=True):
            alike = (np.corrcoef(sample[x].ravel(), base[x].ravel())[0, 1] for x in base)
            yield [size, name.replace("_", " "), *(f"{value:.3f}" for value in alike)]


def draw(samples: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """A row for each size: the fused image, what differs from the paper's size, and the parts."""
    base = samples[BASE]
    figure, panels = pyplot.subplots(
        len(samples), 5, figsize=(11, 1.7 * len(samples)), layout="constrained"
    )
    for row, (size, sample) in zip(panels, samples.items(), strict=True):
        row[0].imshow(sample["If"], cmap="gray", vmin=0, vmax=1)
        row[0].set_ylabel(size)
        difference = sample["If"] - base["If"]
        row[1].imshow(difference, cmap="RdBu_r", vmin=-DIFFERENCE, vmax=DIFFERENCE)
        for panel, part in zip(row[2:], PARTS, strict=True):
            bound = np.abs(base[part]).max()
            panel.imshow(sample[part], cmap="gray", vmin=-bound, vmax=bound)
    titles = ("fused", f"minus {BASE}'s, ±{DIFFERENCE}", *PARTS.values())
    for panel, title in zip(panels[0], titles, strict=True):
        panel.set_title(title, fontsize=10)
    for panel in panels.flat:
        panel.set_xticks([])
        panel.set_yticks([])
    figure.savefig(path, dpi=72, pil_kwargs={"optimize": True})
    pyplot.close(figure)


if __name__ == "__main__":
    main()
