"""Numbers and lists in the words of messages and reports."""

from collections.abc import Iterable


def counted(number: int, noun: str) -> str:
    """``1 pair``, ``1,444 pairs``."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def listed(words: Iterable[str], *, last: str = "or") -> str:
    """``a, b or c``; empty if there is no word."""
    *first, end = list(words) or [""]
    return f"{', '.join(first)} {last} {end}" if first else end
