"""``python -m train.recipe`` at toy size: all rounds, going on, and the weights at the end."""

import json

import command
import jax
import numpy as np
import pytest
from made_up_files import picture, write

from fnet_jax.cli.flags import parse
from fnet_jax.errors import InputError
from fnet_jax.weights import checkpoints
from train import recipe
from train.config import TrainConfig

TOY = ["--batch=2", "--crop=16", "--features=2", "--iterations=1", "--kernel-size=3"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which the recipe has run: ``source``, ``runs``, ``weights``."""
    folder = tmp_path_factory.mktemp("recipe")
    for i in range(20):
        for kind, image in zip(("I1", "I2"), picture(i, 20, 24), strict=True):
            write(folder / f"source/{kind}/{i}.png", image)
    done = recipe_in(folder, "--steps1=2", "--steps2=3", "--steps3=4")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("weights: step 4 of the last round, validation")
    return folder


def recipe_in(folder, *flags):
    call = ["--data=source", "--workdir=runs", "--out=weights", *TOY, *flags]
    return command.run("train.recipe", *call, cwd=folder)


def test_the_weights_are_the_average_of_the_best_checkpoint(folder):
    network, params, meta = checkpoints.load(folder / "weights")
    assert {"features": 2, "iterations": 1, "kernel_size": 3}.items() <= network.settings().items()
    _, trained, theirs = checkpoints.load(folder / "runs/again/stage2/checkpoints/4")
    jax.tree.map(np.testing.assert_array_equal, params, trained)
    source = meta["source"]
    told = theirs["source"]["data"]
    del told["title"]  # in which the folder is named
    assert source["data"] == told
    course = source["rounds"]["again"]["validation_loss"]
    assert source["step"] == 4
    assert source["validation_loss"] == pytest.approx(course["4"], abs=1e-6)
    assert {"0", "4"} <= course.keys()


def test_the_record_names_commands_and_no_folders(folder):
    _, _, meta = checkpoints.load(folder / "weights")
    for name, steps in (("stage1", 2), ("stage2", 3), ("again", 4)):
        done = meta["source"]["rounds"][name]
        program, *arguments = done["command"].split(" ")[2:]
        assert program == f"train.{'stage2' if name == 'again' else name}"
        again = parse(TrainConfig, arguments)
        assert again.steps == steps
        assert {n: again.recorded()[n] for n in done["config"]} == done["config"]
    assert str(folder) not in json.dumps(meta)


def test_it_goes_on_where_it_stopped(folder):
    before = (folder / "runs/stage1/metrics.jsonl").read_text()
    weights = checkpoints.checksums(checkpoints.load(folder / "weights")[1])
    done = recipe_in(folder, "--steps1=2", "--steps2=3", "--steps3=4", "--overwrite")
    assert done.returncode == 0, done.stderr
    assert "runs/again/stage2: is at step 4 of 4 already" in done.stdout
    assert not (folder / "runs/again/data").exists()  # prepared once, for all rounds
    assert (folder / "runs/stage1/metrics.jsonl").read_text() == before
    assert checkpoints.checksums(checkpoints.load(folder / "weights")[1]) == weights


def test_where_the_weights_go_is_looked_at_first(folder, tmp_path):
    done = recipe_in(folder, "--steps1=2", "--steps2=3", "--steps3=4")
    assert (done.returncode, done.stdout) == (1, "")
    assert "weights: is there already; give --overwrite" in done.stderr
    (tmp_path / "own").mkdir()
    (tmp_path / "own/notes.txt").touch()
    done = recipe_in(folder, f"--out={tmp_path / 'own'}", "--overwrite")
    assert done.returncode == 1
    assert "is no checkpoint; give another folder" in done.stderr


@pytest.mark.parametrize("status", [0, 130])  # of a stage after kill -TERM, Ctrl-C
def test_a_stage_that_was_stopped_ends_it(tmp_path, monkeypatch, capsys, status):
    began = []
    monkeypatch.setattr("train.run.loop.train", lambda stage, _: began.append(stage.name) or status)
    call = ["--data=synthetic", f"--workdir={tmp_path / 'runs'}", f"--out={tmp_path / 'weights'}"]
    assert recipe.main(call) == (status or 1)
    assert began == ["stage1"]
    assert "stopped before its end; the same command goes on" in capsys.readouterr().out
    assert not (tmp_path / "weights").exists()


def test_the_best_of_what_is_kept(tmp_path):
    for step in (10, 20, 30):
        (tmp_path / "checkpoints" / str(step)).mkdir(parents=True)
    points = [(5, 1.0), (10, 3.0), (20, 2.0), (30, 2.5)]  # of step 5 nothing was kept
    lines = [json.dumps({"step": step, "validation_loss": loss}) for step, loss in points]
    lines.insert(1, json.dumps({"step": 7, "loss": 0.1}))
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    best, course = recipe.best_checkpoint(tmp_path)
    assert (best.name, course) == ("20", dict(points))


@pytest.mark.parametrize("text", ["", '{"step": 1', "[]"])
def test_curves_that_cannot_be_read(tmp_path, text):
    (tmp_path / "checkpoints/1").mkdir(parents=True)
    (tmp_path / "metrics.jsonl").write_text(text)
    with pytest.raises(InputError, match=str(tmp_path)):
        recipe.best_checkpoint(tmp_path)
