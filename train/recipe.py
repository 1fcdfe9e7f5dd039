"""``python -m train.recipe``: the shipped weights, trained from nothing."""

from fnet_jax.cli.start import run

if __name__ == "__main__":
    run("train.run.recipe", huge_pages=True)
