"""How programs are compiled, and kept on disk so that a command compiles once, not each time."""

import importlib.util
import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax

LARGEST = 512 * 2**20  # bytes that the programs may take; those unused for longest go first
LEAST_SECONDS = 0.2  # programs compiled in less are not worth a file
WRITING_SECONDS = 60  # in which another process may still be writing a program

logger = logging.getLogger(__name__)


def options(device: jax.Device) -> dict[str, Any] | None:
    """Compiler options with which FNet is compiled for a device; None for XLA's own.

    On a CPU the time goes into XLA's own convolutions; a program whose other parts are optimised
    by one level less is compiled in half the time and runs as fast (``docs/speed.md``).
    """
    return {"xla_backend_optimization_level": 1} if device.platform == "cpu" else None


def folder() -> Path:
    """Where programs are kept: ``fnet-jax`` in ``$XDG_CACHE_HOME``, or in ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "fnet-jax"


def keep_programs() -> None:
    """Makes this process keep the programs it compiles and use those that are kept.

    For commands: a library that is imported leaves JAX as it is. ``JAX_COMPILATION_CACHE_DIR``
    names another folder, and ``JAX_ENABLE_COMPILATION_CACHE=false`` keeps nothing, as everywhere in
    JAX. Where the folder cannot be made or written to, programs are compiled each time.
    """
    told = jax.config.values
    if told["jax_compilation_cache_dir"] or not told["jax_enable_compilation_cache"]:
        return
    try:
        folder().mkdir(parents=True, exist_ok=True)
        if evicting := importlib.util.find_spec("filelock") is not None:  # which JAX needs for it
            _remove_halves(folder())
    except OSError as error:
        logger.info("compiled programs are not kept: %s", error)
        return
    jax.config.update("jax_compilation_cache_dir", str(folder()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST_SECONDS)
    if evicting:
        jax.config.update("jax_compilation_cache_max_size", LARGEST)


def _remove_halves(folder: Path) -> None:
    """Removes programs that a process was killed over; JAX would fail at each of them, always.

    Where it evicts, it writes the program, then a file with the time of its use.
    """
    for program in folder.glob("*-cache"):
        used = program.with_name(f"{program.name.removesuffix('-cache')}-atime")
        with suppress(FileNotFoundError):  # another process is at it too
            if not used.exists() and time.time() - program.stat().st_mtime > WRITING_SECONDS:
                program.unlink()
