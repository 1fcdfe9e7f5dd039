import os
from pathlib import Path

import pytest

from fnet_jax.errors import InputError
from fnet_jax.pairs.table import read


@pytest.fixture
def folder(tmp_path):
    """A folder with the images a.png to d.png, and odd names."""
    names = [*"abcd", "夜", "two\nlines", "com,ma", os.fsdecode(b"\xff")]
    for name in names:
        (tmp_path / f"{name}.png").touch()
    return tmp_path


def table(folder, text):
    path = folder / "pairs.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_pairs_in_the_order_of_the_table(folder, mark, end, separator):
    rows = ["I1,i2,name", "c.png,d.png,second", "", "a.png, b.png,", f"{folder}/a.png,c.png"]
    text = end.join(rows).replace(",", separator)
    pairs, problems = read(table(folder, mark + text.encode()))
    assert [(p.i1.name, p.i2.name, p.name) for p in pairs] == [
        ("c.png", "d.png", "second"),
        ("a.png", "b.png", "a"),
    ]
    assert pairs[0].i1 == folder / "c.png"
    assert len(problems) == 1
    assert problems[0].startswith(f"{folder}/pairs.csv, line 5: ")
    assert "its name a is already that of" in problems[0]


def test_odd_names(folder):
    text = 'i1,i2\n夜.png,"two\nlines.png"\n"com,ma.png",'.encode() + b"\xff.png\n"
    pairs, problems = read(table(folder, text))
    assert [(p.i1.stem, p.i2.stem) for p in pairs] == [
        ("夜", "two\nlines"),
        ("com,ma", os.fsdecode(b"\xff")),
    ]
    assert problems == []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.png", "1 values for 2 columns"),
        ("a.png,b.png,c.png", "3 values for 2 columns"),
        ("a.png,", "i2 is empty"),
        ("a.png,gone.png", "gone.png: no such file or directory"),
        ("a.png,./a.png", "are the same file"),
        ("a.png,pipe.png", "a named pipe"),
        ('"a"x.png,b.png', "not CSV"),
    ],
)
def test_a_bad_line_is_named_by_its_number(folder, row, message):
    os.mkfifo(folder / "pipe.png")
    path = table(folder, f"i1,i2\n\n{row}\nc.png,d.png\n")
    pairs, problems = read(path)
    assert [pair.name for pair in pairs] == ["c"]
    assert len(problems) == 1
    assert problems[0].startswith(f"{path}, line 3: ")
    assert message in problems[0]


def test_names_that_would_leave_the_folder_are_refused(folder):
    pairs, problems = read(table(folder, "i1,i2,name\na.png,b.png,../x\n"))
    assert pairs == []
    assert "line 2: '../x' is not a file name" in problems[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("i1,i2\n", "has no pairs"),
        ("a.png,b.png\n", "line 1: the columns are not i1,i2 or i1,i2,name"),
        ("i1,i2,i1\n", "the columns are not"),
        ("i1,i2\n".encode("utf-16"), "not a CSV file in UTF-8"),
    ],
)
def test_what_is_no_table_is_refused(folder, text, message):
    with pytest.raises(InputError, match=message):
        read(table(folder, text))


def test_tables_that_cannot_be_read_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for name in ("gone.csv", "pipe.csv", "."):
        with pytest.raises(InputError, match="use a CSV file"):
            read(tmp_path / Path(name))
