"""``python -m train.recipe`` at toy size: all rounds, going on, and the weights at the end."""

import json

import command
import jax
import numpy as np
import pytest
from made_up_files import picture, write

from fnet_jax.cli.flags import parse
from fnet_jax.errors import InputError
from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.sizes import BASE, SIZES
from fnet_jax.weights import checkpoints
from fnet_jax.weights.integrity import checksums
from train.config import TrainConfig
from train.run import recipe
from train.run.result import Result

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
    common = ["--data=source", "--workdir=runs", "--out=weights", *TOY]
    return command.run("train.recipe", *command.flags(common, *flags), cwd=folder)


def test_the_weights_are_the_average_of_the_best_checkpoint(folder):
    network, params, meta = checkpoints.load(folder / "weights", FNet)
    assert {"features": 2, "iterations": 1, "kernel_size": 3}.items() <= network.settings().items()
    _, trained, theirs = checkpoints.load(folder / "runs/again/stage2/checkpoints/4", FNet)
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
    _, _, meta = checkpoints.load(folder / "weights", FNet)
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
    weights = checksums(checkpoints.load(folder / "weights", FNet)[1])
    done = recipe_in(folder, "--steps1=2", "--steps2=3", "--steps3=4", "--overwrite")
    assert done.returncode == 0, done.stderr
    assert "runs/again/stage2: step 4 of 4, nothing left to do" in done.stdout
    assert not (folder / "runs/again/data").exists()  # prepared once, for all rounds
    assert (folder / "runs/stage1/metrics.jsonl").read_text() == before
    assert checksums(checkpoints.load(folder / "weights", FNet)[1]) == weights


def test_where_the_weights_go_is_looked_at_first(folder, tmp_path):
    done = recipe_in(folder, "--steps1=2", "--steps2=3", "--steps3=4")
    assert (done.returncode, done.stdout) == (1, "")
    assert "weights already exists; use --overwrite to replace it" in done.stderr
    (tmp_path / "own").mkdir()
    (tmp_path / "own/notes.txt").touch()
    done = recipe_in(folder, f"--out={tmp_path / 'own'}", "--overwrite")
    assert done.returncode == 1
    assert "already exists and is not a checkpoint; use another folder" in done.stderr


@pytest.mark.parametrize(("by", "status"), [("SIGTERM", 1), ("SIGINT", 130)])
def test_a_stage_that_was_stopped_ends_it(tmp_path, monkeypatch, capsys, by, status):
    began = []

    def stopped(stage, config):
        began.append(stage)
        return Result.nothing_done(config.workdir / stage, wanted=config.steps, stopped_by=by)

    monkeypatch.setattr(recipe, "run_stage", stopped)
    call = ["--data=synthetic", f"--workdir={tmp_path / 'runs'}", f"--out={tmp_path / 'weights'}"]
    assert recipe.main(call) == status
    assert began == ["stage1"]
    assert "stopped early; run the same command to continue" in capsys.readouterr().out
    assert not (tmp_path / "weights").exists()


def test_a_recipe_without_a_known_validation_loss_is_refused(tmp_path, monkeypatch, capsys):
    def finished(stage, config):
        folder = config.workdir / stage
        return Result.of(folder, began=9, steps=9, wanted=9, course={})

    monkeypatch.setattr(recipe, "run_stage", finished)
    call = ["--data=synthetic", f"--workdir={tmp_path / 'runs'}", f"--out={tmp_path / 'weights'}"]
    assert recipe.main(call) == 1
    assert "again/stage2 has no checkpoint with a known validation loss" in capsys.readouterr().err


def test_flags_change_the_network_of_the_first_round(tmp_path):
    config = recipe.RecipeConfig("msrs", tmp_path, tmp_path, iterations=0, features=2)
    first, *others = (config.round(name) for name in config.rounds)
    assert (first.iterations, first.features, first.kernel_size) == (0, 2, None)
    for later in others:  # which take it from there
        assert (later.iterations, later.features, later.kernel_size) == (None, None, None)


@pytest.mark.parametrize("size", [name for name in SIZES if name != BASE])
def test_a_small_size_is_one_round_of_its_network_from_nothing(tmp_path, size):
    config = recipe.RecipeConfig("msrs", tmp_path, tmp_path, size=size)
    assert config.rounds == ["stage2"]
    done = config.round("stage2")
    assert done.init == "tied"
    assert {name: getattr(done, name) for name in SIZES[size].settings} == SIZES[size].settings
    again = parse(TrainConfig, recipe.command("stage2", done).split(" ")[3:])
    assert again == done


def test_rounds_that_a_size_does_not_have_are_refused(tmp_path):
    for flag in ("steps1", "steps3"):
        with pytest.raises(InputError, match=f"--size xs has no round for --{flag}"):
            recipe.RecipeConfig("msrs", tmp_path, tmp_path, size="xs", **{flag: 5})


def test_another_seed_is_another_training_in_every_round(tmp_path):
    first, other = (
        [config.round(name).seed for name in config.rounds]
        for config in (
            recipe.RecipeConfig("msrs", tmp_path, tmp_path),
            recipe.RecipeConfig("msrs", tmp_path, tmp_path, seed=7),
        )
    )
    assert len(first) == 3
    assert not set(first) & set(other)
