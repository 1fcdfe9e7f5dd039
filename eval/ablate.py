"""``python -m eval.ablate``: the experiments of the paper's Table III, trained and scored."""

import sys

from eval.ablation.run import main
from fnet_jax.runtime.memory import use_huge_pages

if __name__ == "__main__":
    use_huge_pages()
    sys.exit(main())
