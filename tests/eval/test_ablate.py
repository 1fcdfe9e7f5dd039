"""``python -m eval.ablate`` at toy size: trained, scored, resumed."""

import json
import shutil
from pathlib import Path

import command
import pytest
from made_up_files import picture, write

from eval.ablation import run
from eval.ablation.run import AblateConfig
from fnet_jax.networks.fnet import FNet
from fnet_jax.weights import checkpoints
from train.run.result import Result
from train.run.watch import Diverged

FLAGS = [
    *("--data=source", "--test=test", "--out=out", "--steps=2", "--seeds=1", "--pairs=1"),
    *("--batch=2", "--crop=16", "--features=2", "--iterations=1", "--kernel-size=3", "--only=AE13"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which the command has run: ``source``, ``test``, ``out``; and ``other`` data."""
    folder = tmp_path_factory.mktemp("ablate")
    for i in range(20):
        for kind, image in zip(("I1", "I2"), picture(i, 20, 24), strict=True):
            write(folder / f"source/{kind}/{i}.png", image)
            write(folder / f"other/{kind}/{i}.png", 255 - image)
    for i in range(3):
        for kind, image in zip(("vi", "ir"), picture(i, 40, 48), strict=True):
            write(folder / f"test/TNO/{kind}/{i}.png", image[..., 0] if image.ndim == 3 else image)
    write(folder / "test/TNO/vi/alone.png", image)  # told, and no reason to stop
    done = command.run("eval.ablate", *FLAGS, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "alone.png" in done.stderr
    return folder


@pytest.mark.slow  # two networks are trained and scored
def test_the_tables_are_written(folder):
    content = json.loads((folder / "out/ablations.json").read_text())
    assert list(content["means"]) == ["FNet", "AE13"]
    assert content["pairs"] == {"tno": ["1"]}
    assert content["data"]["train_pairs"] == 18
    assert content["budget"]["steps"] == 2
    for of in content["means"].values():
        assert len(of) == 1
        assert of[0]["tno"].keys() == {"MI", "CE", "VIF", "Qabf", "Qcb", "SSIM"}
        assert of[0]["tno"]["SSIM"] > 0
    ends = [json.loads(x) for x in (folder / "out/runs/FNet/seed0/stage2/metrics.jsonl").open()]
    assert content["validation_loss"]["FNet"] == [ends[-1]["validation_loss"]]
    assert content["validation_loss"].keys() == content["means"].keys()
    text = (folder / "out/ablations.md").read_text()
    for what in (
        "| AE13, no intensity loss |",
        "Trained on 18 of 20 pairs of",
        "2 steps of each stage",
        "scored: TNO 1.",
        "cannot tell",
        "2.57",
    ):
        assert what in text


@pytest.mark.slow  # two networks are trained and scored
def test_each_is_trained_as_its_experiment_says(folder):
    load = lambda name, stage: checkpoints.load(folder / f"out/runs/{name}/seed0/{stage}", FNet)
    _, _, meta = load("AE13", "stage2")
    assert meta["source"]["config"]["ablation"] == "AE13"
    assert "runs/FNet/seed0/stage1" in meta["source"]["origin"]
    assert not (folder / "out/runs/AE13/seed0/stage1").exists()
    assert {m["source"]["config"]["steps"] for _, _, m in [load("FNet", "stage1")]} == {2}


@pytest.mark.slow  # two networks are trained and scored
def test_a_second_run_computes_nothing(folder):
    before = (folder / "out/ablations.json").read_text()
    done = command.run("eval.ablate", *FLAGS, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "compiling" not in done.stderr
    assert (folder / "out/ablations.json").read_text() == before


@pytest.mark.slow  # two networks are trained and scored
def test_fewer_seeds_or_experiments_do_not_replace_the_tables(folder):
    path = folder / "out/ablations.json"
    before = path.read_text()
    content = json.loads(before)
    content["means"]["AE4"] = content["means"]["AE13"]
    try:
        path.write_text(json.dumps(content))
        done = command.run("eval.ablate", *FLAGS, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "out/ablations.md has more seeds, experiments or pairs and is kept" in done.stdout
        assert json.loads(path.read_text()) == content
    finally:
        path.write_text(before)


@pytest.mark.slow  # two networks are trained and scored
def test_what_starts_from_a_training_that_diverged_is_told(folder):
    done = command.run(
        "eval.ablate", *command.flags(FLAGS, "--lr=1e20", "--out=diverged"), cwd=folder
    )
    assert done.returncode == 1
    assert "error: diverged/runs/FNet/seed0/stage1" in done.stderr
    assert "AE13/seed0/stage2 cannot begin, because FNet's stage I did not finish" in done.stderr
    assert "| AE13, no intensity loss | – |" in (folder / "diverged/ablations.md").read_text()


@pytest.mark.slow  # two networks are trained and scored
def test_bad_files_are_named_before_anything_is_trained(folder, tmp_path):
    shutil.copytree(folder / "test", tmp_path / "test")
    path = tmp_path / "test/TNO/ir/1.png"
    path.write_bytes(path.read_bytes()[:60])
    flags = (f"--test={tmp_path / 'test'}", f"--out={tmp_path / 'out'}")
    done = command.run("eval.ablate", *command.flags(FLAGS, *flags), cwd=folder)
    assert done.returncode == 1
    assert "ir/1.png: damaged or cut short" in done.stderr
    for image in path.parent.iterdir():
        image.rename(image.with_name(f"other-{image.name}"))
    done = command.run("eval.ablate", *command.flags(FLAGS, *flags), cwd=folder)
    assert done.returncode == 1
    assert "vi/1.png: has no partner" in done.stderr
    (tmp_path / "file").touch()
    done = command.run(
        "eval.ablate", *command.flags(FLAGS, f"--out={tmp_path / 'file/out'}"), cwd=folder
    )
    assert done.returncode == 1
    assert "file/out: cannot be written" in done.stderr
    assert [path.name for path in tmp_path.rglob("runs")] == []


@pytest.mark.slow  # two networks are trained and scored
@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--lr=1e-3", "--lr: was 0.0003, is 0.001"),
        ("--steps=1", "--steps: was 2, is 1"),
        ("--data=other", "was trained on other data"),
    ],
)
def test_what_was_trained_in_another_way_is_not_taken_for_this(folder, flag, message):
    before = (folder / "out/ablations.json").read_text()
    done = command.run("eval.ablate", *command.flags(FLAGS, flag), cwd=folder)
    assert done.returncode == 1
    assert message in done.stderr
    assert (folder / "out/ablations.json").read_text() == before


def test_a_training_that_diverges_leaves_its_cells_empty(tmp_path, monkeypatch, capsys):
    def trained(config, name, seed):
        if (name, seed) == ("AE4", 1):
            raise Diverged("AE4: the loss is not a number")
        return Result.of(config.folder(name, seed), began=0, steps=1, wanted=1, course={1: 1.0})

    score = {"tno": dict.fromkeys(run.METRICS, 0.5)}
    data = {"title": "20 pairs", "train_pairs": 18}
    monkeypatch.setattr(run, "_prepared", lambda config: (config, data))
    monkeypatch.setattr(run, "trained", trained)
    monkeypatch.setattr(run, "scored", lambda result, folder, located: score)
    for i in range(2):
        for kind, image in zip(("vi", "ir"), picture(i, 20, 24), strict=True):
            write(tmp_path / f"test/TNO/{kind}/{i}.png", image)
    out = tmp_path / "out"
    out.mkdir()
    config = AblateConfig("msrs", tmp_path / "test", out, steps=1, seeds=2, only=("AE4", "AE9"))
    assert run.run(config) == 1
    content = json.loads((out / "ablations.json").read_text())
    assert content["means"]["AE4"][1]["tno"]["MI"] is None
    assert content["validation_loss"]["AE4"] == [1.0, None]
    assert "| AE4, no momentum | – |" in (out / "ablations.md").read_text()
    assert "not a number" in capsys.readouterr().err


def test_what_a_variant_runs_is_the_same_but_for_its_change():
    config = AblateConfig("msrs", Path("test"), Path("out"), steps=7, features=3)
    stages = {name: dict(config.stages(name, 0)) for name in config.names()}
    assert len(stages) == 16
    assert [name for name, of in stages.items() if "stage1" not in of] == [
        *("AE11", "AE13", "AE14", "AE15")
    ]
    assert stages["AE11"]["stage2"].features == 3
    for of in stages.values():
        assert {(how.steps, how.batch, how.lr, how.seed) for how in of.values()} == {
            (7, 4, 3e-4, 0)
        }
