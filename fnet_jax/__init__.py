"""FNet and IFNet in JAX: interpretable image fusion by unrolled ℓ0 sparse coding.

``Fuser`` fuses images; ``FNet``, ``IFNet`` and ``LZSC`` are the networks (Flax linen modules).
Names are imported when first used, so that ``import fnet_jax`` costs little.
"""

from fnet_jax.version import __version__

TYPE_CHECKING = False  # that of typing, which takes half the time of starting a command to import
if TYPE_CHECKING:
    from fnet_jax.errors import InputError
    from fnet_jax.fusing.fuser import Fuser
    from fnet_jax.networks.fnet import FNet
    from fnet_jax.networks.ifnet import IFNet
    from fnet_jax.sparse_coding.lzsc import LZSC

__all__ = ["LZSC", "FNet", "Fuser", "IFNet", "InputError", "__version__"]

_HOME = {
    "FNet": "networks.fnet",
    "Fuser": "fusing.fuser",
    "IFNet": "networks.ifnet",
    "InputError": "errors",
    "LZSC": "lzsc",
}


def __getattr__(name: str) -> object:
    if name in _HOME:
        from importlib import import_module  # slow to import, before a command can hold Ctrl-C back

        return getattr(import_module(f"fnet_jax.{_HOME[name]}"), name)
    raise AttributeError(f"module 'fnet_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
