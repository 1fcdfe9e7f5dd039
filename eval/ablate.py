"""``python -m eval.ablate``: the experiments of the paper's Table III, trained and scored."""

import sys

from fnet_jax.memory import use_huge_pages
from train.ablating import main

if __name__ == "__main__":
    use_huge_pages()
    sys.exit(main())
