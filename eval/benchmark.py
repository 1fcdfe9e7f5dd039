"""``python -m eval.benchmark``: the paper's Table I with a checkpoint; or verify a report."""

from fnet_jax.cli.start import run

if __name__ == "__main__":
    run("fnet_jax.cli.benchmark", huge_pages=True, prog="python -m eval.benchmark")
