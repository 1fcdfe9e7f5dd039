"""``python -m eval.import_official``: the authors' weights as a checkpoint of this project."""

import sys

from fnet_jax.cli.import_official import main

if __name__ == "__main__":
    sys.exit(main(prog="python -m eval.import_official"))
