"""``python -m train.stage2``: the second stage of training."""

import sys

from fnet_jax.runtime.memory import use_huge_pages
from train.run.command import main

if __name__ == "__main__":
    use_huge_pages()
    sys.exit(main("stage2"))
