"""What holds for both commands of the study, with whichever program stands in."""

import json
import shutil


def scores_are_enough_to_continue_elsewhere(study, tmp_path, capsys):
    """Of two models only the scores are kept: the third is trained, and the report is the same."""
    flags = ["--method=Visible", "--method=Mean", "--seeds=1"]
    assert study(*flags) == 0
    report = tmp_path / "out/report.json"
    before = json.loads(report.read_text(encoding="utf-8"))["results"]
    for path in tmp_path.glob("out/runs/*/*/seed0"):
        scores = (path / "scores.npz").read_bytes()
        shutil.rmtree(path)
        path.mkdir()
        (path / "scores.npz").write_bytes(scores)
    report.unlink()
    capsys.readouterr()
    assert study(*flags) == 0
    assert "only the scores of some models are available" in capsys.readouterr().out
    assert json.loads(report.read_text(encoding="utf-8"))["results"] == before
    assert not list(tmp_path.glob("out/runs/*/*/seed0/done.json"))
    assert study("--method=Visible", "--method=Infrared", "--seeds=1") == 0
    assert len(list(tmp_path.glob("out/runs/*/*/seed0/done.json"))) == 1
    path = next(tmp_path.glob("out/runs/*/Visible/seed0/scores.npz"))
    path.write_bytes(path.read_bytes()[:-20])
    assert study("--method=Visible", "--seeds=1") == 1
    assert "scores.npz is damaged or of another study" in capsys.readouterr().err
