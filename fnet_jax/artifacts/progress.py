"""How long-running work reports failures of single files, and its progress."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

Item = TypeVar("Item")

Report = Callable[[str], None]
"""Takes a line that names a file, says what is wrong with it and what to do."""


class Progress(Protocol):
    """Wraps an iterable to show progress; ``tqdm`` is one."""

    def __call__(self, items: Iterable[Item], /, *, total: int, desc: str) -> Iterable[Item]:
        """Yields the items, of which there are ``total``; ``desc`` labels the work."""


def silent(items: Iterable[Item], /, *, total: int, desc: str) -> Iterable[Item]:
    """Shows no progress."""
    return items
