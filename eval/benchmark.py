"""``python -m eval.benchmark``: the paper's Table I with a checkpoint; or verify a report."""

import sys

from fnet_jax.commands.benchmark import main

if __name__ == "__main__":
    sys.exit(main(prog="python -m eval.benchmark"))
