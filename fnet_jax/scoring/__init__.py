"""Metrics of folders of fused images, comparisons of methods, and reports of both."""
