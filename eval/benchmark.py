"""``python -m eval.benchmark``: the paper's Table I with a checkpoint; or verify a report."""

import sys

from fnet_jax.cli.benchmark import main
from fnet_jax.runtime.memory import use_huge_pages

if __name__ == "__main__":
    use_huge_pages()
    sys.exit(main(prog="python -m eval.benchmark"))
