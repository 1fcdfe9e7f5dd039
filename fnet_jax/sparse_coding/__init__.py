"""Sparse coding that is usable alone: thresholds, the LZSC and LCSC blocks, classical solvers."""
