"""Compiler options, and a cache on disk so that a command compiles a program only once.

JAX keeps a program as ``NAME-cache``, with the time of its last use in ``NAME-atime``. It does not
detect all damage, and recompiles an unreadable program every time, with a warning. Therefore a
checksum is kept as ``NAME-sha256``, and entries that do not match are removed.
"""

import atexit
import logging
import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax
from filelock import FileLock, Timeout

from fnet_jax.artifacts.files import replace_text, sha256

LARGEST = 512 * 2**20  # bytes of the cache; the least recently used programs are removed first
LEAST_SECONDS = 0.2  # programs that compile faster are not cached
LOCK_SECONDS = 10  # to wait for another process that uses the cache
PROGRAM, USED, CHECKSUM = "-cache", "-atime", "-sha256"
LOCK = ".lockfile"  # as named by JAX
ZSTANDARD = b"\x28\xb5\x2f\xfd"  # magic number of Zstandard

logger = logging.getLogger(__name__)


def options(device: jax.Device) -> dict[str, Any] | None:
    """Compiler options for FNet on a device; None for XLA's own.

    On a CPU, most time goes into XLA's own convolutions; a program whose other parts are optimized
    one level less compiles in half the time and runs as fast (``docs/speed.md``).
    """
    return {"xla_backend_optimization_level": 1} if device.platform == "cpu" else None


def folder() -> Path:
    """The folder of the cache: ``fnet-jax`` in ``$XDG_CACHE_HOME``, or in ``~/.cache``.

    Raises:
        RuntimeError: the user has no home directory.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "fnet-jax"


def keep_programs() -> None:
    """Enables the cache of compiled programs in this process.

    For commands only: importing the library leaves JAX unchanged. As everywhere in JAX,
    ``JAX_COMPILATION_CACHE_DIR`` names another folder, and ``JAX_ENABLE_COMPILATION_CACHE=false``
    disables the cache. If the folder is not writable, programs are compiled each time.
    """
    settings = jax.config.values
    if settings["jax_compilation_cache_dir"] or not settings["jax_enable_compilation_cache"]:
        return
    try:
        place = folder()
        place.mkdir(parents=True, exist_ok=True)
        _check(place)
    except (OSError, RuntimeError) as error:
        logger.info("compiled programs are not cached: %s", error)
        return
    atexit.register(_record, place)
    jax.config.update("jax_compilation_cache_dir", str(place))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST_SECONDS)
    jax.config.update("jax_compilation_cache_max_size", LARGEST)


def _check(folder: Path) -> None:
    """Removes damaged entries and leftovers of killed processes; raises OSError."""
    with FileLock(folder / LOCK, timeout=LOCK_SECONDS):
        for program in folder.glob(f"*{PROGRAM}"):
            name = program.name.removesuffix(PROGRAM)
            # Without a time of use, JAX would fail at each program that it writes.
            sound = (folder / f"{name}{USED}").is_file() and _is_sound(folder, name)
            if not sound:
                logger.info("%s was damaged and has been removed", program)
                program.unlink()
        for suffix in (USED, CHECKSUM):
            for path in folder.glob(f"*{suffix}"):
                if not path.with_name(path.name.removesuffix(suffix) + PROGRAM).exists():
                    path.unlink()


def _is_sound(folder: Path, name: str) -> bool:
    """Whether a program matches its checksum or, if it has none yet, can be decompressed."""
    program, checksum = folder / f"{name}{PROGRAM}", folder / f"{name}{CHECKSUM}"
    with suppress(FileNotFoundError):
        return checksum.read_bytes() == sha256(program).encode()
    content = program.read_bytes()
    if content.startswith(ZSTANDARD):
        return True  # cannot be checked
    try:
        zlib.decompress(content)
    except zlib.error:
        return False
    return True


def _record(folder: Path) -> None:
    """Writes the checksums of new programs where possible."""
    # If the folder is gone or full, or the lock is taken, the next process will do it.
    with suppress(OSError, Timeout), FileLock(folder / LOCK, timeout=LOCK_SECONDS):
        for program in folder.glob(f"*{PROGRAM}"):
            checksum = program.with_name(program.name.removesuffix(PROGRAM) + CHECKSUM)
            if not checksum.exists() or checksum.stat().st_mtime < program.stat().st_mtime:
                replace_text(checksum, sha256(program))
