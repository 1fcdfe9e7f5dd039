"""A local web page for fusing: ``fnet web``."""

SIZE = "xs"  # of the network at first: live on most machines
LOOPBACK = ("127.0.0.1", "::1", "localhost")
