"""Background threads that compute results ahead of time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Done = TypeVar("Done")


def ahead(
    pool: ThreadPoolExecutor, work: Callable[[Given], Done], given: Iterable[Given], most: int
) -> Iterator[Done]:
    """Yields the results in order; threads work on up to ``most`` items ahead."""
    begun: deque[Future[Done]] = deque()
    for item in given:
        begun.append(pool.submit(work, item))
        if len(begun) > most:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()
