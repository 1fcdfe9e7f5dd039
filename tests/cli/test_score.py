"""``python -m eval.score``."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys

import command
import numpy as np
import pytest
from made_up_files import cut, drawn

from fnet_jax import images
from fnet_jax.cli.score import main
from fnet_jax.metrics import METRICS, PROFILES, evaluate
from fnet_jax.scoring import report, run
from fnet_jax.scoring.compare import digits
from fnet_jax.synthetic import random_scene

NAMES = ("1", "2", "3", "4", "5", "6")  # as few as a test between methods needs
SOURCES = ("--i1", "vi", "--i2", "ir")
QUICK = (*SOURCES, "--metrics", "MI,CE", "--workers", "1")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Six pairs in vi/ and ir/, their averages in fused/mean, and noise in fused/noise."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    for seed, name in enumerate(NAMES):
        visible, infrared = random_scene(48, 56, seed=seed)
        levels = {
            "vi": visible,
            "ir": infrared,
            "fused/mean": (visible.mean(axis=2) + infrared).round() // 2,
            "fused/noise": rng.integers(0, 256, infrared.shape),
        }
        for where, image in levels.items():
            (folder / where).mkdir(parents=True, exist_ok=True)
            images.write(folder / where / f"{name}.png", image.astype(np.uint8))
    return folder


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """A copy of ``made``, which is the current folder."""
    shutil.copytree(made, tmp_path / "data")
    monkeypatch.chdir(tmp_path / "data")
    return tmp_path / "data"


def means_in(path):
    """Means by method and metric, as text, of a table of means as CSV."""
    with path.open(encoding="utf-8", newline="") as file:
        return {(row["method"], row["metric"]): row for row in csv.DictReader(file)}


def table_in(text):
    """The rows of the first Markdown table, without its ruler."""
    table = re.search(r"(?:^\|.*\|\n)+", text, re.M)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert set(rows.pop(1)) == {":--", "--:"}
    return rows


def expected_means(folder, method, *, metrics=None, profile="paper"):
    """Means of a method, image by image."""
    values = []
    for name in NAMES:
        triple = (images.read(folder / x / f"{name}.png") for x in ("vi", "ir", f"fused/{method}"))
        values.append(evaluate(*triple, profile=profile, metrics=metrics))
    return {metric: np.mean([each[metric] for each in values]) for metric in values[0]}


def test_the_command_compares_two_methods(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*.png")}
    done = command.run(
        "eval.score",
        *(*SOURCES, "--method", "R&D=fused/mean", "--method", "Noise=fused/noise"),
        *("--out", "out"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert sorted(path.name for path in (folder / "out").iterdir()) == sorted(report.FILES)
    assert {path: path.read_bytes() for path in folder.rglob("*.png")} == before
    texts = {path.name: path.read_text(encoding="utf-8") for path in (folder / "out").iterdir()}
    expected = [expected_means(folder, method) for method in ("mean", "noise")]
    better = [
        (expected[0][name] > expected[1][name]) == METRICS[name].higher_is_better
        for name in METRICS
    ]

    # What is printed is the table, and how long it took.
    table, last = done.stdout[: len(texts["scores.md"])], done.stdout[len(texts["scores.md"]) :]
    assert table == texts["scores.md"]
    assert re.fullmatch(r"\nscored 6 of 6 pairs in \d+\.\d s into out\n", last)
    head, *rows = table_in(table)
    assert head == ["Method", *(f"{name} {metric.arrow}" for name, metric in METRICS.items())]
    assert [row[0] for row in rows] == ["R&amp;D", "Noise"]
    assert [cell.startswith("**") for cell in rows[0][1:]] == better
    assert [cell.startswith("**") for cell in rows[1][1:]] == [not each for each in better]
    for row, means in zip(rows, expected, strict=True):
        printed = [cell.strip("*") for cell in row[1:]]
        assert printed == [digits(mean) for mean in means.values()]
    assert "Wilcoxon" in table
    assert "profile paper" in table

    rows = list(csv.DictReader(texts["scores.csv"].splitlines()))
    assert [(row["image"], row["method"]) for row in rows] == [
        (name, method) for name in NAMES for method in ("R&D", "Noise")
    ]
    means = means_in(folder / "out/means.csv")
    read = json.loads(texts["scores.json"])
    for method, wanted in zip(("R&D", "Noise"), expected, strict=True):
        for metric, mean in wanted.items():
            row = means[method, metric]
            assert float(row["mean"]) == pytest.approx(mean)
            assert float(row["low"]) <= mean <= float(row["high"])
            assert row["images"] == "6"
            assert read["means"][method][metric]["mean"] == float(row["mean"])
    mi = next(test for test in read["tests"] if test["metric"] == "MI")
    assert mi["p"] == pytest.approx(2 / 2**6)  # of six images, all show the same difference
    assert read["profile"] == "paper"

    latex = [line for line in texts["scores.tex"].splitlines() if line.endswith(r"\\")]
    assert [line.split(" & ")[0] for line in latex] == ["Method", r"R\&D", "Noise"]
    assert [r"\textbf" in cell for cell in latex[1].split(" & ")[1:]] == better
    assert "R&amp;D" in texts["scores.html"]
    assert "Noise" in texts["scores.html"]
    assert 'src="data:image/' in texts["scores.html"]
    assert "http://" not in texts["scores.html"].replace("http://www.w3.org", "")


def test_every_bad_file_is_named_and_the_rest_is_scored(folder):
    rng = np.random.default_rng(1)
    cut(folder / "vi/1.png")
    (folder / "fused/noise/2.png").write_bytes(b"")
    drawn(rng, folder / "fused/mean", "3.png", size=(24, 28))
    (folder / "fused/noise/4.png").unlink()
    drawn(rng, folder / "ir", "7.png")
    done = command.run(
        "eval.score",
        *(*SOURCES, "--fused", "fused/mean", "--method", "Noise=fused/noise", "--out", "out"),
        *("--metrics", "MI,CE"),
        cwd=folder,
    )
    assert done.returncode == 1
    errors = done.stderr.splitlines()
    assert all(line.startswith("error: ") for line in errors), done.stderr
    for message in [
        "vi/1.png: damaged or cut short",
        "fused/noise/2.png: the file is empty",
        "fused/mean/3.png is 28×24 but vi/3.png is 56×48",
        "vi/4.png: has no partner 4.* in fused/noise",
        "ir/7.png: has no partner 7.* in vi",
    ]:
        assert sum(message in line for line in errors) == 1, message
    assert len(errors) == 5
    assert "error" not in done.stdout
    assert [row[0] for row in table_in(done.stdout)[1:]] == ["mean", "Noise"]
    means = means_in(folder / "out/means.csv")
    assert means["mean", "MI"]["images"] == "4"
    assert means["Noise", "MI"]["images"] == "3"
    values = json.loads((folder / "out/scores.json").read_text())["values"]
    undefined = {method: [n for n in NAMES if values[method][n]["MI"] is None] for method in values}
    assert undefined == {"mean": ["1", "3"], "Noise": ["1", "2", "4"]}
    assert "mean has no values for 2 of 6 images (1, 3)" in done.stdout


def test_help_teaches(tmp_path):
    done = command.run("eval.score", "--help", cwd=tmp_path)
    assert done.returncode == 0
    for word in (*METRICS, *PROFILES, "Wilcoxon", "95 %", "NAME=DIR", "scores.html", "exit status"):
        assert word in done.stdout
    for flag in (
        "i1",
        "i2",
        "fused",
        "method",
        "profile",
        "metrics",
        "out",
        "overwrite",
        "workers",
    ):
        assert f"\n  --{flag} " in done.stdout
    assert done.stdout.count("python -m eval.score --") == 4


def test_the_metrics_are_explained(tmp_path):
    done = command.run("eval.score", "--explain", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    profiles, *entries = re.split(r"\n\n(?=\w+ [↑↓]  )", done.stdout)
    assert all(f"profile {name}: " in profiles for name in PROFILES)
    for entry, (name, metric) in zip(entries, METRICS.items(), strict=True):
        assert entry.startswith(f"{name} {metric.arrow}  {metric.title}\n")
        for field in ("formula", "unit", "range", "undefined", "source", "why"):
            assert re.search(rf"\n  {field}: \S", entry), (name, field)
    assert all(len(line) <= 100 for line in done.stdout.splitlines())


def test_one_metric_is_explained(capsys):
    assert main(["--explain", "--metrics", "MI"]) == 0
    explained = capsys.readouterr().out
    assert "Mutual information" in explained
    assert "textbook: base = bits" in explained
    assert "Cross entropy" not in explained
    assert main(["--explain", "--metrics", "MIX"]) == 1
    assert "error: unknown metric 'MIX'; use one of MI, CE" in capsys.readouterr().err


def test_incomplete_calls_exit_with_2(tmp_path):
    done = command.run("eval.score", "--i1", "vi", "--i2", "ir", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        "python -m eval.score: error: use --i1, --i2 (or --pairs) and --fused or"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        *("--method=fused", "--method==fused", "--method=A=", "--profile=papr", "--workers=0"),
        *("--workers=many", "--metric-s=MI", "--metrics=", "--metric=MI", "--workers=9999999999"),
        "--i2=other",
    ],
)
def test_wrong_options_exit_with_2(capsys, wrong):
    with pytest.raises(SystemExit) as stopped:
        main([*SOURCES, "--fused", "fused/mean", wrong])
    assert stopped.value.code == 2
    assert wrong.split("=")[0] in capsys.readouterr().err


def test_a_wrong_method_is_told_how_to_write_it(capsys):
    with pytest.raises(SystemExit):
        main([*SOURCES, "--method", "fused"])
    assert "'fused' is not NAME=DIR, such as FNet=fused/TNO" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--fused", "gone"], "gone does not exist; check the name"),
        (["--fused", "fused/mean", "--i2", "gone"], "gone: no such file or directory"),
        (["--fused", "fused"], "fused contains no image file"),
        (
            ["--fused", "fused/mean/1.png"],
            "fused/mean/1.png is not a folder, but there are several sources",
        ),
        (
            ["--fused", "fused/mean", "--method", "mean=fused/noise"],
            "fused/noise: another method is already named mean",
        ),
        (
            ["--fused", "fused/mean", "--metrics", "MIX"],
            "profile paper has no metric 'MIX'; it has",
        ),
        (["--fused", "fused/mean", "--out", "vi/1.png"], "vi/1.png: cannot be written"),
    ],
    ids=["missing", "source", "empty", "file", "twice", "metric", "out"],
)
def test_what_cannot_be_scored_gets_one_line(folder, capsys, given, message):
    assert main(command.flags(QUICK, *given)) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert re.match(f"error: (?:{message})", output.err)
    assert output.err.count("\n") == 1


def test_reports_are_replaced_only_if_asked(folder, capsys):
    call = [*QUICK, "--fused", "fused/mean", "--out", "new/out"]
    assert main(call) == 0
    before = (folder / "new/out/scores.json").read_bytes()
    capsys.readouterr()
    assert main([*call, "--profile", "textbook"]) == 1
    refused = capsys.readouterr()
    assert refused.out == ""
    assert re.fullmatch(
        r"error: new/out/\w+\.\w+ already exists; use --overwrite .*\n", refused.err
    )
    assert (folder / "new/out/scores.json").read_bytes() == before
    assert main([*call, "--profile", "textbook", "--overwrite"]) == 0
    assert json.loads((folder / "new/out/scores.json").read_text())["profile"] == "textbook"
    assert "into new/out" in capsys.readouterr().out


def test_nothing_is_written_unless_asked(folder, capsys):
    before = sorted(folder.rglob("*"))
    assert main([*QUICK, "--fused", "fused/mean"]) == 0
    assert re.search(r"\nscored 6 of 6 pairs in \d+\.\d s\n\Z", capsys.readouterr().out)
    assert sorted(folder.rglob("*")) == before


def test_metrics_and_profiles_are_chosen(folder, capsys):
    call = [*SOURCES, "--fused", "fused/mean", "--workers", "1", "--profile", "textbook"]
    assert main([*call, "--metrics", "SSIM, MI,"]) == 0
    printed = capsys.readouterr().out
    head, row = table_in(printed)
    assert head == ["Method", "MI ↑", "SSIM ↑"]
    expected = expected_means(folder, "mean", metrics=("MI", "SSIM"), profile="textbook")
    assert [float(cell) for cell in row[1:]] == pytest.approx(list(expected.values()), abs=6e-4)
    assert "profile textbook" in printed
    paper = expected_means(folder, "mean", metrics=("MI", "SSIM"))
    assert abs(paper["MI"] - expected["MI"]) > 0.1  # so that the profile shows


def test_an_image_is_its_own_best_fusion(folder, capsys):
    """Values that are known beforehand, and which way is better, from the files to the report."""
    shutil.copytree(folder / "ir", folder / "copy")
    call = ["--i1", "ir", "--i2", "copy", "--method", "Noise=fused/noise", "--method", "Same=ir"]
    chosen = ["--metrics", "CE,SSIM,CC,PSNR,MSE", "--profile", "textbook", "--workers", "1"]
    assert main([*call, *chosen, "--out", "out"]) == 0
    read = json.loads((folder / "out/scores.json").read_text())
    known = {"CE": 0, "SSIM": 1, "CC": 1, "PSNR": "Infinity", "MSE": 0}
    found = {metric: about["mean"] for metric, about in read["means"]["Same"].items()}
    assert found.pop("PSNR") == known.pop("PSNR")
    assert found == pytest.approx(known)
    assert {about["mark"] for about in read["means"]["Same"].values()} == {"best"}
    assert {about["mark"] for about in read["means"]["Noise"].values()} == {None}


def test_methods_that_do_not_differ_are_told(folder, capsys):
    methods = ["--method", "A=fused/mean", "--method", "B=fused/mean", "--method=C=fused/noise"]
    assert main([*QUICK, *methods]) == 0
    printed = capsys.readouterr().out
    # The CE of noise is worse in all six images: p = 2 / 2⁶, three times that after Holm.
    assert "- CE: A does not differ from B (p = 1) and C (p = 0.094)" in printed
    _, *rows = table_in(printed)
    assert rows[0][1:] == rows[1][1:]
    assert rows[0][2].startswith("**")
    assert rows[2][2].startswith("<u>")


def test_single_files(folder, capsys):
    pair = ["--i1", "vi/1.png", "--i2", "ir/2.png", "--workers", "1", "--metrics", "MI"]
    assert main([*pair, "--fused", "fused/mean/1.png", "--method", "N=fused/noise/3.png"]) == 0
    printed = capsys.readouterr().out
    assert [row[0] for row in table_in(printed)[1:]] == ["fused", "N"]
    assert "scored 1 of 1 pair in" in printed
    assert main([*pair, "--fused", "fused/mean"]) == 1
    assert "is not a file, but vi/1.png is" in capsys.readouterr().err


def test_nothing_scored_leaves_no_report(folder, capsys):
    for path in (folder / "vi").iterdir():
        cut(path)
    assert main([*QUICK, "--fused", "fused/mean", "--out", "out"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("damaged or cut short") == 6
    assert output.err.endswith("error: no image could be scored; see the errors above\n")
    assert list((folder / "out").iterdir()) == []


def test_an_interruption_is_told(folder, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "evaluate", interrupted)
    assert main([*QUICK, "--fused", "fused/mean", "--out", "out"]) == 130
    output = capsys.readouterr()
    assert output.err == "stopped; no report was written\n"
    assert list((folder / "out").iterdir()) == []


def test_reports_are_written_though_nobody_listens(folder):
    call = [*QUICK, "--fused", "fused/mean", "--out", "out"]
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m eval.score {' '.join(call)} > /dev/full"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(command.ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert sorted(path.name for path in (folder / "out").iterdir()) == sorted(report.FILES)


def test_output_that_has_no_arrows_stops_no_report(folder):
    environment = {"PYTHONIOENCODING": "cp1252"}  # as a pipe has on Windows
    call = [*QUICK, "--fused", "fused/mean", "--out", "out"]
    done = command.run("eval.score", *call, cwd=folder, environment=environment)
    assert done.returncode == 0, done.stderr
    assert "| MI ? |" in done.stdout
    assert "MI ↑" in (folder / "out/scores.md").read_text(encoding="utf-8")


def test_sources_without_a_common_name_are_the_ones_named(folder, rng, capsys):
    drawn(rng, folder / "other", "9.png")
    assert main(command.flags(QUICK, "--i2", "other", "--fused", "fused/mean")) == 1
    assert "vi and other have no images with equal names" in capsys.readouterr().err


def test_a_method_is_called_as_the_folder_given(folder, capsys):
    (folder / "FNet").symlink_to("fused/mean")
    assert main([*QUICK, "--fused", "FNet"]) == 0
    assert "| FNet |" in capsys.readouterr().out


def test_no_metrics_are_refused(folder):
    with pytest.raises(SystemExit) as ended:
        main([*SOURCES, "--fused", "fused/mean", "--metrics", ","])
    assert ended.value.code == 2
