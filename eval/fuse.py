"""``python -m eval.fuse``: fuse images, one pair or two folders of them."""

import sys

from fnet_jax.cli.fuse import main
from fnet_jax.runtime.memory import use_huge_pages

if __name__ == "__main__":
    use_huge_pages()
    sys.exit(main(prog="python -m eval.fuse"))
