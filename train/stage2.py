"""``python -m train.stage2``: the second stage of training."""

import sys

from train.command import main

if __name__ == "__main__":
    sys.exit(main("stage2"))
