"""Where images come from, in every command that pairs them, as a user calls it."""

import os

import command
import numpy as np
import pytest

from fnet_jax import images
from fnet_jax.cli import explain, score
from fnet_jax.cli import fuse as fuse_command
from fnet_jax.cli.explain import ExplainConfig
from fnet_jax.cli.flags import parse
from fnet_jax.cli.fuse import FuseConfig
from fnet_jax.cli.score import ScoreConfig
from fnet_jax.explain import report

ODD = ("夜景", "two\nlines", os.fsdecode(b"by\xfftes"), "[x]*", " a;b", "tab\t\x1b[31m")
SAID = (r"夜景", r"two\nlines", r"by\udcfftes", r"tab\t\x1b[31m")


@pytest.fixture
def folders(tmp_path, rng):
    """Pairs of odd names in vi/ and ir/."""
    for name in ODD:
        drawn(rng, tmp_path / f"vi/{name}.png", color=True)
        drawn(rng, tmp_path / f"ir/{name}.png")
    return tmp_path


def drawn(rng, path, *, color=False, size=(24, 32)):
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, rng.integers(0, 256, (*size, 3) if color else size, dtype=np.uint8))


def fuse(checkpoint, folder, *more):
    return command.run(
        "eval.fuse", "--ckpt", checkpoint, "--out", "out", *more, cwd=folder,
        environment={"LC_ALL": "C.UTF-8"},
    )  # fmt: skip


def written(folder):
    return sorted(path.stem for path in images.find(folder))


def test_odd_names_in_every_command(small_checkpoint, folders, rng):
    sources = ["--i1", "vi", "--i2", "ir"]
    for name in (*ODD[:3], ODD[5]):
        drawn(rng, folders / f"vi/alone {name}.png")
    done = fuse(small_checkpoint, folders, *sources, "--sheet", "out/sheet.png")
    assert done.returncode == 1, done.stderr
    assert written(folders / "out") == sorted(ODD)
    lines = done.stderr.splitlines()
    assert len(lines) == 4, done.stderr
    for said in SAID:
        assert sum(f"vi/alone {said}.png: has no partner" in line for line in lines) == 1

    done = command.run(
        "eval.score", *sources, "--fused", "out", "--out", "scores", "--workers", "1",
        "--metrics", "MI", cwd=folders, environment={"LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.stderr.splitlines() == lines
    assert "scored 6 of 6 pairs" in done.stdout

    (folders / "own/I1").parent.mkdir()
    (folders / "vi").rename(folders / "own/I1")
    (folders / "ir").rename(folders / "own/I2")
    done = command.run(
        "train.prepare", "own", "--source", "own", "--data-dir", "data", "--skip-bad",
        cwd=folders, environment={"LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert "6 pairs (train 6)" in done.stdout, done.stderr
    assert len(done.stderr.splitlines()) == 4, done.stderr


@pytest.mark.slow  # many commands
def test_odd_names_are_explained(small_checkpoint, folders):
    for name in (*ODD[:2], *ODD[3:5]):
        (folders / f"vi/{name}.png").unlink()
        (folders / f"ir/{name}.png").unlink()
    call = ["--ckpt", small_checkpoint, "--i1", "vi", "--i2", "ir", "--out", "told"]
    done = command.run("eval.explain", *call, cwd=folders, environment={"LC_ALL": "C.UTF-8"})
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in (folders / "told").iterdir()} == {ODD[2], ODD[5]}
    assert all((path / "report.html").exists() for path in (folders / "told").iterdir())


def test_a_table_a_glob_and_a_pattern_name_the_same_pairs(small_checkpoint, tmp_path, rng):
    for scene in ("1", "2"):
        drawn(rng, tmp_path / f"all/{scene}_W.JPG", color=True)
        drawn(rng, tmp_path / f"all/{scene}_T.JPG")
    drawn(rng, tmp_path / "all/3_T.JPG")
    (tmp_path / "list.csv").write_text(
        "i1,i2,name\n" + "".join(f"all/{s}_W.JPG,all/{s}_T.JPG,{s}\n" for s in "12")
        + "all/3_W.JPG,all/3_T.JPG,3\n"
    )  # fmt: skip
    ways = {
        "all/3_T.JPG: has no partner 3_W.JPG in all": [
            *("--i1", "all", "--i2", "./all", "--pattern", "{}_W.JPG", "{}_T.JPG")
        ],
        "all/3_T.JPG: has no partner *_W.JPG in all": [
            *("--i1", "all/*_W.JPG", "--i2", "all/*_T.JPG")
        ],
        "list.csv, line 4: all/3_W.JPG: no such file": ["--pairs", "list.csv"],
    }
    fused = []
    for said, way in ways.items():
        done = fuse(small_checkpoint, tmp_path, *way, "--overwrite")
        assert done.returncode == 1
        assert done.stderr.startswith(f"error: {said}")
        assert done.stderr.count("\n") == 1
        assert "fused 2 of 3 pairs" in done.stdout
        fused.append({path.name: path.read_bytes() for path in images.find(tmp_path / "out")})
        done = command.run(
            "eval.score", *way, "--fused", "out", "--metrics", "MI", "--workers", "1", cwd=tmp_path
        )
        assert "scored 2 of 2 pairs" in done.stdout, done.stderr
        assert done.stderr.startswith(f"error: {said}")
    assert fused[0].keys() == {"1.JPG", "2.JPG"}
    assert fused[0] == fused[1] == fused[2]


def test_fused_images_are_kept_out_of_the_folder_of_the_sources(small_checkpoint, tmp_path, rng):
    for scene in ("1", "2"):
        for kind in "DN":
            drawn(rng, tmp_path / f"out/{scene}{kind}.png")
    way = ["--i1", "out", "--i2", "out", "--pattern", "{}D.png", "{}N.png"]
    done = fuse(small_checkpoint, tmp_path, *way)
    assert done.returncode == 1
    assert "is a folder of source images" in done.stderr


def test_one_folder_or_file_twice_is_refused(small_checkpoint, tmp_path, rng):
    drawn(rng, tmp_path / "vi/1.png")
    (tmp_path / "ir").symlink_to("vi")
    for i1, i2 in (("vi", "./vi/"), ("vi", "ir"), ("vi/1.png", "ir/1.png"), ("vi/*", "ir/*")):
        done = fuse(small_checkpoint, tmp_path, "--i1", i1, "--i2", i2)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert " the same f" in done.stderr
    assert not (tmp_path / "out").exists()


def test_color_in_i2_alone_is_told_and_fused(small_checkpoint, tmp_path, rng, monkeypatch, capsys):
    for name in ("1", "2"):
        drawn(rng, tmp_path / f"I1/{name}.png")
        drawn(rng, tmp_path / f"I2/{name}.png", color=True)
    said = "I1/1.png and I2/1.png: I2 shows color and I1 does not; are they swapped?\n"
    one = ["--i1", "I1/1.png", "--i2", "I2/1.png", "--overwrite"]
    done = fuse(small_checkpoint, tmp_path, *one)
    assert (done.returncode, done.stderr) == (0, f"warning: {said}")
    assert fuse(small_checkpoint, tmp_path, *one, "--color", "grey").stderr == f"warning: {said}"
    done = fuse(small_checkpoint, tmp_path, "--i1", "I1", "--i2", "I2", "--overwrite")
    assert (done.returncode, done.stderr) == (0, f"warning: 2 pairs, such as {said}")
    call = ["--source", ".", "--data-dir", "data", "--name", "x"]
    done = command.run("train.prepare", "own", *call, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, f"warning: 2 pairs, such as {said}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report, "drawings", lambda explanation: iter(()))  # which take seconds
    assert explain.main(["--ckpt", str(small_checkpoint), *one, "--out", "told"]) == 0
    assert capsys.readouterr().err == f"warning: {said}"
    done = fuse(small_checkpoint, tmp_path, "--i1", "I2", "--i2", "I1", "--overwrite")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_sheet_is_not_an_image_to_a_later_command(small_checkpoint, tmp_path, rng):
    for name in ("1", "2"):
        drawn(rng, tmp_path / f"vi/{name}.png")
        drawn(rng, tmp_path / f"ir/{name}.png")
    sources = ["--i1", "vi", "--i2", "ir"]
    assert fuse(small_checkpoint, tmp_path, *sources, "--sheet", "out/all.jpg").returncode == 0
    quick = ["--metrics", "MI", "--workers", "1"]
    done = command.run("eval.score", *sources, "--fused", "out", *quick, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "out").rename(tmp_path / "first")
    done = fuse(small_checkpoint, tmp_path, "--i1", "first", "--i2", "ir")
    assert (done.returncode, done.stderr) == (0, "")
    assert written(tmp_path / "out") == ["1", "2"]


def test_what_is_no_image_stops_nothing(small_checkpoint, tmp_path, rng):
    for side in ("vi", "ir"):
        drawn(rng, tmp_path / f"{side}/good.png")
        os.mkfifo(tmp_path / side / "pipe.png")
        (tmp_path / side / "loop.png").symlink_to("loop.png")
        (tmp_path / side / "device.png").symlink_to("/dev/zero")
        (tmp_path / side / "again").symlink_to(".")
        (tmp_path / side / "closed").mkdir(mode=0)
    done = fuse(small_checkpoint, tmp_path, "--i1", "vi", "--i2", "ir")
    assert done.returncode == 1
    assert [line.split(";")[0] for line in done.stderr.splitlines()] == [
        "error: vi/device.png: a device, not an image file",
        "error: vi/loop.png: its links form a loop",
        "error: vi/pipe.png: a named pipe, not an image file",
    ]
    assert "fused 1 of 4 pairs" in done.stdout
    for name in ("pipe.png", "loop.png", "device.png"):
        done = fuse(small_checkpoint, tmp_path, "--i1", f"vi/{name}", "--i2", "ir/good.png")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    (tmp_path / "vi/good.png").unlink()
    done = fuse(small_checkpoint, tmp_path, "--i1", "vi", "--i2", "ir")
    assert done.returncode == 1
    assert "fused 0 of 4 pairs" in done.stdout


@pytest.mark.parametrize("config", [FuseConfig, ExplainConfig, ScoreConfig])
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--i1=a", "--i2=b", "--pattern", "{}D.png", "N.png"], "'N.png' is not a pattern"),
        (["--i1=a", "--i2=b", "--pattern", "{}{}", "{}"], "'{}{}' is not a pattern"),
        (["--i1=a", "--i2=b", "--pattern", "{}D.png"], "Expected 2 values"),
        (["--pairs=a.csv", "--pattern", "{}D", "{}N"], "--pattern needs --i1 and --i2"),
        (["--i1=a", "--pattern", "{}D", "{}N"], "--pattern needs --i1 and --i2"),
        (["--i1=a", "--i2=b", "--pairs=c.csv"], "use either both --i1 and --i2, or --pairs"),
        (["--i1=a.csv", "--i2=a.csv"], "a.csv is a table; use --pairs a.csv instead"),
    ],
)
def test_flags_that_do_not_fit(config, flags, message, capsys):
    more = ["--fused=f"] if config is ScoreConfig else ["--out=o"]
    with pytest.raises(SystemExit) as stopped:
        parse(config, [*more, *flags], prog="prog")
    assert stopped.value.code == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize("config", [FuseConfig, ExplainConfig, ScoreConfig])
def test_home_is_expanded_in_every_path(config, monkeypatch):
    monkeypatch.setenv("HOME", "/home/x")
    more = ["--fused=~/f", "--method=A=~/m"] if config is ScoreConfig else ["--ckpt=~/c"]
    found = parse(config, ["--i1=~/a*", "--i2=~", "--out=~/o", *more])
    assert (str(found.i1), str(found.i2)) == ("/home/x/a*", "/home/x")
    assert "~" not in repr(found)
    found = parse(config, ["--pairs=~/p.csv", "--out=~/o", *more])
    assert str(found.pairs) == "/home/x/p.csv"
    assert "~" not in repr(found)


def test_the_help_teaches_the_ways(capsys):
    for main in (explain.main, fuse_command.main, score.main):
        with pytest.raises(SystemExit):
            main(["--help"])
        shown = capsys.readouterr().out
        for word in ('--pattern "{}_RGB.jpg" "{}_PreviewData.jpeg"', "--pairs pairs.csv"):
            assert word in shown
        assert max(map(len, shown.partition("examples:")[0].splitlines())) <= 80
