"""``python -m eval.detect``: what fused images are worth to a detector, the paper's Table II."""

from fnet_jax.cli.start import run

if __name__ == "__main__":
    run("eval.downstream.detect")
