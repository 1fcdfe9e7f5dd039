"""How a command starts and ends as a program of its own.

Ctrl-C gives one line and exit status 130 from the first instruction to the last: while modules are
imported, while XLA compiles, and while Python shuts down, where a ``KeyboardInterrupt`` would be
late, swallowed, or a traceback. SIGTERM (``kill``, ``timeout``, a scheduler) does the same with
143, and SIGHUP (a terminal that is closed) with 129 unless ``nohup`` ignores it: what is half
written is removed, and programs that were started do not go on alone. This module is small, so that
it is imported before all others.
"""

import atexit
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module

TYPE_CHECKING = False  # that of typing, which is slow to import
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType
    from typing import Any, NoReturn

STATUS = 130  # of a program that was interrupted
ASKED = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]

children: "set[Any]" = set()  # programs that end with this one; have kill()
_line = "stopped; nothing was changed"
_status: int | None = None  # of a command that has returned
_ending = threading.Lock()  # held by the thread that ends the process
_terminal: int | None = None  # standard error, even while it is redirected


def run(module: str, *, huge_pages: bool = False, **options: "Any") -> "NoReturn":
    """Runs the ``main`` of a command's module, and exits with the status that it returns.

    To be called first in a program, before anything slow is imported.

    Args:
        module: name of the module.
        huge_pages: start the program again with large arrays in huge pages, where that helps.
        options: arguments of its ``main``.
    """
    global _status
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        # Until there is a handler, a signal waits, even while the program is started again; also
        # where it was ignored, as in the background of a shell script.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    _use_utf8()
    if huge_pages:
        from fnet_jax.runtime.memory import use_huge_pages

        use_huge_pages()
    _listen()
    # Registered first, so that it is called last.
    atexit.register(_leave)
    # Semaphores that an interrupted pool leaves are removed by Python without a word.
    quiet = "ignore:resource_tracker"
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [os.environ.get("PYTHONWARNINGS"), quiet]))
    _status = import_module(module).main(**options)
    sys.exit(_status)


def _use_utf8() -> None:
    """Starts the program again where the locale has no name for every file.

    Libraries in C++ take names as UTF-8, and fail for those that Python cannot decode.
    """
    if sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8") == "1":
        return
    os.environ["PYTHONUTF8"] = "1"
    if sys.executable and os.name == "posix":
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def when_interrupted(line: str) -> None:
    """Sets the line that an interruption prints from now on."""
    global _line
    _line = line


def _listen() -> None:
    """Handles the signals that ask to end, unless another handler takes the place of this one."""
    global _terminal
    with suppress(OSError):  # standard error is closed
        _terminal = os.dup(2)
    for number in ASKED:
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _handle)
    # Python calls the handler between two of its instructions in the main thread, which may be
    # compiling for many seconds; the thread acts at once.
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), daemon=True).start()
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _watch(reader: int) -> None:
    while True:
        for number in os.read(reader, 1):
            if number in ASKED and signal.getsignal(number) is _handle:
                _stop(number)


def _handle(number: int, frame: "FrameType | None") -> None:
    _stop(number)


def _stop(number: int) -> None:
    """Ends the process and those that it started, with one line."""
    if not _ending.acquire(blocking=False):
        return
    for child in _children():
        child.kill()
    if _terminal is not None:
        with suppress(OSError):
            start = "\n" if os.isatty(_terminal) else ""  # after ^C or a progress bar
            os.write(_terminal, f"{start}{_line}\n".encode(errors="replace"))
    _clean_up()
    os._exit(STATUS if number == signal.SIGINT else 128 + number)


def _clean_up() -> None:
    """Removes what is half written; other threads still run, but are no longer heard."""
    drafts = sys.modules.get("fnet_jax.artifacts.drafts")
    if remove := getattr(drafts, "remove_own", None):
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
        remove()


def _children() -> "Iterable[Any]":
    module = sys.modules.get("multiprocessing.process")
    return [*children, *getattr(module, "active_children", list)()]


def _leave() -> None:
    """Ends a process whose work is done, before Python takes its modules and threads apart."""
    if _status is None:  # an error is on its way
        return
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # nobody listens
            stream.flush()
    if not _ending.acquire(blocking=False):
        time.sleep(60)  # the other thread is about to end the process
    os._exit(_status)
