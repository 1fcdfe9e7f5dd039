import csv
import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from command import ROOT
from made_up_scores import INF, NAN, compared, noisy, scored

from fnet_jax.scoring import tables

PROVENANCE = {"date": "2026-01-31", "weights": "a_b|c <d>"}
HOSTILE = ("a<b>", "R&D", "a_b", "x|y", "50%", "*bold*", "back\\slash", "$x^2~#{}", "two\nlines")


@pytest.fixture
def scores(rng):
    scores = noisy(rng, [1, 2, 1.5], images=8, metrics=("MI", "CE", "PSNR"))
    scores.values[0, 2, 0] = NAN
    scores.values[1, 3, 2] = INF
    scores.values[2, 4, 2] = -INF
    return scores


@pytest.fixture
def hostile(rng):
    return scored(rng.normal(size=(len(HOSTILE), 3, 2)), methods=HOSTILE)


def test_csv_is_read_back(scores):
    header, *rows = csv.reader(io.StringIO(tables.scores_csv(scores)))
    assert header == ["image", "method", "MI", "CE", "PSNR"]
    assert [row[:2] for row in rows[:4]] == [["00", "A"], ["00", "B"], ["00", "C"], ["01", "A"]]
    values = np.array([row[2:] for row in rows], np.float64).reshape(8, 3, 3)
    np.testing.assert_array_equal(values.swapaxes(0, 1), scores.values)


def test_csv_of_means_is_read_back(scores):
    comparison = compared(scores)
    rows = list(csv.DictReader(io.StringIO(tables.means_csv(scores, comparison))))
    assert len(rows) == 9
    means = np.array([row["mean"] for row in rows], np.float64).reshape(3, 3)
    np.testing.assert_array_equal(means, comparison.means)
    low = np.array([row["low"] for row in rows], np.float64).reshape(3, 3)
    np.testing.assert_array_equal(low, comparison.intervals[..., 0])
    assert [row["images"] for row in rows[:3]] == ["7", "8", "8"]
    assert rows[3]["mark"] == "best"


def refuse(word):
    raise AssertionError(f"{word} is not JSON")


def test_json_is_strict_and_has_everything(scores):
    comparison = compared(scores)
    read = json.loads(tables.as_json(scores, comparison, PROVENANCE), parse_constant=refuse)
    assert read["profile"] == "paper"
    assert read["provenance"] == PROVENANCE
    assert tuple(read["notes"]) == comparison.notes
    assert read["metrics"]["CE"]["higher_is_better"] is False
    assert read["metrics"]["CE"]["options"] == {"combine": "sum"}
    special = {None: NAN, "Infinity": INF, "-Infinity": -INF}
    values = [
        [[special.get(x, x) for x in read["values"][m][image].values()] for image in scores.images]
        for m in scores.methods
    ]
    np.testing.assert_array_equal(np.array(values), scores.values)
    assert read["means"]["B"]["PSNR"] == {
        "mean": "Infinity",
        "interval": [None, None],
        "images": 8,
        "mark": "best",
    }
    assert read["means"]["A"]["CE"]["mean"] == comparison.means[0, 1]
    assert read["means"]["A"]["CE"]["interval"] == comparison.intervals[0, 1].tolist()
    assert len(read["tests"]) == 9
    test = read["tests"][4]
    assert (test["metric"], test["methods"], test["images"]) == ("CE", ["A", "C"], 8)
    assert test["p"] == comparison.p[0, 2, 1]


def cells(line):
    """The cells of a row of Markdown, which a pipe with a backslash does not end."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_markdown_marks_best_and_second():
    values = [[[1.0, 1.0]], [[2.0, 2.0]], [[3.0, 3.0]]]
    scores = scored(values)
    text = tables.as_markdown(scores, compared(scores), PROVENANCE)
    rows = [cells(line) for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == ["Method", "MI ↑", "CE ↓"]
    assert rows[2:5] == [
        ["A", "1.000", "**1.000**"],
        ["B", "<u>2.000</u>", "<u>2.000</u>"],
        ["C", "**3.000**", "3.000"],
    ]
    assert "Means over 1 image, profile paper" in text
    assert "- date: 2026-01-31\n- weights: a\\_b\\|c &lt;d&gt;\n" in text


def test_markdown_has_intervals_and_notes(scores):
    comparison = compared(scores)
    text = tables.as_markdown(scores, comparison, {})
    low, high = (tables.digits(end) for end in comparison.intervals[2, 1])
    row = next(line for line in text.splitlines() if re.match(r"\| CE ↓ \|.*\[", line))
    assert cells(row)[3] == f"{tables.digits(comparison.means[2, 1])} [{low}, {high}]"
    assert text.count("\n- ") == len(comparison.notes) + 1  # no provenance is said to be none


def test_names_do_not_break_markdown(hostile):
    text = tables.as_markdown(hostile, compared(hostile), {"a|b": "<script>"})
    rows = [cells(line) for line in text.splitlines() if line.startswith("|")]
    # Methods are rows of the first table, with two metrics, and columns of the second.
    assert [len(row) for row in rows[: 2 + len(HOSTILE)]] == [3] * (2 + len(HOSTILE))
    assert {len(row) for row in rows[2 + len(HOSTILE) :]} == {1 + len(HOSTILE)}
    names = [row[0] for row in rows[2 : 2 + len(HOSTILE)]]
    assert names[:6] == ["a&lt;b&gt;", "R&amp;D", "a\\_b", "x\\|y", "50%", "\\*bold\\*"]
    assert names[8] == "two lines"
    assert "<script>" not in text


def test_latex_is_a_table_of_booktabs(scores):
    comparison = compared(scores)
    lines = tables.as_latex(scores, comparison, PROVENANCE).splitlines()
    body = [line for line in lines if not line.startswith("%")]
    assert body[:4] == [
        r"\begin{tabular}{lrrr}",
        r"\toprule",
        r"Method & MI $\uparrow$ & CE $\downarrow$ & PSNR $\uparrow$ \\",
        r"\midrule",
    ]
    assert body[7:] == [r"\bottomrule", r"\end{tabular}"]
    assert r"\textbf{$\infty$}" in body[5]
    assert r"$-$$\infty$" in body[6]
    assert all(len(line.split(" & ")) == 4 for line in body[4:7])
    marks = comparison.marks
    assert "".join(body).count(r"\textbf{") == (marks == "best").sum()
    assert "".join(body).count(r"\underline{") == (marks == "second").sum()
    assert "% weights: a_b|c <d>" in lines


def test_names_do_not_break_latex(hostile):
    text = tables.as_latex(hostile, compared(hostile), {"note": "two\nlines"})
    rows = [line for line in text.splitlines() if line.endswith(r"\\")][1:]
    assert [row.split(" & ")[0] for row in rows] == [
        r"a\textless{}b\textgreater{}",
        r"R\&D",
        r"a\_b",
        r"x\textbar{}y",
        r"50\%",
        "*bold*",
        r"back\textbackslash{}slash",
        r"\$x\textasciicircum{}2\textasciitilde{}\#\{\}",
        "two lines",
    ]
    assert "% note: two lines" in text


def test_names_do_not_break_csv_and_json(hostile):
    comparison = compared(hostile)
    rows = list(csv.reader(io.StringIO(tables.scores_csv(hostile))))
    assert tuple(row[1] for row in rows[1:10]) == HOSTILE
    read = json.loads(tables.as_json(hostile, comparison, {}))
    assert tuple(read["values"]) == HOSTILE


def test_undefined_means_are_a_dash(rng):
    scores = noisy(rng, [1, 2], metrics=("MI", "CC"))
    scores.values[..., 1] = NAN
    comparison = compared(scores)
    assert "| – |" in tables.as_markdown(scores, comparison, {})
    assert r"& -- \\" in tables.as_latex(scores, comparison, {})


def test_neither_jax_nor_the_slow_libraries_of_the_page_are_imported():
    code = (
        "import sys, fnet_jax.scoring.page, fnet_jax.scoring.tables, fnet_jax.scoring.compare;"
        "print([m for m in ('jax', 'flax', 'jinja2', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.split() == [b"[]"]
