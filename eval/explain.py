"""``python -m eval.explain``: what FNet found in image pairs, as reports."""

import sys

from fnet_jax.cli.explain import main
from fnet_jax.runtime.memory import use_huge_pages

if __name__ == "__main__":
    use_huge_pages()
    sys.exit(main(prog="python -m eval.explain"))
