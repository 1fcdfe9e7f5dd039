"""``python -m eval.explain``: what FNet found in image pairs, as reports."""

from fnet_jax.cli.start import run

if __name__ == "__main__":
    run("fnet_jax.cli.explain", huge_pages=True, prog="python -m eval.explain")
