"""``python -m eval.check``: what is wrong with pairs of images; changes nothing."""

from fnet_jax.cli.start import run

if __name__ == "__main__":
    run("fnet_jax.cli.check", prog="python -m eval.check")
