"""``python -m eval.score``: metrics of fused images, one method or several side by side."""

import sys

from fnet_jax.cli.score import main

if __name__ == "__main__":
    sys.exit(main(prog="python -m eval.score"))
