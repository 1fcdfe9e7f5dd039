"""``python -m eval.score``: metrics of fused images, one method or several side by side."""

from fnet_jax.cli.start import run

if __name__ == "__main__":
    run("fnet_jax.cli.score", prog="python -m eval.score")
