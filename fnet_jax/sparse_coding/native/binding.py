"""The compiled engine: where it is, and whether this machine can run it."""

import ctypes
import functools
from pathlib import Path

import jax

TARGET = "fnet_iteration_1"  # another number whenever what the call takes changes
NAME = "_engine.abi3.so"
HERE = Path(__file__).parent
REMEDY = "pip install . where a C++ compiler is, or python setup.py build_ext --inplace"


def library() -> Path | None:
    """The file that the build has made; None if there is none."""
    path = HERE / NAME
    return path if path.is_file() else None


@functools.cache
def _loaded() -> ctypes.CDLL:
    """The engine, which JAX then knows; raises OSError, AttributeError, or JAX's own error.

    JAX refuses an engine that was built with a newer JAX.
    """
    found = ctypes.CDLL(str(library()))
    found.fnet_instructions.restype = ctypes.c_char_p
    call = jax.ffi.pycapsule(getattr(found, TARGET))
    jax.ffi.register_ffi_target(TARGET, call, platform="cpu")
    return found


def missing() -> str:
    """Why the engine cannot be used here, in words; empty if it can, and JAX then knows it."""
    if library() is None:
        return f"it was not built; {REMEDY}"
    try:
        _loaded()
    except (OSError, AttributeError) as error:
        return f"{library()}: cannot be loaded ({error}); {REMEDY}"
    except jax.errors.JaxRuntimeError:
        return f"{library()}: was built with a newer JAX than {jax.__version__}; {REMEDY}"
    return "" if instructions() else "FNET_INSTRUCTIONS names none that this machine has"


def instructions() -> str:
    """The instructions that it computes with: ``"avx512"``, ``"avx2"`` or ``"baseline"``.

    The fastest that the machine has, or those of the variable ``FNET_INSTRUCTIONS``; empty where
    it has not those. To be called where nothing is :func:`missing`.
    """
    return str(_loaded().fnet_instructions().decode())
