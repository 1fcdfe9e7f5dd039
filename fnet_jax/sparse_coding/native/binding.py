"""The compiled engine: where it is, and whether this machine can run it."""

import ctypes
import functools
import sysconfig
from pathlib import Path

import jax

TARGET = "fnet_iteration_1"  # of XLA; another number whenever what the call takes changes
NAME = "_engine"
HERE = Path(__file__).parent
REMEDY = "pip install . where a C++ compiler is, or python setup.py build_ext --inplace"


def library() -> Path | None:
    """The file that the build has made; None if there is none."""
    names = [f"{NAME}{suffix}" for suffix in (sysconfig.get_config_var("EXT_SUFFIX"), ".so")]
    return next((path for name in names if (path := HERE / name).is_file()), None)


@functools.cache
def missing() -> str:
    """Why the engine cannot be used here, in words; empty if it can, and JAX then knows it."""
    path = library()
    if path is None:
        return f"it was not built; {REMEDY}"
    try:
        found = ctypes.CDLL(str(path))
        found.fnet_instructions.restype = ctypes.c_char_p
        if not found.fnet_instructions():
            return "FNET_INSTRUCTIONS names none that this machine has"
        call = jax.ffi.pycapsule(found.fnet_iteration)
    except (OSError, AttributeError) as error:
        return f"{path}: cannot be loaded ({error}); {REMEDY}"
    jax.ffi.register_ffi_target(TARGET, call, platform="cpu")
    return ""


def instructions() -> str:
    """The instructions that it computes with: ``"avx512"``, ``"avx2"`` or ``"baseline"``.

    The fastest that the machine has, or those of the variable ``FNET_INSTRUCTIONS``. Empty where
    there is no engine.
    """
    if missing():
        return ""
    found = ctypes.CDLL(str(library()))
    found.fnet_instructions.restype = ctypes.c_char_p
    return str(found.fnet_instructions().decode())
