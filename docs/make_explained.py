"""Draws the pictures of docs/explain.md, of a shipped sample: ``python -m docs.make_explained``."""

from pathlib import Path

from fnet_jax import Fuser, images
from fnet_jax.explain.explanation import explain
from fnet_jax.explain.figures import drawings
from fnet_jax.pairs.match import SAMPLES

NAMES = ("features", "shares")
DOTS = 72  # per inch


def main() -> None:
    """Explains the synthetic street with the weights that are shipped."""
    pair = (images.read(SAMPLES / which / "synthetic_night_street.png") for which in ("I1", "I2"))
    explanation = explain(Fuser.pretrained(), *pair)
    for drawing in drawings(explanation):
        if drawing.name in NAMES:
            path = Path(__file__).with_name(f"explained_{drawing.name}.png")
            options = {"optimize": True}
            drawing.draw(explanation).savefig(path, dpi=DOTS, pil_kwargs=options)
            print(path)


if __name__ == "__main__":
    main()
