"""How programs are compiled, and kept on disk so that a command compiles once, not each time.

JAX keeps a program as ``NAME-cache``, with the time of its last use in ``NAME-atime``. It does not
notice all damage, and compiles a program that it cannot read each time, with a warning. So a
checksum is kept as ``NAME-sha256``, and what does not fit is removed.
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

LARGEST = 512 * 2**20  # bytes that the programs may take; those unused for longest go first
LEAST_SECONDS = 0.2  # programs compiled in less are not worth a file
LOCK_SECONDS = 10  # to wait for another process that reads or writes a program
PROGRAM, USED, CHECKSUM = "-cache", "-atime", "-sha256"
LOCK = ".lockfile"  # the one of JAX
ZSTANDARD = b"\x28\xb5\x2f\xfd"  # first bytes of what Zstandard has compressed

logger = logging.getLogger(__name__)


def options(device: jax.Device) -> dict[str, Any] | None:
    """Compiler options with which FNet is compiled for a device; None for XLA's own.

    On a CPU the time goes into XLA's own convolutions; a program whose other parts are optimized
    by one level less is compiled in half the time and runs as fast (``docs/speed.md``).
    """
    return {"xla_backend_optimization_level": 1} if device.platform == "cpu" else None


def folder() -> Path:
    """Where programs are kept: ``fnet-jax`` in ``$XDG_CACHE_HOME``, or in ``~/.cache``.

    Raises:
        RuntimeError: the user has no home directory.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "fnet-jax"


def keep_programs() -> None:
    """Makes this process keep the programs it compiles and use those that are kept.

    For commands: a library that is imported leaves JAX as it is. ``JAX_COMPILATION_CACHE_DIR``
    names another folder, and ``JAX_ENABLE_COMPILATION_CACHE=false`` keeps nothing, as everywhere in
    JAX. Where the folder cannot be made or written to, programs are compiled each time.
    """
    settings = jax.config.values
    if settings["jax_compilation_cache_dir"] or not settings["jax_enable_compilation_cache"]:
        return
    try:
        place = folder()
        place.mkdir(parents=True, exist_ok=True)
        _check(place)
    except (OSError, RuntimeError) as error:
        logger.info("compiled programs are not kept: %s", error)
        return
    atexit.register(_record, place)
    jax.config.update("jax_compilation_cache_dir", str(place))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", LEAST_SECONDS)
    jax.config.update("jax_compilation_cache_max_size", LARGEST)


def _check(folder: Path) -> None:
    """Removes what is damaged, and what processes that were killed have left; raises OSError."""
    with FileLock(folder / LOCK, timeout=LOCK_SECONDS):
        for program in folder.glob(f"*{PROGRAM}"):
            name = program.name.removesuffix(PROGRAM)
            # Without a time of use, JAX would fail at each program that it writes.
            sound = (folder / f"{name}{USED}").is_file() and _is_sound(folder, name)
            if not sound:
                logger.info("%s: damaged, and removed", program)
                program.unlink()
        for suffix in (USED, CHECKSUM):
            for path in folder.glob(f"*{suffix}"):
                if not path.with_name(path.name.removesuffix(suffix) + PROGRAM).exists():
                    path.unlink()


def _is_sound(folder: Path, name: str) -> bool:
    """Whether a program has its checksum, or, where there is none yet, can be decompressed."""
    program, checksum = folder / f"{name}{PROGRAM}", folder / f"{name}{CHECKSUM}"
    with suppress(FileNotFoundError):
        return checksum.read_bytes() == sha256(program).encode()
    content = program.read_bytes()
    if content.startswith(ZSTANDARD):
        return True  # as far as can be known
    try:
        zlib.decompress(content)
    except zlib.error:
        return False
    return True


def _record(folder: Path) -> None:
    """Writes the checksums of new programs, as far as that is possible."""
    # The folder has gone or is full, or another process has the lock: the next one will do it.
    with suppress(OSError, Timeout), FileLock(folder / LOCK, timeout=LOCK_SECONDS):
        for program in folder.glob(f"*{PROGRAM}"):
            checksum = program.with_name(program.name.removesuffix(PROGRAM) + CHECKSUM)
            if not checksum.exists() or checksum.stat().st_mtime < program.stat().st_mtime:
                replace_text(checksum, sha256(program))
