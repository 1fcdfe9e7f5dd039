"""Sparse coding, usable alone: thresholds, the LZSC and LCSC blocks, and the classical solvers."""
