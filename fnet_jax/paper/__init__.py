"""Reproduces the paper's Table I: finds its sets, fuses them by its protocol and scores them."""
