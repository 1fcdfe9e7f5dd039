"""Metrics of folders of fused images, how methods compare, and the reports of both."""
