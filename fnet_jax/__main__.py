"""``python -m fnet_jax``: the same as ``fnet``."""

import sys

from fnet_jax.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
