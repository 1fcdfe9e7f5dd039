"""Image files and their color: ``images.read``, ``write``, ``size`` and ``find``.

What decodes files is imported when it is first used, so that finding them costs little.
"""

from fnet_jax.images.folders import SUFFIXES, find

TYPE_CHECKING = False  # that of typing, which is slow to import
if TYPE_CHECKING:
    from fnet_jax.images.files import read, size, write

__all__ = ["SUFFIXES", "find", "read", "size", "write"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from fnet_jax.images import files

        return getattr(files, name)
    raise AttributeError(f"module 'fnet_jax.images' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
