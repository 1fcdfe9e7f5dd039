"""Formatting of numbers and lists for messages and reports."""

from collections.abc import Iterable


def counted(number: int, noun: str) -> str:
    """``1 pair``, ``1,444 pairs``."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def one_line(text: str) -> str:
    """The text without line breaks, whatever the file names in it contain."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def listed(words: Iterable[str], *, last: str = "or") -> str:
    """``a, b or c``; empty if there are no words."""
    *first, end = list(words) or [""]
    return f"{', '.join(first)} {last} {end}" if first else end
