"""Weights on disk: checkpoints, the authors' files, and the weights that ship with the package."""
