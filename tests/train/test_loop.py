"""Runs: that they can be stopped, resumed and trusted."""

import json
import re
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from command import TINY

from fnet_jax import Fuser, images
from fnet_jax.cli.flags import parse
from fnet_jax.errors import InputError
from fnet_jax.weights import checkpoints
from train.config import TrainConfig
from train.run import loop
from train.run.stages import STAGES


@pytest.fixture(autouse=True, scope="module")
def compiled_once(tmp_path_factory):
    """Lets the many runs of one tiny network share compiled programs."""
    options = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    before = {name: getattr(jax.config, name) for name in options}
    for name, value in options.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def train(workdir, text="", stage="stage1"):
    config = parse(TrainConfig, ["--workdir", str(workdir), *TINY, *text.split()])
    return loop.train(STAGES[stage], config)


def files(checkpoint):
    """What a checkpoint holds: arrays of the state, weights of FNet, place in the data."""
    from orbax import checkpoint as ocp

    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
        found = checkpointer.restore(
            Path(checkpoint).absolute(),
            args=ocp.args.Composite(
                state=ocp.args.StandardRestore(), params=ocp.args.StandardRestore()
            ),
        )
    places = [p.read_text() for p in sorted((Path(checkpoint) / "data").glob("process*"))]
    return found["state"], found["params"], places


def same(one, other, *, place=True):
    """Whether two checkpoints are equal bit for bit, the place in the data included."""
    (*arrays, at_one), (*others, at_other) = files(one), files(other)
    equal = jax.tree.map(lambda a, b: a.tobytes() == b.tobytes(), arrays, others)
    return all(jax.tree.leaves(equal)) and (at_one == at_other or not place)


def curve(workdir, stage="stage1"):
    lines = (workdir / stage / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines if "validation_loss" not in line]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of six steps of each stage, never stopped, with checkpoints at 2, 4 and 6."""
    workdir = tmp_path_factory.mktemp("whole")
    for stage in STAGES:
        assert train(workdir, "--steps 6 --save-every 2", stage) == 0
    return workdir


@pytest.fixture
def run(whole, tmp_path):
    """A copy of that run."""
    return shutil.copytree(whole, tmp_path / "run")


def at(workdir, step, stage="stage1"):
    return workdir / stage / "checkpoints" / str(step)


@pytest.mark.parametrize("stage", STAGES)
def test_three_and_three_steps_are_six(whole, tmp_path, stage):
    if stage == "stage2":
        shutil.copytree(whole / "stage1", tmp_path / "stage1")
    assert train(tmp_path, "--steps 3", stage) == 0
    assert train(tmp_path, "--steps 6 --resume", stage) == 0
    assert same(at(tmp_path, 6, stage), at(whole, 6, stage))
    assert [p["step"] for p in curve(tmp_path, stage)] == [1, 2, 3, 4, 5, 6]
    assert curve(tmp_path, stage) == curve(whole, stage)
    assert not same(at(tmp_path, 3, stage), at(whole, 6, stage))


def test_workers_may_change(whole, tmp_path):
    assert train(tmp_path, "--steps 2 --workers 1") == 0
    assert train(tmp_path, "--steps 4 --resume") == 0
    assert train(tmp_path, "--steps 6 --resume") == 0
    assert same(at(tmp_path, 6), at(whole, 6), place=False)  # which is counted from step 2
    assert curve(tmp_path) == curve(whole)


def test_what_a_run_leaves(whole):
    folder = whole / "stage1"
    recorded = json.loads((folder / "config.json").read_text())
    assert recorded["config"]["steps"] == 6
    assert recorded["network"]["features"] == 2
    assert recorded["data"]["name"] == "synthetic"
    assert len(recorded["data"]["fingerprint"]) == 64
    assert {"fnet_jax", "jax"} <= recorded["versions"].keys()
    picture = images.read(folder / "pictures/00000006.png")
    assert picture.shape == (2 * 24, 6 * 24)  # two pairs; six panels of 16 pixels and their gaps
    points = curve(whole)
    assert {"loss", "loss/I2_gradient", "gradient_norm", "learning_rate"} <= points[0].keys()
    assert {"sparsity/u1", "sparsity/c", "theta/x2/1", "rho/u2/0"} <= points[0].keys()
    meta = json.loads((at(whole, 6) / "meta/metadata").read_text())
    assert meta["source"]["data"] == recorded["data"]
    assert meta["source"]["config"] == recorded["config"]
    assert meta["state_checksums"].keys() >= {"state/step", "state/key"}


def test_evaluation_takes_the_average_of_the_last_stage(whole):
    state, params, _ = files(at(whole, 6, "stage2"))
    equal = jax.tree.map(lambda a, b: bool((a == b).all()), params, state["ema"]["fnet"])
    assert all(jax.tree.leaves(equal))
    equal = jax.tree.map(lambda a, b: bool((a == b).all()), params, state["params"]["fnet"])
    assert not all(jax.tree.leaves(equal))
    for folder in (whole, whole / "stage2", at(whole, 6, "stage2")):
        fuser = Fuser.from_checkpoint(folder)
        W = np.asarray(fuser.params["params"]["lzsc_c"]["W_e_0"])
        np.testing.assert_array_equal(W, params["params"]["lzsc_c"]["W_e_0"])


def test_stage_two_starts_where_stage_one_ended(whole, tmp_path):
    text = (whole / "stage2/config.json").read_text()
    assert json.loads(text)["origin"] == f"from {at(whole, 6)}"
    _, params, _ = files(at(whole, 6))
    moved = files(at(whole, 2, "stage2"))[0]["params"]["fnet"]
    step = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), params, moved)
    assert 0 < max(jax.tree.leaves(step)) < 3 * 1e-4  # two steps of Adam at 1e-4
    with pytest.raises(InputError, match=r"run python -m train.stage1 --workdir .* first"):
        train(tmp_path, stage="stage2")
    assert train(tmp_path, f"--steps 1 --init {whole / 'stage1'}", "stage2") == 0


def damage(checkpoint, how):
    """Damages the largest file of the state; returns its path."""
    victim = max((checkpoint / "state").rglob("*"), key=lambda p: p.is_file() * p.stat().st_size)
    content = bytearray(victim.read_bytes())
    if how == "truncated":
        content = content[: len(content) // 2]
    if how == "flipped":
        content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    if how == "missing":
        victim.unlink()
    return victim


@pytest.mark.parametrize("how", ["truncated", "flipped", "missing"])
def test_a_damaged_checkpoint_is_passed_over_and_kept(run, whole, capfd, how):
    victim = damage(at(run, 6), how)
    broken = victim.read_bytes() if how != "missing" else None
    with pytest.raises(InputError, match=str(victim)):
        checkpoints.load(at(run, 6))
    capfd.readouterr()
    assert train(run, "--steps 6 --save-every 2 --resume") == 0
    said = capfd.readouterr().err
    assert f"{victim}: is" in said
    assert f"going on from {at(run, 4)}" in said
    assert "Traceback" not in said
    assert same(at(run, 6), at(whole, 6))
    if broken is not None:
        aside = run / "stage1/damaged/6-0" / victim.relative_to(at(run, 6))
        assert aside.read_bytes() == broken
    assert curve(run) == curve(whole)


def test_where_every_checkpoint_is_damaged_nothing_is_trained(run):
    for step in (2, 4, 6):
        damage(at(run, step), "flipped")
    before = curve(run)
    for _ in range(2):  # nor when it is tried again
        with pytest.raises(InputError, match="every checkpoint is damaged"):
            train(run, "--steps 6 --resume")
    assert set(checkpoints.steps(run / "stage1/checkpoints")) == {2, 4, 6}
    assert curve(run) == before


def test_a_checkpoint_that_cannot_be_read_now_stays_where_it_is(run, monkeypatch):
    def unreadable(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(checkpoints, "sha256", unreadable)
    with pytest.raises(InputError, match=r"cannot be read .*Input/output error"):
        train(run, "--steps 8 --resume")
    assert set(checkpoints.steps(run / "stage1/checkpoints")) == {2, 4, 6}


def test_an_older_damaged_checkpoint_is_set_aside_too(run, whole, capfd):
    next((at(run, 2) / "metrics").iterdir()).write_text("")
    assert train(run, "--steps 7 --resume") == 0
    assert "passed over" in capfd.readouterr().err
    assert (run / "stage1/damaged/2-0").is_dir()
    assert set(checkpoints.steps(run / "stage1/checkpoints")) == {4, 6, 7}


def test_another_configuration_is_refused_with_what_differs(run):
    with pytest.raises(InputError, match="--seed: was 0, is 5; give the flags"):
        train(run, "--steps 8 --seed 5 --resume")
    with pytest.raises(InputError, match="holds a run at step 6; give --resume"):
        train(run, "--steps 8")
    path = run / "stage1/config.json"
    for garbage in ("{", "[]", '{"config": 1, "network": {}, "data": {}, "origin": ""}'):
        path.write_text(garbage)
        with pytest.raises(InputError, match=r"config.json: cannot be used") as refusal:
            train(run, "--steps 8 --resume")
    # the remedy that it names helps
    (copy,) = re.findall(r"put into it what (\S+) has under source", str(refusal.value))
    path.write_text(json.dumps(json.loads(Path(copy).read_text())["source"]))
    assert train(run, "--steps 7 --resume") == 0


def test_one_run_at_a_time(run):
    fcntl = pytest.importorskip("fcntl", reason="this system has no such locks")
    with (run / "stage1/.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another run is using it"):
            train(run, "--steps 8 --resume")


def test_other_data_are_refused(run, tmp_path):
    for name in ("I1", "I2"):
        (tmp_path / "other" / name).mkdir(parents=True)
        images.write(tmp_path / f"other/{name}/1.png", np.zeros((20, 20), np.uint8))
    with pytest.raises(InputError, match="was trained on other data"):
        train(run, f"--steps 8 --resume --data {tmp_path / 'other'}")


def test_a_finished_run_is_left_alone(run, capsys):
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*")}
    assert train(run, "--steps 6 --resume") == 0
    assert "is at step 6 of 6 already" in capsys.readouterr().out
    assert {p: p.stat().st_mtime_ns for p in run.rglob("*")} == before


def test_the_newest_and_the_best_are_kept(tmp_path):
    # at this rate the loss rises after the first step, which is the best
    assert train(tmp_path, "--steps 6 --save-every 1 --keep 2 --lr 0.03 --ema 0") == 0
    kept = checkpoints.steps(tmp_path / "stage1/checkpoints")
    lines = (tmp_path / "stage1/metrics.jsonl").read_text().splitlines()
    points = [json.loads(line) for line in lines if "validation_loss" in line]
    best = min(points, key=lambda point: point["validation_loss"])["step"]
    assert best < 5
    assert set(kept) == {best, 5, 6}


def test_checkpoints_come_after_minutes_too(tmp_path):
    assert train(tmp_path, "--steps 3 --save-every 1000 --save-minutes 1e-9") == 0
    assert set(checkpoints.steps(tmp_path / "stage1/checkpoints")) == {1, 2, 3}


def test_a_loss_that_is_no_number_stops_the_run(run, capfd):
    text = "--steps 9 --save-every 9 --lr 1e30"
    config = json.loads((run / "stage1/config.json").read_text())
    config["config"]["lr"] = 1e30
    (run / "stage1/config.json").write_text(json.dumps(config))
    with pytest.raises(loop.Diverged) as stop:
        train(run, f"{text} --resume")
    message = str(stop.value)
    assert "scene" in message  # the names of the batch
    assert f"the last good checkpoint is {at(run, 6)}" in message
    assert "step 8 gave loss nan" in message
    assert max(checkpoints.steps(run / "stage1/checkpoints")) == 6
    assert "NaN" not in (run / "stage1/metrics.jsonl").read_text()


def test_weights_that_are_no_numbers_are_never_saved(tmp_path):
    with pytest.raises(loop.Diverged, match="there is no checkpoint yet"):
        train(tmp_path, "--steps 9 --save-every 1 --lr 1e30")
    assert checkpoints.steps(tmp_path / "stage1/checkpoints") == {}


def test_a_batch_that_does_not_divide_is_refused(tmp_path):
    with pytest.raises(
        InputError, match="--batch 3: does not divide over 2 devices; give a multiple of 2"
    ):
        train(tmp_path, "--batch 3")
    assert not (tmp_path / "stage1").exists()


def test_the_plan_is_told_and_nothing_is_made(tmp_path, capsys):
    assert train(tmp_path, "--dry-run") == 0
    said = capsys.readouterr().out
    for what in ("parameters: ", "memory per step", "FLOPs per step", "data fingerprint: ", "--lr"):
        assert what in said, what
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--kernel-size 4", "kernel_size must be odd"),
        ("--init xaiver", "--init xaiver: is neither tied nor xavier nor the folder"),
        ("--data nowhere", "nowhere: is not prepared"),
        ("--ablation AE11", "--ablation AE11: has no stage I; run python -m train.stage2 with it"),
        ("--ablation AE9", "--iterations 1: --ablation AE9 has 3; leave one of them out"),
    ],
)
def test_what_cannot_start_is_named(tmp_path, flags, message):
    with pytest.raises(InputError, match=message):
        train(tmp_path, flags)
    assert not (tmp_path / "stage1").exists()


def test_a_network_of_another_shape_is_refused(whole, tmp_path):
    with pytest.raises(InputError, match="its network has --features 2, not 3; leave the flag out"):
        train(tmp_path, f"--features 3 --init {whole}", "stage2")


def test_an_ablation_goes_on_with_its_networks(tmp_path):
    """AE12 has another IFNet than FNet, AE5 other parameters, in stage II too."""
    assert train(tmp_path / "AE12", "--ablation AE12 --steps 1") == 0
    assert train(tmp_path / "AE12", "--ablation AE12 --steps 2 --resume") == 0
    assert max(checkpoints.steps(tmp_path / "AE12/stage1/checkpoints")) == 2
    assert train(tmp_path / "AE5", "--ablation AE5 --steps 1") == 0
    with pytest.raises(InputError, match="--ablation: was AE5, is not given"):
        train(tmp_path / "AE5", "--steps 2 --resume")
    for name, flag in (("AE4", "--ablation AE4"), ("FNet", ""), ("AE13", "--ablation AE13")):
        message = f"was trained as AE5, and {name} begins otherwise; give --ablation AE5"
        with pytest.raises(InputError, match=message):
            train(tmp_path / "AE5", f"{flag} --steps 1", "stage2")
    with pytest.raises(InputError, match="was trained as AE12, and FNet begins otherwise"):
        train(tmp_path / "AE12", "--steps 1", "stage2")
    assert train(tmp_path / "AE13", "--ablation AE13 --steps 1") == 0  # as FNet's: a loss of II
    assert train(tmp_path / "AE13", "--steps 1", "stage2") == 0
    assert train(tmp_path / "AE5", "--ablation AE5 --steps 1", "stage2") == 0
    network, _, _ = checkpoints.load(tmp_path / "AE5/stage2")
    assert network.momentum == "polyak"


@pytest.mark.parametrize("name", ["AE11", "AE12"])
def test_an_ablation_of_the_beginning_does_not_begin_as_fnet(whole, tmp_path, name):
    with pytest.raises(InputError, match=f"was trained as FNet, and {name} begins otherwise"):
        train(tmp_path, f"--ablation {name} --init {whole}", "stage2")
    assert not (tmp_path / "stage2").exists()
