"""Image files and their color: ``images.read``, ``open``, ``write``, ``size`` and ``find``.

Decoders are imported on first use, so that importing this package is cheap.
"""

from fnet_jax.images.folders import SUFFIXES, find

TYPE_CHECKING = False  # as in typing, which is slow to import
if TYPE_CHECKING:
    from fnet_jax.images.files import open, read, size
    from fnet_jax.images.frame import Frame
    from fnet_jax.images.writing import write

PLACES = {"open": "files", "read": "files", "size": "files", "write": "writing", "Frame": "frame"}

__all__ = ["SUFFIXES", "Frame", "find", "open", "read", "size", "write"]


def __getattr__(name: str) -> object:
    if name in PLACES:
        from importlib import import_module

        return getattr(import_module(f"fnet_jax.images.{PLACES[name]}"), name)
    raise AttributeError(f"module 'fnet_jax.images' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
