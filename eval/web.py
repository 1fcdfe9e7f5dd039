"""``python -m eval.web``: a local page for fusing, with live edits."""

from fnet_jax.cli.start import run

if __name__ == "__main__":
    run("fnet_jax.cli.web", huge_pages=True, prog="python -m eval.web")
