"""``python -m eval.segment``: what fused images are worth to a segmenter, the paper's Table II."""

from fnet_jax.cli.start import run

if __name__ == "__main__":
    run("eval.downstream.segment")
