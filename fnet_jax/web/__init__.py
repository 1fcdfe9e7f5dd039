"""A local web page for fusing: ``fnet web``."""
