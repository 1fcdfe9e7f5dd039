"""The compiled engine: where it is, and whether this machine can run it."""

import ctypes
import functools
from pathlib import Path

import jax

TARGET = "fnet_iteration_1"  # the number changes with the arguments of the call
NAME = "_engine.abi3.so"
HERE = Path(__file__).parent
REMEDY = "build it with a C++ compiler: pip install . or python setup.py build_ext --inplace"


def library() -> Path | None:
    """The compiled library; None if it was not built."""
    path = HERE / NAME
    return path if path.is_file() else None


@functools.cache
def _loaded() -> ctypes.CDLL:
    """Loads the engine and registers it with JAX, which refuses one built with a newer JAX."""
    found = ctypes.CDLL(str(library()))
    found.fnet_instructions.restype = ctypes.c_char_p
    call = jax.ffi.pycapsule(getattr(found, TARGET))
    jax.ffi.register_ffi_target(TARGET, call, platform="cpu")
    return found


def missing() -> str:
    """Why the engine cannot be used here; empty if it can, in which case it is registered."""
    if library() is None:
        return f"it was not built; {REMEDY}"
    try:
        _loaded()
    except (OSError, AttributeError) as error:
        return f"{library()} cannot be loaded ({error}); {REMEDY}"
    except jax.errors.JaxRuntimeError:
        return f"{library()} was built with a newer JAX than {jax.__version__}; {REMEDY}"
    return "" if instructions() else "this machine does not have the set FNET_INSTRUCTIONS"


def instructions() -> str:
    """The instruction set that it uses: ``"avx512"``, ``"avx2"`` or ``"baseline"``.

    This is the fastest of the machine, or the one that the variable ``FNET_INSTRUCTIONS`` sets;
    empty if the machine lacks that. Call only if nothing is :func:`missing`.
    """
    return str(_loaded().fnet_instructions().decode())
