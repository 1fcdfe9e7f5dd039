"""``python -m eval.detect``, with a stand-in for ultralytics."""

import json
import os
import shutil

import command
import pytest
import study_checks
from downstream_folders import m3fd, msrs, text, voc
from made_up_jobs import TOOLS, environment_of

from eval.downstream.detect import main
from fnet_jax import images

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and locks of POSIX")


@pytest.fixture
def study(tmp_path):
    """Runs the command on a made-up set with boxes; returns its status."""
    names = [f"{n:05}D" for n in range(10, 100, 10)]
    data = msrs(tmp_path / "data", train=names[:6], test=names[6:])
    for number, path in enumerate(sorted(data.glob("*/boxes/*.txt"))):
        rows = [f"{k} {0.3 + 0.1 * k} 0.5 0.2 {0.3 + number / 100}" for k in range(3)]
        text(path, "\n".join(rows) + "\n")
    python = environment_of(tmp_path / "env", TOOLS)

    def go(*more):
        call = [f"--data={data}", f"--out={tmp_path / 'out'}", f"--python={python}", "--epochs=2"]
        return main(command.flags([*call, "--method=Visible"], *more))

    return go


def test_the_whole_way(study, tmp_path, capsys):
    assert study("--method=Visible", "--method=Mean", "--seeds=2") == 0
    out = capsys.readouterr().out
    assert "Mean, seed 1: epoch 2 of 2" in out
    found = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))
    assert found["classes"] == ["person", "bicycle", "car", "Average"]
    for scores in found["results"][0]["methods"].values():
        assert scores["mean"] == pytest.approx([1, 1, 1, 1])  # the stand-in finds what is there
        assert len(scores["seeds"]) == 2
    text = (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert "*the paper*" not in text  # whose classes are others
    assert "ultralytics 8.4.190" in text
    assert "pycocotools" in text
    for name in ("found_official.png", "curves_official.png"):
        assert images.read(tmp_path / "out" / name).size
    done = sorted(tmp_path.glob("out/runs/*/*/*/done.json"))
    before = [path.stat().st_mtime_ns for path in done]
    assert study("--method=Visible", "--method=Mean", "--seeds=2") == 0
    assert [path.stat().st_mtime_ns for path in done] == before


def test_one_model_on_the_images_of_all(study, tmp_path):
    assert study("--method=Visible", "--method=Mean", "--fixed=Mean", "--seeds=1") == 0
    assert len(list(tmp_path.glob("out/runs/*/*/seed0/done.json"))) == 1
    path = tmp_path / "out/report_trained_on_Mean.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    assert list(found["results"][0]["methods"]) == ["Visible", "Mean"]


def test_boxes_that_cannot_be_are_named_before_anything_is_trained(study, tmp_path, capsys):
    path = next((tmp_path / "data/train/boxes").glob("*.txt"))
    text(path, "1 0.9 0.5 0.4 0.5\n")
    assert study("--method=Visible", "--seeds=1") == 1
    said = capsys.readouterr().err
    assert path.name in said
    assert "use --skip-bad" in said
    assert not (tmp_path / "out/runs").exists()


def test_a_program_that_is_missing_is_named_with_the_remedy(study, tmp_path, capsys):
    assert study(f"--python={tmp_path / 'no/python'}") == 1
    assert "run make downstream" in capsys.readouterr().err


def test_m3fd_gets_a_split_by_names(tmp_path, capsys):
    data = m3fd(tmp_path / "M3FD", count=21)
    assert main([f"--data={data}", "--leaks"]) == 0
    assert "M3FD, split hash: " in capsys.readouterr().out


def test_scores_are_enough_to_continue_elsewhere(study, tmp_path, capsys):
    study_checks.scores_are_enough_to_continue_elsewhere(study, tmp_path, capsys)


def test_the_same_models_against_other_boxes(study, tmp_path, capsys):
    """The stand-in finds the set's own boxes, so against others it finds less."""
    theirs = tmp_path / "theirs"
    for path in (tmp_path / "data/test/boxes").glob("*.txt"):
        rows = path.read_text(encoding="utf-8").splitlines()
        text(theirs / path.name, "\n".join([rows[0], rows[1].replace("0.4 0.5", "0.7 0.5")]))
    flags = ["--method=Visible", "--seeds=1", f"--boxes=theirs={theirs}", "--fixed=Visible"]
    assert study(*flags) == 0
    path = tmp_path / "out/report_trained_on_Visible.json"
    own, other = json.loads(path.read_text(encoding="utf-8"))["results"]
    assert own["methods"]["Visible"]["mean"] == pytest.approx([1, 1, 1, 1])
    assert other["methods"]["Visible"]["mean"] == [pytest.approx(1), 0, None, pytest.approx(0.5)]
    assert "against the boxes *theirs*" in other["title"]
    assert own["content"] == "boxes of person 3, bicycle 3, car 3"
    assert other["content"] == "boxes of person 3, bicycle 3, car 0"

    kept = list(tmp_path.glob("out/runs/*/*/*/scores on Visible*.npz"))
    assert len(kept) == 2
    for folder in tmp_path.glob("out/runs/*/*/*/on"):
        shutil.rmtree(folder)
    assert study(*flags) == 0  # the scores are enough
    text(theirs / path_of_first(theirs), "0 0.5 0.5 0.1 0.1\n")
    assert study(*flags) == 1  # but they are of the boxes that were there
    assert "only other scores of this model do" in capsys.readouterr().err


def path_of_first(folder):
    return sorted(folder.iterdir())[0].name


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("missing", "has no boxes of 1 scene, such as 00070D; add 00070D.txt"),
        ("twice", "00070D.xml are of the same scene"),
        ("outside", "outside the image of 32×24 pixels"),
        ("class", "has class 3, but the classes are 0 to 2"),
    ],
)
def test_other_boxes_are_checked_before_anything_is_trained(study, tmp_path, capsys, change, words):
    theirs = tmp_path / "theirs"
    shutil.copytree(tmp_path / "data/test/boxes", theirs)
    first = theirs / "00070D.txt"
    if change == "missing":
        first.unlink()
    elif change == "twice":
        text(first.with_suffix(".xml"), voc([]))
    else:
        text(first, {"outside": "0 0.9 0.5 0.4 0.5\n", "class": "3 0.5 0.5 0.4 0.5\n"}[change])
    assert study(f"--boxes=theirs={theirs}") == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out/runs").exists()


def test_flags_of_the_other_command_are_unknown(study, capsys):
    for flag in ("--backbone=x", "--boxes=x", "--boxes==y", "--detector=z"):
        with pytest.raises(SystemExit) as stopped:
            study(flag)
        assert stopped.value.code == 2
    capsys.readouterr()


def test_without_any_box_there_is_a_report_all_the_same(study, tmp_path):
    for path in (tmp_path / "data/test/boxes").glob("*.txt"):
        text(path, "")
    assert study("--method=Visible", "--seeds=1") == 0
    found = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))
    assert found["results"][0]["methods"]["Visible"]["mean"] == [None] * 4
