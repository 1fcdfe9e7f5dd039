"""What a process of ours asks of the system about its memory."""

import ctypes
import os
import platform
import sys
from contextlib import suppress
from pathlib import Path

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # of malloc.h
MEGABYTE = 2**20
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
TUNABLE = "glibc.malloc.hugetlb"


def keep_freed() -> None:
    """Lets this process use freed memory again rather than return it to the system.

    The system clears each page that it hands out, which takes longer than the arithmetic on it:
    metrics of a 640×480 pair take half the time when pages are kept. For processes that the
    library starts; a user's own process is left as it is. Does nothing without glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(MMAP_THRESHOLD, 32 * MEGABYTE)  # the most that glibc takes
        libc.mallopt(TRIM_THRESHOLD, 1024 * MEGABYTE)
        libc.mallopt(TOP_PAD, 64 * MEGABYTE)


def use_huge_pages() -> None:
    """Starts this program again, as one whose large arrays lie in huge pages.

    A training step allocates all its maps anew, and clearing them in pages of 4 kB takes up to a
    fifth of its time (``docs/speed.md``). Where Linux gives huge pages to those who ask, glibc asks
    if it is told to before a program starts. To be called first in a program, before anything is
    done that should not be done twice. Does nothing where huge pages are given to all or to none,
    where glibc is missing or too old, or if ``GLIBC_TUNABLES`` already says what to do.
    """
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    name, version = platform.libc_ver()
    if TUNABLE in tunables or name != "glibc" or not sys.executable:
        return
    with suppress(OSError, ValueError):
        new_enough = tuple(map(int, version.split("."))) >= (2, 35)
        if new_enough and "[madvise]" in HUGE_PAGES.read_text():
            os.environ["GLIBC_TUNABLES"] = ":".join(filter(None, [tunables, f"{TUNABLE}=1"]))
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
