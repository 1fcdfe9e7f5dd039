"""``python -m train.stage1``: the first stage of training."""

import sys

from train.command import main

if __name__ == "__main__":
    sys.exit(main("stage1"))
