"""A pool of processes that end with the process that started them."""

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
    """A pool of fresh processes, which ignore Ctrl-C: their parent handles it.

    Processes are not forked, as JAX does not survive that. A script that makes a pool must
    therefore guard its start with ``if __name__ == "__main__":``, as multiprocessing requires.
    """

    def __init__(self, workers: int, *, prepare: Callable[[], object] | None = None) -> None:
        """Makes a pool of ``workers`` processes, each of which first calls ``prepare``."""
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
    """Blocks Ctrl-C in processes started within, until they can ignore it."""
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
    """Ends this process when its parent ends, even if the parent is killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
