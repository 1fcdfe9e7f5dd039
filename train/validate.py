"""``python -m train.validate``: the validation loss of any weights."""

from fnet_jax.cli.start import run

if __name__ == "__main__":
    run("train.run.validate", huge_pages=True)
