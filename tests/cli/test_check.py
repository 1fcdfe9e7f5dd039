"""``python -m eval.check``."""

import json

import command
import numpy as np
import pytest
from browser import look
from made_up_cameras import scene

from fnet_jax import images
from fnet_jax.cli.check import main

SIZE = (240, 320)


@pytest.fixture
def folder(tmp_path):
    """A set with two splits, with a leak between them and an empty image."""
    for split, seeds in (("train", (1, 2)), ("test", (2, 3))):
        for side in ("vi", "ir"):
            (tmp_path / split / side).mkdir(parents=True)
        for seed in seeds:
            visible, infrared = scene(seed)
            if seed == 3:
                infrared = np.zeros(SIZE, np.uint8)
            images.write(tmp_path / split / f"vi/{split}{seed}.png", visible)
            images.write(tmp_path / split / f"ir/{split}{seed}.png", infrared)
    return tmp_path


def test_a_set_is_checked_and_nothing_is_changed(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*.png")}
    done = command.run("eval.check", ".", "--out", "check.json", "--page", "check.html", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "test2: the same as train2 in train" in done.stdout
    assert "1 × empty images" in done.stdout
    assert {path: path.read_bytes() for path in folder.rglob("*.png")} == before
    content = json.loads((folder / "check.json").read_text(encoding="utf-8"))
    assert content["format"] == "fnet-check 1"
    assert sorted(pair["split"] for pair in content["pairs"]) == ["test", "test", "train", "train"]
    shown, _, asked, console = look(folder / "check.html", folder / "page.png")
    assert shown
    assert asked == 0
    assert not console


def test_bad_files_make_the_status_1(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "train/ir/train1.png").write_bytes(b"damaged")
    assert main(["--i1", "train/vi", "--i2", "train/ir", "--out", "a.json"]) == 1
    out = capsys.readouterr().out
    assert "train1: train/ir/train1.png: not in a known image format" in out
    assert main(["--i1", "train/vi", "--i2", "train/ir", "--out", "a.json"]) == 1
    assert "a.json already exists; use --overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ([], "use the folder of a data set, or both --i1 and --i2"),
        ([".", "--i1", "a", "--i2", "b"], "use either the folder of a data set, or"),
    ],
)
def test_wrong_flags_are_one_line_and_2(flags, line, capsys):
    with pytest.raises(SystemExit) as stop:
        main(flags)
    assert stop.value.code == 2
    assert line in capsys.readouterr().err
