"""What a process of ours does with memory that it has freed."""

import ctypes
import platform
from contextlib import suppress

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # of malloc.h
MEGABYTE = 2**20


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
