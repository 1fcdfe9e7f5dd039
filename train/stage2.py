"""``python -m train.stage2``: the second stage of training."""

from fnet_jax.cli.start import run

if __name__ == "__main__":
    run("train.run.command", huge_pages=True, stage="stage2")
