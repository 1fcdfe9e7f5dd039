"""``eval.score``: the command, as a user runs it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from command import run

from fnet_jax import images
from fnet_jax.commands import score
from fnet_jax.report import FILES
from fnet_jax.synthetic import random_scene


@pytest.fixture
def workdir(tmp_path, monkeypatch):
    """Seven pairs in ``vi`` and ``ir``; ``good`` has their means, ``bad`` noisy ones."""
    for folder in ("vi", "ir", "good", "bad"):
        (tmp_path / folder).mkdir()
    rng = np.random.default_rng(0)
    for number in range(7):
        visible, infrared = random_scene(48, 64, seed=number)
        mean = (visible.astype(int) + infrared[..., None]) // 2
        noisy = np.clip(mean + rng.normal(0, 30, mean.shape), 0, 255)
        pictures = {"vi": visible, "ir": infrared, "good": mean, "bad": noisy}
        for folder, picture in pictures.items():
            images.write(tmp_path / folder / f"{number}.png", picture.astype(np.uint8))
    monkeypatch.chdir(tmp_path)
    return tmp_path


SOURCES = ["--i1", "vi", "--i2", "ir"]
METHODS = ["--method", "the mean=good", "--method", "A&B_1=bad"]


def main(*arguments):
    return score.main([*SOURCES, "--workers", "1", *arguments])


def test_the_command_compares_methods(workdir):
    done = run("eval.score", *SOURCES, *METHODS, "--out", "report", cwd=workdir)
    assert done.returncode == 0, done.stderr
    assert "scored 7 pairs in " in done.stdout
    assert "| the mean |" in done.stdout
    assert {path.name for path in (workdir / "report").iterdir()} == set(FILES)

    rows = list(csv.DictReader((workdir / "report/scores.csv").open()))
    content = json.loads((workdir / "report/scores.json").read_text())
    assert len(rows) == 14
    for row in rows:
        values = content["values"][row["method"]][row["image"]]
        assert float(row["SSIM"]) == values["SSIM"]
    of = content["means"]
    for metric in ("VIF", "Qabf", "SSIM", "CC", "MSE"):  # not PSNR, whose peak here is the image's
        assert of["the mean"][metric]["mark"] == "best", metric
    assert of["the mean"]["MSE"]["mean"] < of["A&B_1"]["MSE"]["mean"]
    assert {"date", "versions", "profile"} <= content["provenance"].keys()
    page = (workdir / "report/scores.html").read_text()
    assert "A&amp;B_1" in page
    assert "data:image/jpeg" in page
    assert r"A\&B\_1" in (workdir / "report/scores.tex").read_text()
    assert (workdir / "report/scores.md").read_text() in done.stdout


def test_explain(capsys):
    assert score.main(["--explain"]) == 0
    whole = capsys.readouterr().out
    assert score.main(["--explain", "--metrics", "SSIM"]) == 0
    part = capsys.readouterr().out
    assert "Mutual information" in whole
    assert "Mutual information" not in part
    assert "data_range = 2," in part
    assert score.main(["--explain", "--metrics", "XY"]) == 1
    assert "no metric is called 'XY'" in capsys.readouterr().err


def test_a_report_is_not_replaced_unasked(workdir, capsys):
    assert main("--fused", "good", "--metrics", "MI", "--out", "report") == 0
    before = (workdir / "report/scores.json").read_text()
    assert main("--fused", "bad", "--metrics", "MI", "--out", "report") == 1
    assert "is there already; give --overwrite" in capsys.readouterr().err
    assert (workdir / "report/scores.json").read_text() == before
    assert main("--fused", "bad", "--metrics", "MI", "--out", "report", "--overwrite") == 0
    assert list(json.loads((workdir / "report/scores.json").read_text())["methods"]) == ["bad"]


def test_what_fails_is_named_and_the_rest_is_scored(workdir, capsys):
    Path("good/3.png").write_bytes(b"no image")
    Path("good/5.png").unlink()
    assert main("--fused", "good", "--out", "report") == 1
    said = capsys.readouterr()
    assert "error: good/3.png: not an image" in said.err
    assert "error: vi/5.png: has no partner" in said.err
    values = json.loads((workdir / "report/scores.json").read_text())["values"]["good"]
    assert values["3"]["MI"] is None
    assert values["2"]["MI"] > 0
    assert "good has no values for 1 of 6 images" in said.out


def test_profiles_and_metrics_are_chosen(workdir, capsys):
    assert main("--fused", "good", "--profile", "textbook", "--metrics", "SSIM,MI") == 0
    said = capsys.readouterr().out
    assert "| Method | MI ↑ | SSIM ↑ |" in said
    assert "profile textbook" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fused", "nowhere"], "nowhere: no such file or folder"),
        (["--fused", "good", "--metrics", "XY"], "profile paper has no metric 'XY'"),
        (["--fused", "good", "--method", "good=bad"], "another method is called good"),
        (["--fused", "good", "--out", "vi/0.png"], "vi/0.png: cannot be written"),
    ],
)
def test_what_cannot_be_used_is_named(workdir, capsys, arguments, message):
    assert main(*arguments) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        SOURCES,
        ["--i1", "vi", "--fused", "good"],
        [*SOURCES, "--method", "good"],
        [*SOURCES, "--method", "=good"],
        [*SOURCES, "--fused", "good", "--profile", "mine"],
    ],
)
def test_wrong_options_end_with_2(workdir, arguments):
    with pytest.raises(SystemExit) as ended:
        score.main(arguments)
    assert ended.value.code == 2


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as ended:
        score.main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for word in ("--explain", "textbook", "examples:", "scores.html", "exit status"):
        assert word in said
