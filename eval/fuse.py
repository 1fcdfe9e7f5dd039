"""``python -m eval.fuse``: fuse images, one pair or two folders of them."""

import sys

from fnet_jax.commands.fuse import main

if __name__ == "__main__":
    sys.exit(main(prog="python -m eval.fuse"))
