"""How a command starts and ends as a program of its own.

Ctrl-C gives one line and exit status 130 at any time: while modules are imported, while XLA
compiles, and while Python shuts down, where a ``KeyboardInterrupt`` would be late, swallowed, or a
traceback. SIGTERM (``kill``, ``timeout``, a scheduler) does the same with status 143, and SIGHUP (a
closed terminal) with 129 unless ``nohup`` ignores it. Unfinished output is removed, and child
processes are killed. This module is small so that it can be imported before all others.
"""

import atexit
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module

TYPE_CHECKING = False  # as in typing, which is slow to import
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType
    from typing import Any, NoReturn

OURS = ("fnet_jax", "train", "eval")
STATUS = 130  # exit status after an interruption
ASKED = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]

children: "set[Any]" = set()  # processes that end with this one; have kill()
_line = "stopped; nothing was changed"
_status: int | None = None  # exit status, once the command has returned
_ending = threading.Lock()  # held by the thread that ends the process
_terminal: int | None = None  # standard error, even if it is redirected later


def run(module: str, *, huge_pages: bool = False, **options: "Any") -> "NoReturn":
    """Runs the ``main`` of a command's module and exits with the status that it returns.

    Must be called first in a program, before anything slow is imported.

    Args:
        module: name of the module.
        huge_pages: restart the program with large arrays in huge pages, where that helps.
        options: arguments of its ``main``.
    """
    global _status
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        # Signals are held until the handler is installed, even across a restart, and even if they
        # were ignored, as in the background of a shell script.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    _use_utf8()
    if huge_pages:
        from fnet_jax.runtime.memory import use_huge_pages

        use_huge_pages()
    _listen()
    # Registered first, so that it runs last.
    atexit.register(_leave)
    # Python removes the semaphores of an interrupted pool; suppress its warning.
    quiet = "ignore:resource_tracker"
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [os.environ.get("PYTHONWARNINGS"), quiet]))
    try:
        _status = import_module(module).main(**options)
    except ModuleNotFoundError as error:
        if not error.name or error.name.split(".")[0] in OURS:
            raise
        sys.exit(f"error: {error.name} is not installed; run pip install -e '.[train]'")
    sys.exit(_status)


def _use_utf8() -> None:
    """Restarts the program in UTF-8 mode if the locale cannot represent every file name.

    C++ libraries expect names in UTF-8, and fail for those that Python cannot decode.
    """
    if sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8") == "1":
        return
    os.environ["PYTHONUTF8"] = "1"
    if sys.executable and os.name == "posix":
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def when_interrupted(line: str) -> None:
    """Sets the line that an interruption prints."""
    global _line
    _line = line


def _listen() -> None:
    """Installs a handler for the signals that end a process."""
    global _terminal
    with suppress(OSError):  # standard error is closed
        _terminal = os.dup(2)
    for number in ASKED:
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _handle)
    # Python runs handlers between instructions of the main thread, which may be compiling for many
    # seconds; the watching thread acts at once.
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
    """Ends the process and its children, with one line."""
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
    """Removes unfinished output; other threads still run, but their output is discarded."""
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
    """Ends a finished process before Python tears down modules and threads."""
    if _status is None:  # an error is being raised
        return
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # the reader has gone
            stream.flush()
    if not _ending.acquire(blocking=False):
        time.sleep(60)  # another thread is about to end the process
    os._exit(_status)
