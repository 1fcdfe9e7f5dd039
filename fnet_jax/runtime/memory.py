"""Memory: free memory, out-of-memory errors, and the allocator's settings."""

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jax

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # from malloc.h
MEGABYTE = 2**20
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
TUNABLE = "glibc.malloc.hugetlb"
SYSTEM_MEMORY = Path("/proc/meminfo")
OWN_GROUPS, GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def available(device: "jax.Device") -> int | None:
    """Bytes that can still be allocated on a device, or None if unknown.

    For a CPU: what the system can provide without swapping, within the limits of this process's
    control groups, such as those of a container. For other devices: what JAX may still allocate of
    the device's own memory.
    """
    if device.platform != "cpu":
        counted = device.memory_stats() or {}
        if "bytes_limit" not in counted:
            return None
        return max(0, counted["bytes_limit"] - counted.get("bytes_in_use", 0))
    free = list(_left_in_groups())
    with suppress(OSError, StopIteration, ValueError):
        lines = _text(SYSTEM_MEMORY).splitlines()
        free += [next(int(x.split()[1]) * 1024 for x in lines if x.startswith("MemAvailable:"))]
    return max(0, min(free)) if free else None


def exhausted(error: BaseException) -> bool:
    """Whether an error means that the machine or a device ran out of memory."""
    of_xla = isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
    return isinstance(error, MemoryError) or of_xla


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _left_in_groups() -> Iterator[int]:
    """Bytes left within each memory limit of this process's control groups, v1 and v2."""
    lines: list[str] = []
    with suppress(OSError, ValueError):
        lines = _text(OWN_GROUPS).splitlines()
    for line in lines:
        _, controllers, own = line.split(":", 2)
        if controllers == "":
            top, names = GROUPS, ("memory.max", "memory.current", "inactive_file ")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ")
            top = GROUPS / "memory"
        else:
            continue
        limit, used, cache = names
        group = top / own.strip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(top):  # a container may see its own group as the topmost
                with suppress(OSError, StopIteration, ValueError):  # "max" means no limit
                    left = int(_text(folder / limit)) - int(_text(folder / used))
                    counts = _text(folder / "memory.stat").splitlines()
                    # The page cache counts as used but is released on demand.
                    yield left + next(int(x.split()[1]) for x in counts if x.startswith(cache))


def keep_freed() -> None:
    """Makes this process reuse freed memory rather than return it to the system.

    The system clears each page that it hands out, which takes longer than the arithmetic on it:
    metrics of a 640×480 pair take half the time when pages are kept. For processes that the
    library starts; a user's own process is left unchanged. Does nothing without glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(MMAP_THRESHOLD, 32 * MEGABYTE)  # the maximum of glibc
        libc.mallopt(TRIM_THRESHOLD, 1024 * MEGABYTE)
        libc.mallopt(TOP_PAD, 64 * MEGABYTE)


def use_huge_pages() -> None:
    """Restarts this program with large arrays in huge pages.

    Every training step allocates all its maps, and clearing them in pages of 4 kB takes up to a
    fifth of its time (``docs/speed.md``). Where Linux provides huge pages on request, glibc
    requests them if ``GLIBC_TUNABLES`` says so before a program starts. Must be called first in a
    program. Does nothing if huge pages are given to all programs or none, if glibc is missing or
    too old, or if ``GLIBC_TUNABLES`` already mentions them.
    """
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    name, version = platform.libc_ver()
    if TUNABLE in tunables or name != "glibc" or not sys.executable:
        return
    with suppress(OSError, ValueError):
        new_enough = tuple(map(int, version.split("."))) >= (2, 35)
        if new_enough and "[madvise]" in _text(HUGE_PAGES):
            os.environ["GLIBC_TUNABLES"] = ":".join(filter(None, [tunables, f"{TUNABLE}=1"]))
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
