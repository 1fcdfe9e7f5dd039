"""``python -m eval.import_official``: the authors' weights as a checkpoint of this project."""

from fnet_jax.cli.start import run

if __name__ == "__main__":
    run("fnet_jax.cli.import_official", prog="python -m eval.import_official")
