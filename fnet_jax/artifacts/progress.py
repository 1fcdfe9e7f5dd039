"""How long work reports single files that fail, and how far it is."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

Item = TypeVar("Item")

Report = Callable[[str], None]
"""Takes a line that names a file and says what is wrong with it and what to do."""


class Progress(Protocol):
    """Wraps what is worked on, to show how far the work is; ``tqdm`` is one."""

    def __call__(self, items: Iterable[Item], /, *, total: int, desc: str) -> Iterable[Item]:
        """Gives the items as they come.

        Args:
            items: what is worked on, or what is done, as it comes.
            total: number of items.
            desc: what is being done.
        """


def silent(items: Iterable[Item], /, *, total: int, desc: str) -> Iterable[Item]:
    """Shows nothing."""
    return items
