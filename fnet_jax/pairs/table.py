"""Pairs from a CSV file with the columns ``i1``, ``i2`` and, optionally, ``name``."""

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path

from fnet_jax.artifacts.files import read_bytes
from fnet_jax.errors import InputError, first_line, reason
from fnet_jax.pairs.match import Pair, sound

COLUMNS = ("i1", "i2", "name")
SEPARATORS = (",", ";", "\t")  # the second is used by spreadsheets in some locales


def read(table: Path) -> tuple[list[Pair], list[str]]:
    """Reads the pairs of a table, in its order.

    Paths are relative to the table's folder. The table is UTF-8, with or without a byte order mark;
    values may be in double quotes and contain line breaks. ``name`` names the fused image; if it is
    empty, I1's file does.

    Returns:
        The pairs, and a message with the line number for each row that gives none.

    Raises:
        InputError: the table cannot be read or lacks these columns.
    """
    try:
        # File names may be any bytes; undecodable ones simply match no file.
        text = read_bytes(table).decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise InputError(f"{table}: {reason(error)}; use a CSV file") from error
    if "\0" in text:
        raise InputError(f"{table} is not a CSV file in UTF-8; save it as one")
    head = text.lstrip("\r\n").partition("\n")[0]
    separator = max(SEPARATORS, key=head.count)
    pairs: list[Pair] = []
    places: list[str] = []
    problems: list[str] = []
    columns: list[str] | None = None
    for line, row in _rows(text, separator):
        where = f"{table}, line {line}"
        if isinstance(row, str):
            problems.append(f"{where}: {row}")
            continue
        if columns is None:
            columns = [column.strip().lower() for column in row]
            if any(columns.count(name) != 1 for name in COLUMNS[:2]) or columns.count("name") > 1:
                raise InputError(
                    f"{where}: the columns are not i1,i2 or i1,i2,name; "
                    f"add a header line with these names"
                )
            continue
        if len(row) == len(columns) - 1 and columns[-1] == "name":
            row = [*row, ""]
        if len(row) != len(columns):
            problems.append(
                f"{where}: {len(row)} values for {len(columns)} columns; correct the line"
            )
            continue
        try:
            pair = _pair(dict(zip(columns, row, strict=True)), table.parent)
        except InputError as error:
            problems.append(f"{where}: {error}")
            continue
        pairs.append(pair)
        places.append(f"{where}: ")
    if columns is None:
        raise InputError(f"{table} is empty; begin with a line i1,i2 or i1,i2,name")
    if not pairs and not problems:
        raise InputError(f"{table} has no pairs; add lines below the first")
    pairs, more = sound(pairs, places=places)
    return pairs, problems + more


def _rows(text: str, separator: str) -> Iterator[tuple[int, list[str] | str]]:
    """Nonempty rows, or what is wrong with them, with the numbers of their first lines."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True
    )
    while True:
        begin = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield begin, f"not CSV ({first_line(error)}); correct the line"
            continue
        if any(value.strip() for value in row):
            yield begin, row


def _pair(values: dict[str, str], folder: Path) -> Pair:
    """The pair of a row; raises InputError if there is none."""
    for column in COLUMNS[:2]:
        if not values[column].strip():
            raise InputError(f"{column} is empty; name a file")
    # File names are bytes; locales other than UTF-8 decode them differently.
    cells = [values[column].encode("utf-8", "surrogateescape") for column in COLUMNS[:2]]
    paths = [folder / os.fsdecode(cell) for cell in cells]
    for path in paths:
        try:
            path.stat()
        except OSError as error:
            raise InputError(f"{path}: {reason(error)}; correct the line") from error
    name = os.fsdecode(values.get("name", "").strip().encode("utf-8", "surrogateescape"))
    if "/" in name or name in (".", ".."):
        raise InputError(f"{name!r} is not a file name; use one without /")
    return Pair(paths[0], paths[1], name or None)
