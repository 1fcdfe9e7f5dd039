"""Processes that share work, and end with the one that started them."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")


class Pool(ProcessPoolExecutor):
    """A pool of fresh processes, which ignore Ctrl-C: it is for the one that started them.

    Processes are not forked, which JAX does not survive. So a script that makes a pool must guard
    its own start with ``if __name__ == "__main__":``, as Python's multiprocessing asks for.
    """

    def __init__(self, workers: int, *, prepare: Callable[[], object] | None = None) -> None:
        """Makes a pool.

        Args:
            workers: number of processes.
            prepare: is called first in each process.
        """
        context = multiprocessing.get_context("spawn")
        super().__init__(workers, context, initializer=_start, initargs=(prepare,))

    def submit(
        self, work: Callable[..., Result], /, *arguments: Any, **options: Any
    ) -> Future[Result]:
        """As :meth:`concurrent.futures.Executor.submit`; this is what starts processes."""
        with _sheltered():
            return super().submit(work, *arguments, **options)


@contextmanager
def _sheltered() -> Iterator[None]:
    """Processes started in here have Ctrl-C blocked before they can ignore it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(prepare: Callable[[], object] | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    if prepare:
        prepare()


def _leave_with_parent() -> None:
    """Ends this process when its parent has ended, if only by being killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
