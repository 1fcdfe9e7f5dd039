import json
from pathlib import Path

import numpy as np

from eval.downstream import table2
from eval.downstream.intervals import Summary
from eval.downstream.scenes import SceneSet
from eval.downstream.splits import Split
from eval.downstream.study import Study
from eval.downstream.training import Budget

CLASSES = tuple(table2.SAME["segment"])


def study(classes=CLASSES, task="segment"):
    return Study(
        out=Path("out"),
        scenes=SceneSet("MSRS", task, classes, ()),
        split=Split("official", ("a",), ("b",)),
        budget=Budget("quick", 1, 4, 1e-3),
        seeds=(0,),
        python=Path("python"),
        data="0" * 64,
        program="a program",
        versions={"torch": "1"},
    )


def result(values, halves=0.1):
    values = np.asarray(values, float)
    around = np.stack([values - halves, values + halves], axis=-1)
    return table2.Result(
        "title",
        Split("official", ("a",), ("b",)),
        Summary(
            methods=("Visible", "FNet"),
            values=values,
            intervals=around,
            seeds=(1, 1),
            against="Visible",
            differences=around - values[:1, :, None],
        ),
        {"Visible": [values[0].tolist()], "FNet": [values[1].tolist()]},
    )


def test_the_papers_numbers_are_in_our_order_of_classes():
    ours = table2.paper("segment", CLASSES)
    assert ours["FNet"][CLASSES.index("bump")] == 0.901
    assert ours["FNet"][-1] == 0.780
    swapped = (CLASSES[1], CLASSES[0], *CLASSES[2:])
    theirs = table2.paper("segment", swapped)
    assert theirs["Visible"][:2] == ours["Visible"][1::-1]
    boxes = table2.paper("detect", tuple(table2.SAME["detect"]))
    assert boxes["LapH"] == [0.564, 0.706, 0.775, 0.474, 0.571, 0.621, 0.618]
    assert table2.paper("detect", ("person", "bicycle", "car")) is None


def test_every_average_of_the_paper_is_that_of_its_classes():
    """Printed with three digits; three of 30 are off by more than rounding, as printed."""
    off = []
    for task, classes in table2.SAME.items():
        for method, values in table2.paper(task, tuple(classes)).items():
            if abs(np.mean(values[:-1]) - values[-1]) > 0.0011:
                off.append((task, method))
    assert len(off) <= 3, off


def test_the_table():
    values = np.full((2, 10), 0.5)
    values[1, -1], values[:, 3] = 0.75, np.nan
    text = table2.table(study(), result(values))
    head, _, visible, paper, fnet, *_ = text.splitlines()
    assert head.split("|")[2].strip() == "unlabelled"
    assert visible.startswith("| Visible | **0.500** [0.400, 0.600] |")
    assert paper.startswith("| *the paper* | *0.981* |")
    assert fnet.endswith("| **0.750** [0.650, 0.850] |")
    assert fnet.split("|")[5].strip() == "–"


def test_differences_that_are_clear_are_bold():
    values = np.full((2, 10), 0.5)
    values[1, 0], values[1, 1], values[1, 2] = 0.7, 0.55, 0.2
    (row,) = table2.differences(study(), result(values)).splitlines()[2:]
    cells = [cell.strip() for cell in row.split("|")[2:-1]]
    assert cells[0] == "**+0.200** [+0.100, +0.300]"
    assert cells[1] == "+0.050 [-0.050, +0.150]"
    assert cells[2].startswith("**-0.300**")


def test_the_report_is_strict_json_and_names_its_data():
    values = np.full((2, 10), 0.5)
    values[0, 2] = np.nan
    results = [result(values)]
    content = table2.as_json(study(), results, {"date": "today"})
    text = json.dumps(content, allow_nan=False)
    assert json.loads(text)["results"][0]["methods"]["Visible"]["mean"][2] is None
    page = table2.as_markdown(study(), results, ["date: today"])
    for word in ("IoU on MSRS", "1 scene to train", "1 scene to test", "date: today", "2411.04519"):
        assert word in page
