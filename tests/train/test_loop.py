"""Runs: that they can be stopped, resumed and trusted."""

import dataclasses
import json
import shutil
import signal
from pathlib import Path

import jax
import numpy as np
import pytest
from command import TINY, flags

from fnet_jax import Fuser, images
from fnet_jax.cli.flags import parse
from fnet_jax.errors import InputError
from fnet_jax.networks.fnet import FNet
from fnet_jax.weights import checkpoints, integrity
from train.config import TrainConfig
from train.run import loop, steps
from train.run.display import Display
from train.run.dry_run import described
from train.run.stages import STAGES
from train.run.watch import Diverged


def configured(workdir, text=""):
    return parse(TrainConfig, ["--workdir", str(workdir), *flags(TINY, *text.split())])


def train(workdir, text="", stage="stage1", **options):
    return loop.train(STAGES[stage], configured(workdir, text), **options)


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
        assert train(workdir, "--steps 6 --save-every 2", stage).finished
    return workdir


@pytest.fixture
def run(whole, tmp_path):
    """A copy of that run."""
    return shutil.copytree(whole, tmp_path / "run")


def at(workdir, step, stage="stage1"):
    return workdir / stage / "checkpoints" / str(step)


@pytest.mark.parametrize("stage", [pytest.param("stage1", marks=pytest.mark.slow), "stage2"])
def test_three_and_three_steps_are_six(whole, tmp_path, stage):
    if stage == "stage2":
        shutil.copytree(whole / "stage1", tmp_path / "stage1")
    assert train(tmp_path, "--steps 3", stage).finished
    assert train(tmp_path, "--steps 6 --resume", stage).finished
    assert same(at(tmp_path, 6, stage), at(whole, 6, stage))
    assert [p["step"] for p in curve(tmp_path, stage)] == [1, 2, 3, 4, 5, 6]
    assert curve(tmp_path, stage) == curve(whole, stage)
    assert not same(at(tmp_path, 3, stage), at(whole, 6, stage))


def test_workers_may_change(whole, tmp_path):
    assert train(tmp_path, "--steps 2 --workers 1").finished
    assert train(tmp_path, "--steps 4 --resume").finished
    assert train(tmp_path, "--steps 6 --resume").finished
    assert same(at(tmp_path, 6), at(whole, 6), place=False)  # which is counted from step 2
    assert curve(tmp_path) == curve(whole)


def test_what_a_run_leaves(whole):
    folder = whole / "stage1"
    recorded = json.loads((folder / "config.json").read_text())
    assert recorded["config"]["steps"] == 6
    assert recorded["network"]["features"] == 2
    assert recorded["data"]["name"] == "synthetic"
    assert len(recorded["data"]["fingerprint"]) == 64
    assert {"fnet-jax", "jax"} <= recorded["versions"].keys()
    picture = images.read(folder / "pictures/00000006.png")
    assert picture.shape == (2 * 24, 6 * 24)  # two pairs; six panels of 16 pixels and their gaps
    points = curve(whole)
    assert {"loss", "loss/I2_gradient", "gradient_norm", "learning_rate"} <= points[0].keys()
    assert {"sparsity/u1", "sparsity/c", "theta/x2/1", "rho/u2/0"} <= points[0].keys()
    meta = json.loads((at(whole, 6) / "meta/metadata").read_text())
    assert meta["source"]["data"] == recorded["data"]
    assert meta["source"]["config"] == recorded["config"]
    assert meta["state_checksums"].keys() >= {"state/step"}


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
    assert train(tmp_path, f"--steps 1 --init {whole / 'stage1'}", "stage2").finished


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
def test_a_damaged_checkpoint_is_passed_over_and_kept(run, whole, how):
    victim = damage(at(run, 6), how)
    broken = victim.read_bytes() if how != "missing" else None
    with pytest.raises(InputError, match=str(victim)):
        checkpoints.load(at(run, 6), FNet)
    lines = []
    assert train(run, "--steps 6 --save-every 2 --resume", report=lines.append).finished
    assert any(line.startswith(f"{victim} ") for line in lines)
    assert f"continuing from {at(run, 4)}" in lines
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
        with pytest.raises(InputError, match="every checkpoint in .* is damaged"):
            train(run, "--steps 6 --resume")
    assert set(checkpoints.steps(run / "stage1/checkpoints")) == {2, 4, 6}
    assert curve(run) == before


def test_a_checkpoint_that_cannot_be_read_now_stays_where_it_is(run, monkeypatch):
    def unreadable(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(integrity, "sha256", unreadable)
    with pytest.raises(InputError, match=r"cannot be read .*input/output error"):
        train(run, "--steps 8 --resume")
    assert set(checkpoints.steps(run / "stage1/checkpoints")) == {2, 4, 6}


def test_an_older_damaged_checkpoint_is_set_aside_too(run, whole):
    next(path for path in (at(run, 2) / "data").rglob("*") if path.is_file()).write_text("")
    lines = []
    assert train(run, "--steps 7 --resume", report=lines.append).finished
    assert any("skipping this checkpoint" in line for line in lines)
    assert (run / "stage1/damaged/2-0").is_dir()
    assert set(checkpoints.steps(run / "stage1/checkpoints")) == {4, 6, 7}


def test_another_configuration_is_refused_with_what_differs(run):
    with pytest.raises(InputError, match="--seed: was 0, is 5; use the flags"):
        train(run, "--steps 8 --seed 5 --resume")
    with pytest.raises(InputError, match="already has a run at step 6; use --resume"):
        train(run, "--steps 8")


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [("network", "features", 3), ("config", "lr", 0.5), ("data", "fingerprint", "0" * 64)],
)
def test_a_config_of_another_run_is_refused_with_what_differs(run, part, name, value):
    path = run / "stage1/config.json"
    recorded = json.loads(path.read_text("utf-8"))
    was, recorded[part][name] = recorded[part][name], value
    path.write_text(json.dumps(recorded), "utf-8")
    flags = "--lr 0.5" if name == "lr" else ""  # refused even if the flags agree with it
    with pytest.raises(InputError, match=f"{name} is {value}, was {was}"):
        train(run, f"--steps 8 --resume {flags}")
    path.unlink()  # as the message says
    assert train(run, "--steps 7 --resume").steps == 7
    assert json.loads(path.read_text("utf-8"))[part][name] == was


@pytest.mark.parametrize(
    "garbage",
    [b"{", b"[]", b"\xff\x00", b"[" * 100_000, b'{"config": 1, "network": {}, "data": {}}', None],
)
def test_a_damaged_config_is_restored_from_the_checkpoint(run, garbage):
    path = run / "stage1/config.json"
    recorded = json.loads(path.read_text("utf-8"))
    path.unlink() if garbage is None else path.write_bytes(garbage)
    lines = []
    assert train(run, "--steps 6 --resume", report=lines.append).finished
    assert any(line.startswith(f"{path}: ") and "restored" in line for line in lines)
    again = json.loads(path.read_text("utf-8"))
    assert {part: again[part] for part in recorded} == recorded


def test_one_run_at_a_time(run):
    fcntl = pytest.importorskip("fcntl", reason="this system has no such locks")
    with (run / "stage1/.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="is in use by another run"):
            train(run, "--steps 8 --resume")


@pytest.mark.parametrize("flags", ["", "--resume"])
def test_a_run_that_begins_while_another_ends_does_not_continue_it(whole, tmp_path, flags):
    """The other has no checkpoint yet when this one looks, and has ended when this one starts."""

    def other(line):
        if line.startswith("training on") and not (tmp_path / "stage1").exists():
            shutil.copytree(whole / "stage1", tmp_path / "stage1")

    message = "run the same command again" if flags else "already has a run at step 6; use --resume"
    with pytest.raises(InputError, match=message):
        train(tmp_path, f"--steps 8 {flags}", report=other)
    assert set(checkpoints.steps(tmp_path / "stage1/checkpoints")) == {2, 4, 6}


def test_other_data_are_refused(run, tmp_path):
    for name in ("I1", "I2"):
        (tmp_path / "other" / name).mkdir(parents=True)
        images.write(tmp_path / f"other/{name}/1.png", np.zeros((20, 20), np.uint8))
    with pytest.raises(InputError, match="was trained on other data"):
        train(run, f"--steps 8 --resume --data {tmp_path / 'other'}")


def test_a_finished_run_is_left_alone(run):
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*")}
    again = train(run, "--steps 6 --resume")
    assert again.finished
    assert again.began == again.steps == 6
    assert {p: p.stat().st_mtime_ns for p in run.rglob("*")} == before


def test_the_newest_and_the_best_are_kept(tmp_path):
    # at this rate the loss rises after the first step, which is the best
    assert train(tmp_path, "--steps 6 --save-every 1 --keep 2 --lr 0.03 --ema 0").finished
    kept = checkpoints.steps(tmp_path / "stage1/checkpoints")
    lines = (tmp_path / "stage1/metrics.jsonl").read_text().splitlines()
    points = [json.loads(line) for line in lines if "validation_loss" in line]
    best = min(points, key=lambda point: point["validation_loss"])["step"]
    assert best < 5
    assert set(kept) == {best, 5, 6}


def test_checkpoints_come_after_minutes_too(tmp_path):
    assert train(tmp_path, "--steps 3 --save-every 1000 --save-minutes 1e-9").finished
    assert set(checkpoints.steps(tmp_path / "stage1/checkpoints")) == {1, 2, 3}


def test_a_loss_that_is_no_number_stops_the_run(run, monkeypatch):
    monkeypatch.setattr(steps, "learning_rate", lambda *_, **options: lambda step: 1e30)
    with pytest.raises(Diverged) as stop:
        train(run, "--steps 9 --save-every 9 --resume")
    message = str(stop.value)
    assert "scene" in message  # the names of the batch
    assert f"the last good checkpoint is {at(run, 6)}" in message
    assert "step 8 gave loss nan" in message
    assert max(checkpoints.steps(run / "stage1/checkpoints")) == 6
    assert "NaN" not in (run / "stage1/metrics.jsonl").read_text()


def test_weights_that_are_no_numbers_are_never_saved(tmp_path):
    with pytest.raises(Diverged, match="there is no checkpoint yet"):
        train(tmp_path, "--steps 9 --save-every 1 --lr 1e30")
    assert checkpoints.steps(tmp_path / "stage1/checkpoints") == {}


def test_a_batch_that_does_not_divide_is_refused(tmp_path):
    with pytest.raises(
        InputError, match="--batch 3 cannot be divided over 2 devices; use a multiple of 2"
    ):
        train(tmp_path, "--batch 3")
    assert not (tmp_path / "stage1").exists()


def test_a_dry_run_shows_the_costs_and_makes_nothing(tmp_path):
    config = configured(tmp_path, "--dry-run")
    said = "\n".join(described(STAGES["stage1"], config, report=lambda line: None))
    with pytest.raises(InputError, match="--dry-run does not train"):
        loop.train(STAGES["stage1"], config)
    for what in ("parameters: ", "memory per step", "FLOPs per step", "data fingerprint: ", "--lr"):
        assert what in said, what
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--init xaiver", "--init xaiver is neither tied nor xavier nor the folder"),
        ("--data nowhere", "nowhere is not prepared"),
        (
            "--ablation AE11",
            "--ablation AE11 has no stage I; use it with python -m train.stage2",
        ),
        ("--ablation AE9", "--iterations 1: --ablation AE9 has 3; omit one of them"),
    ],
)
def test_what_cannot_start_is_named(tmp_path, flags, message):
    with pytest.raises(InputError, match=message):
        train(tmp_path, flags)
    assert not (tmp_path / "stage1").exists()


def test_a_network_of_another_shape_is_refused(whole, tmp_path):
    with pytest.raises(InputError, match="has --features 2, not 3; omit the flag"):
        train(tmp_path, f"--features 3 --init {whole}", "stage2")


@pytest.mark.parametrize("config", [3, {"steps": "9"}, {"steps": 9, "ablation": ["AE5"]}])
def test_a_start_whose_record_is_not_understood_is_refused(small_network, tmp_path, config):
    source = {"kind": "training", "step": 1, "config": config}
    checkpoints.save(tmp_path / "start", *small_network, source=source)
    with pytest.raises(InputError, match="start has an unknown training record"):
        train(tmp_path, f"--init {tmp_path / 'start'}", "stage2")


def test_a_run_multiplies_as_precisely_as_it_says(whole, run, tmp_path):
    assert train(tmp_path / "rounded", "--steps 1 --log-every 1 --precision bf16").finished
    (first, *_), (rounded,) = curve(whole), curve(tmp_path / "rounded")
    assert first["step"] == rounded["step"] == 1
    assert rounded["loss"] == pytest.approx(first["loss"], rel=0.02)
    assert rounded["loss"] != first["loss"]
    with pytest.raises(InputError, match="--precision: was highest, is bf16"):
        train(run, "--steps 7 --precision bf16 --resume")


@pytest.mark.slow  # five networks are compiled
def test_an_ablation_goes_on_with_its_networks(tmp_path):
    """AE12 has another IFNet than FNet, AE5 other parameters, in stage II too."""
    assert train(tmp_path / "AE12", "--ablation AE12 --steps 1").finished
    assert train(tmp_path / "AE12", "--ablation AE12 --steps 2 --resume").finished
    assert max(checkpoints.steps(tmp_path / "AE12/stage1/checkpoints")) == 2
    assert train(tmp_path / "AE5", "--ablation AE5 --steps 1").finished
    with pytest.raises(InputError, match="--ablation: was AE5, is not set"):
        train(tmp_path / "AE5", "--steps 2 --resume")
    for name, flag in (("AE4", "--ablation AE4"), ("FNet", ""), ("AE13", "--ablation AE13")):
        message = f"was trained as AE5, and {name} begins differently; use --ablation AE5"
        with pytest.raises(InputError, match=message):
            train(tmp_path / "AE5", f"{flag} --steps 1", "stage2")
    with pytest.raises(InputError, match="was trained as AE12, and FNet begins differently"):
        train(tmp_path / "AE12", "--steps 1", "stage2")
    assert train(tmp_path / "AE13", "--ablation AE13 --steps 1").finished  # as FNet's: a loss of II
    assert train(tmp_path / "AE13", "--steps 1", "stage2").finished
    assert train(tmp_path / "AE5", "--ablation AE5 --steps 1", "stage2").finished
    network, _, _ = checkpoints.load(tmp_path / "AE5/stage2", FNet)
    assert network.momentum == "polyak"


@pytest.mark.parametrize("name", ["AE11", "AE12"])
def test_an_ablation_of_the_beginning_does_not_begin_as_fnet(whole, tmp_path, name):
    with pytest.raises(InputError, match=f"was trained as FNet, and {name} begins differently"):
        train(tmp_path, f"--ablation {name} --init {whole}", "stage2")
    assert not (tmp_path / "stage2").exists()


def test_the_result_says_what_was_reached(tmp_path):
    # at this rate the loss rises after the first step, which is the best
    flags = "--save-every 1 --keep 1 --lr 0.03 --ema 0"
    first = train(tmp_path, f"--steps 3 {flags}")
    assert (first.began, first.steps, first.wanted, first.stopped_by) == (0, 3, 3, None)
    assert first.folder == tmp_path / "stage1"
    assert first.checkpoint == at(tmp_path, 3)
    assert first.best_checkpoint == at(tmp_path, min((1, 2, 3), key=first.course.get))
    assert list(first.course) == [0, 1, 2, 3]
    assert first.validation_loss == first.course[3]
    assert first.best_validation_loss == min(first.course.values())
    second = train(tmp_path, f"--steps 4 {flags} --resume")
    assert (second.began, second.steps) == (3, 4)
    assert {n: second.course[n] for n in first.course} == first.course
    assert train(tmp_path, f"--steps 4 {flags} --resume").course == second.course


def test_a_run_is_stopped_by_its_caller_and_saves(tmp_path, capfd):
    calls = []

    def stop():
        calls.append(None)
        return "the caller" if len(calls) == 3 else None  # asked after the second step

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    capfd.readouterr()
    result = train(tmp_path, "--steps 9 --save-every 9", stop=stop)
    assert (result.steps, result.finished, result.stopped_by) == (2, False, "the caller")
    assert result.checkpoint == at(tmp_path, 2)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert capfd.readouterr() == ("", "")  # a notebook sees nothing
    asked = train(tmp_path / "other", "--steps 9", stop=lambda: "the caller")
    assert (asked.steps, asked.checkpoint, asked.stopped_by) == (0, None, "the caller")


def test_damaged_curves_do_not_end_a_resume(run):
    path = run / "stage1/metrics.jsonl"
    whole, lines = path.read_bytes(), []
    path.write_bytes(whole[:90] + b"\xff\0" + whole[92:-9])
    resumed = train(run, "--steps 7 --resume", report=lines.append)
    assert resumed.steps == 7
    assert set(resumed.course) == {2, 4, 7}  # the first line and the last one are damaged
    assert f"{path}: 2 damaged lines were dropped" in lines
    assert [point["step"] for point in curve(run)] == [1, 2, 3, 4, 5, 6, 7]


def test_starts_before_the_first_checkpoint_leave_no_lines(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, "--steps 2", display=Killed())
    assert train(tmp_path, "--steps 2").finished
    points = [json.loads(line) for line in (tmp_path / "stage1/metrics.jsonl").open()]
    assert [point["step"] for point in points] == [0, 1, 2, 2]


class Killed(Display):
    def step(self, loss):
        raise KeyboardInterrupt


def test_steps_are_float32_whatever_jax_is_set_to(whole, tmp_path):
    with jax.enable_x64(True):
        assert train(tmp_path, "--steps 6 --save-every 2").finished
    assert same(at(tmp_path, 6), at(whole, 6))


@pytest.mark.parametrize("wrong", ["file", "file/below", "a" * 300, "b/" + "a" * 300, "dangling"])
def test_a_workdir_that_cannot_be_used_is_named(tmp_path, wrong):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(InputError) as refusal:
        loop.train(
            STAGES["stage1"], dataclasses.replace(configured(tmp_path), workdir=tmp_path / wrong)
        )
    assert str(refusal.value).startswith(f"--workdir {tmp_path / wrong}: ")
    assert "\n" not in str(refusal.value)
