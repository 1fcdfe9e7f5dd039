"""``python -m eval.register``: the transform between two cameras, or of each pair of images."""

from fnet_jax.cli.start import run

if __name__ == "__main__":
    run("fnet_jax.cli.register", prog="python -m eval.register")
