"""Numbers and lists in the words of messages and reports."""

from collections.abc import Iterable


def counted(number: int, noun: str) -> str:
    """``1 pair``, ``1,444 pairs``."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def one_line(text: str) -> str:
    """A text in one line, whatever the names of files in it hold."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def listed(words: Iterable[str], *, last: str = "or") -> str:
    """``a, b or c``; empty if there is no word."""
    *first, end = list(words) or [""]
    return f"{', '.join(first)} {last} {end}" if first else end
