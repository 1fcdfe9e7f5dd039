"""``python -m train.prepare``: image pairs as a set to train on."""

from fnet_jax.cli.start import run

if __name__ == "__main__":
    run("train.data.prepare")
