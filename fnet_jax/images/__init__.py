"""Image files and their colour: the door is ``images.read``, ``write``, ``size`` and ``find``."""

from fnet_jax.images.files import SUFFIXES, find, read, size, write

__all__ = ["SUFFIXES", "find", "read", "size", "write"]
