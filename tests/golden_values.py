"""Values of the shipped weights on the shipped samples; ``tests/golden`` keeps them.

``python tests/golden_values.py`` computes them again and replaces the files there. Do that only
when a change of the values is meant, such as new weights, and review the differences.
"""

import datetime
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from fnet_jax import FNet, Fuser, IFNet, __version__, images, metrics
from fnet_jax.networks import losses
from fnet_jax.pairs.match import SAMPLES

FOLDER = Path(__file__).parent / "golden"
SCORED = "synthetic_night_street"
CROP = {"row": 120, "column": 40, "side": 20}  # of the same sample, for the losses


def fused():
    """The fused image of each sample by name, as ``eval.fuse --samples`` writes it."""
    fuser, found = Fuser.pretrained(), {}
    for path in sorted((SAMPLES / "I1").iterdir()):
        i2 = images.read(SAMPLES / "I2" / path.name)
        found[path.stem] = fuser.fuse(images.read(path), i2)
    return found


def scores():
    """The metrics of one sample's golden fused image, by profile."""
    paths = (SAMPLES / "I1", SAMPLES / "I2", FOLDER / "fused")
    triple = [images.read(path / f"{SCORED}.png") for path in paths]
    return {name: metrics.evaluate(*triple, profile=name) for name in metrics.PROFILES}


def inverse_of(fnet):
    """IFNet of copies of FNet's blocks and filters D."""
    blocks = {f"lzsc_x{i}": fnet["params"][f"lzsc_u{i}"] for i in (1, 2)}
    return {"params": blocks | {f"D_x{i}": fnet["params"][f"D_u{i}"] for i in (1, 2)}}


def stage1_loss(params, I1, I2):
    """Eq. 25 of FNet and IFNet."""
    If, _ = FNet().apply(params["fnet"], I1, I2)
    (I1_again, I2_again), _ = IFNet().apply(params["ifnet"], If)
    return losses.stage1(I1, I2, I1_again, I2_again)


def stage2_loss(params, I1, I2):
    """Eq. 26 of FNet."""
    return losses.stage2(FNet().apply(params["fnet"], I1, I2)[0], I1, I2)


def losses_and_gradients():
    """Terms of both losses and norms of their gradients, by name, in float64."""
    weights, found = Fuser.pretrained().params, {}
    y, x, side = CROP.values()

    def crop(folder):
        levels = images.read(SAMPLES / folder / f"{SCORED}.png", grey=True)
        return jnp.asarray(levels[None, y : y + side, x : x + side, None] / 255)

    with jax.enable_x64(True):
        fnet = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), weights)
        params = {"fnet": fnet, "ifnet": inverse_of(fnet)}
        I1, I2 = crop("I1"), crop("I2")
        for name, loss in (("stage1", stage1_loss), ("stage2", stage2_loss)):
            # Run once on few pixels: compiling with optimizations takes three times as long.
            step = jax.jit(
                jax.value_and_grad(loss, has_aux=True),
                compiler_options={"xla_backend_optimization_level": 0},
            )
            (total, terms), gradients = step(params, I1, I2)
            norms = {
                path.replace("/params/", "/"): float(np.linalg.norm(np.asarray(gradient).ravel()))
                for path, gradient in flatten_dict(gradients, sep="/").items()
            }
            found[name] = {
                "total": float(total),
                **{term: float(value) for term, value in terms.items()},
                "gradient_norms": {path: norm for path, norm in norms.items() if norm},
            }
    return found


def made_with():
    """What computes the values here."""
    packages = ("jax", "jaxlib", "flax", "numpy", "scipy", "scikit-image", "pillow")
    return {
        "command": "python tests/golden_values.py",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {jax.default_backend()}",
        "python": platform.python_version(),
        "fnet-jax": __version__,
        "versions": {package: version(package) for package in packages},
    }


def main():
    """Replaces the files."""
    for name, image in fused().items():
        images.write(FOLDER / "fused" / f"{name}.png", image, overwrite=True)
    contents = {
        "fused": {"images": sorted(path.name for path in (FOLDER / "fused").iterdir())},
        "metrics": {"sample": SCORED, "values": scores()},
        "losses": {"sample": SCORED, "crop": CROP, "values": losses_and_gradients()},
    }
    for name, content in contents.items():
        text = json.dumps({"made_with": made_with(), **content}, indent=1, ensure_ascii=False)
        (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
