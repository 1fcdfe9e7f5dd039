"""``python -m eval.segment``, with a stand-in for the program that trains."""

import json
import shutil
import sys
from pathlib import Path

import command
import numpy as np
import pytest
import study_checks
from made_up_sets import CLASSES, msrs

from eval.downstream import segformer
from eval.downstream.segment import main
from fnet_jax import images

STAND_IN = Path(__file__).with_name("stand_in_segformer.py")


@pytest.fixture
def study(tmp_path, monkeypatch, small_checkpoint):
    """Runs the command on a made-up MSRS; returns its status."""
    monkeypatch.setattr(segformer, "PROGRAM", STAND_IN)
    monkeypatch.setattr(segformer, "PACKAGES", ("numpy", "pillow"))
    data = msrs(tmp_path / "data")

    def go(*more, out="out"):
        call = [f"--data={data}", f"--out={tmp_path / out}", f"--ckpt={small_checkpoint}"]
        call = [*call, f"--python={sys.executable}", "--epochs=2"]
        return main(command.flags(call, *more))

    return go


def report(tmp_path, name="report"):
    return json.loads((tmp_path / f"out/{name}.json").read_text(encoding="utf-8"))


def test_the_whole_way(study, tmp_path, capsys):
    assert study() == 0
    out, found = capsys.readouterr().out, report(tmp_path)
    (result,) = found["results"]
    assert list(result["methods"]) == ["Visible", "Infrared", "Mean", "FNet"]
    assert found["classes"] == [*found["classes"][:CLASSES], "Average"]
    scores = {
        m: dict(zip(found["classes"], x["mean"], strict=True)) for m, x in result["methods"].items()
    }
    # The car is in the visible image alone, the person in the infrared one alone.
    assert scores["Visible"]["car"] > 0.95 > 0.5 > scores["Infrared"]["car"]
    assert scores["Infrared"]["person"] > 0.95 > 0.5 > scores["Visible"]["person"]
    assert scores["Mean"]["Average"] > max(scores[x]["Average"] for x in ("Visible", "Infrared"))
    low, high = result["methods"]["Mean"]["difference"][-1]
    assert 0 < low <= high
    text = (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert text in out
    assert "| *the paper* | *0.981* | *0.853* |" in text
    assert "| Mean |" in text
    for word in ("SHA-256", "versions", "numpy", "weights"):
        assert word in text
    for name in ("found_official.png", "curves_official.png"):
        assert images.read(tmp_path / "out" / name).size
    assert result["split"]["sha256"] in text


def test_what_is_trained_is_kept(study, tmp_path, capsys):
    assert study("--method=Visible", "--seeds=1") == 0
    (done,) = tmp_path.glob("out/runs/official-*/Visible/seed0/done.json")
    before = done.stat().st_mtime_ns
    assert study("--method=Visible", "--method=Mean", "--seeds=2") == 0
    assert done.stat().st_mtime_ns == before
    assert len(list(tmp_path.glob("out/runs/*/*/seed*/done.json"))) == 4
    capsys.readouterr()
    assert study("--method=Visible", "--epochs=3") == 1
    assert "has a study with another budget" in capsys.readouterr().err


def test_a_killed_training_goes_on(study, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FNET_STOP_AFTER", "1")
    assert study("--method=Visible", "--seeds=1") == 1
    assert "SegFormer failed with status 1" in capsys.readouterr().err
    assert not (tmp_path / "out/report.json").exists()
    monkeypatch.delenv("FNET_STOP_AFTER")
    assert study("--method=Visible", "--seeds=1") == 0
    again = capsys.readouterr().out
    assert "epoch 2 of 2" in again
    assert "epoch 1 of 2" not in again
    whole = report(tmp_path)["results"]
    shutil.rmtree(tmp_path / "out")
    assert study("--method=Visible", "--seeds=1") == 0
    assert report(tmp_path)["results"] == whole


def test_one_model_on_the_images_of_all(study, tmp_path):
    flags = [f"--method={name}" for name in ("Visible", "Infrared", "Mean")]
    assert study(*flags, "--fixed=Visible", "--seeds=1") == 0
    assert len(list(tmp_path.glob("out/runs/*/*/seed0/done.json"))) == 1
    (result,) = report(tmp_path, "report_trained_on_Visible")["results"]
    scores = {name: x["mean"][-1] for name, x in result["methods"].items()}
    assert scores["Visible"] > scores["Infrared"]
    assert "Trained on Visible alone" in result["title"]


def test_other_splits(study, tmp_path):
    assert study("--method=Mean", "--seeds=1") == 0
    path = tmp_path / "out/split_official.json"
    split = json.loads(path.read_text(encoding="utf-8"))
    moved = split["train"][:2]
    assert study("--method=Mean", "--seeds=1", f"--split={path}") == 0
    first = report(tmp_path)["results"]
    path.write_text(json.dumps(split | {"test": [*split["test"], *moved]}), encoding="utf-8")
    assert study("--method=Mean", "--seeds=1", f"--split={path}") == 1
    assert report(tmp_path)["results"] == first


def test_bad_files_are_named_before_anything_is_trained(study, tmp_path, capsys):
    wrong = next((tmp_path / "data/train/labels").iterdir())
    images.write(wrong, np.full((32, 40), 77, np.uint8), overwrite=True)
    lost = next((tmp_path / "data/test/labels").iterdir())
    lost.unlink()
    assert study("--method=Mean", "--seeds=1") == 1
    said = capsys.readouterr().err
    assert wrong.name in said
    assert lost.stem in said
    assert not (tmp_path / "out/runs").exists()
    assert study("--method=Mean", "--seeds=1", "--skip-bad") == 1  # something was wrong
    assert len(report(tmp_path)["results"]) == 1


def test_help_and_wrong_flags(capsys):
    for wrong in (
        [],
        ["--data=x"],
        ["--data=x", "--out=y", "--method=Foo"],
        ["--data=x", "--out=y", "--split=z"],
        ["--data=x", "--out=y", "--fixed=visible"],
        ["--data=x", "--out=y", "--method=Mean", "--method=mean=z"],
    ):
        with pytest.raises(SystemExit) as stopped:
            main(wrong)
        assert stopped.value.code == 2
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    for word in ("make downstream", "MFNet", "--fixed", "--leaks", "exit status"):
        assert word in shown


def test_scores_are_enough_to_continue_elsewhere(study, tmp_path, capsys):
    study_checks.scores_are_enough_to_continue_elsewhere(study, tmp_path, capsys)


def test_another_start_is_another_study(study, tmp_path, capsys):
    assert study("--method=Visible", "--seeds=1") == 0
    assert study("--method=Visible", "--seeds=1", "--backbone=some/weights") == 1
    assert "has a study with another start" in capsys.readouterr().err


def test_another_precision_is_another_study(study, tmp_path, capsys):
    assert study("--method=Visible", "--seeds=1", "--bfloat16") == 0
    (job,) = tmp_path.glob("out/runs/*/Visible/seed0/job.json")
    assert json.loads(job.read_text(encoding="utf-8"))["bfloat16"] is True
    assert study("--method=Visible", "--seeds=1") == 1
    assert "has a study with another program" in capsys.readouterr().err


def test_scores_are_not_those_of_other_images(study, tmp_path, capsys, rng):
    theirs = tmp_path / "theirs"
    theirs.mkdir()

    def fused():
        for path in tmp_path.glob("data/*/vi/*.png"):
            image = rng.integers(0, 256, (32, 40, 3)).astype(np.uint8)
            images.write(theirs / path.name, image, overwrite=True)

    flags = [f"--method=U2={theirs}", "--method=Visible", "--seeds=1"]
    fused()
    assert study(*flags) == 0
    assert study(*flags, "--fixed=Visible") == 0
    fused()
    assert study(*flags) == 1
    assert "U2 has images of other sources" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "out/images/U2")
    for more in ([], ["--fixed=Visible"]):
        assert study(*flags, *more) == 1
        assert "is of other images than" in capsys.readouterr().err


def test_after_a_failure_nothing_else_is_begun(study, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FNET_STOP_AFTER", "1")
    assert study("--method=Visible", "--method=Infrared", "--method=Mean", "--seeds=2") == 1
    assert len(list(tmp_path.glob("out/runs/*/*/*/job.json"))) == 1
    assert "status 1: " in capsys.readouterr().err


def test_images_of_another_size_are_named_before_anything_is_trained(study, tmp_path, capsys):
    odd = sorted(tmp_path.glob("data/test/vi/*.png"))[0].name
    for kind in ("vi", "ir", "labels"):
        path = tmp_path / "data/test" / kind / odd
        images.write(path, images.read(path)[:24], overwrite=True)
    assert study("--method=Visible") == 1
    assert f"{odd} is 40×24, but most are 40×32" in capsys.readouterr().err
    assert not (tmp_path / "out/runs").exists()
    assert study("--method=Visible", "--skip-bad", "--seeds=1") == 1
    assert report(tmp_path)["results"]


def test_splits_have_names_of_their_own(study, tmp_path, capsys):
    assert study("--method=Visible", "--seeds=1") == 0
    split = json.loads((tmp_path / "out/split_official.json").read_text(encoding="utf-8"))
    path = tmp_path / "b.json"
    path.write_text(json.dumps(split), encoding="utf-8")
    assert study("--method=Visible", "--split", "official", str(path)) == 1
    assert "two splits have the name official" in capsys.readouterr().err
    path.write_text(json.dumps(split | {"name": "../x"}), encoding="utf-8")
    assert study("--method=Visible", "--split", str(path)) == 1
    assert "has the invalid name '../x'" in capsys.readouterr().err
    path.write_text(json.dumps(split | {"name": "again"}), encoding="utf-8")
    assert study("--method=Visible", "--seeds=1", "--split", "official", str(path)) == 0
    one, two = report(tmp_path)["results"]
    assert one["methods"] == two["methods"]
    assert [x["split"]["name"] for x in (one, two)] == ["official", "again"]
