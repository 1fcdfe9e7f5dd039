"""``python -m train.stage1`` as a user runs it: killed, stopped, on several processes."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time

import command
import numpy as np
import pytest
from command import ROOT, TINY

from fnet_jax import images
from fnet_jax.networks.fnet import FNet
from fnet_jax.weights import checkpoints
from fnet_jax.weights.integrity import check_files, named_arrays


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """One device, and data sets that the runs share."""
    return {
        "XLA_FLAGS": "",
        "PYTHONPATH": str(ROOT),
        "TFDS_DATA_DIR": str(tmp_path_factory.mktemp("sets")),
    }


def run(environment, workdir, *flags, stage="stage1"):
    call = ["--workdir", workdir, *command.flags(TINY, *flags)]
    return command.run(f"train.{stage}", *call, cwd=workdir.parent, environment=environment)


def begin(environment, workdir, *flags):
    """Starts a run and returns its process."""
    call = [
        sys.executable,
        "-m",
        "train.stage1",
        "--workdir",
        workdir,
        *command.flags(TINY, *flags),
    ]
    return subprocess.Popen(
        list(map(str, call)),
        env=os.environ | environment,
        cwd=workdir.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, process):
    """Waits until something is true of a run that goes on; fails if it ends before."""
    end = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "waited two minutes"
        time.sleep(0.001)


def curve(workdir):
    lines = (workdir / "stage1/metrics.jsonl").read_text().splitlines()
    return {p["step"]: p["loss"] for p in map(json.loads, lines) if "loss" in p}


def weights(workdir, step):
    _, params, _ = checkpoints.load(workdir / f"stage1/checkpoints/{step}", FNet)
    return np.concatenate([x.ravel() for x in named_arrays(params).values()])


@pytest.fixture(scope="module")
def whole(environment, tmp_path_factory):
    """A run of sixty steps on one device, never stopped, that keeps all its checkpoints."""
    workdir = tmp_path_factory.mktemp("whole") / "runs"
    done = run(environment, workdir, "--steps", "60", "--save-every", "6", "--keep", "99")
    assert done.returncode == 0, done.stderr
    return workdir, done


def test_the_command_says_what_it_does(whole):
    workdir, done = whole
    assert done.stdout.splitlines()[-1].startswith(f"{workdir}/stage1: step 60 of 60, saved in ")
    said = done.stderr
    assert "1,000 synthetic scenes, drawn, not photographed; the paper trains on MSRS" in said
    assert "from scratch (tied)" in said
    assert re.search(r"\nstep 6 of 60: validation loss [\d.]+, .* steps/s, .* pairs/s, 0:", said)
    assert "Traceback" not in said
    assert "arning" not in said
    assert len(curve(workdir)) == 60


def test_no_flags_but_the_workdir_are_needed(environment, tmp_path):
    done = command.run(
        "train.stage1", "--workdir", "runs/", "--help", cwd=tmp_path, environment=environment
    )
    assert done.returncode == 0
    for what in ("--resume", "examples:", "TensorBoard", "eq. 25", "exit status"):
        assert what in done.stdout


def events(file):
    """The events of a TensorBoard file: records of length, checksum, content, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    content = file.read_bytes()
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        event = Event()
        event.ParseFromString(content[12 : 12 + length])
        yield event
        content = content[16 + length :]


def test_tensorboard_gets_the_curves_and_the_pictures(whole):
    workdir, _ = whole
    (file,) = (workdir / "stage1").glob("events*")
    tags, losses = set(), {}
    for event in events(file):
        for value in event.summary.value:
            tags.add(value.tag)
            if value.tag == "loss":
                losses[event.step] = value.simple_value
    assert losses == pytest.approx(curve(workdir), rel=1e-6)
    wanted = {"loss/I1_intensity", "theta/u1/0", "rho/c/1", "sparsity/c", "learning_rate"}
    assert wanted | {"gradient_norm", "validation_loss", "I1_I2_If_u1_u2_c"} <= tags


def test_a_run_that_is_killed_twice_while_saving_equals_the_whole(whole, environment, tmp_path):
    reference, _ = whole
    workdir = tmp_path / "runs"
    flags = ("--steps", "60", "--save-every", "6")
    saved = workdir / "stage1/checkpoints"
    for more in (1, 3):
        process = begin(environment, workdir, *flags, "--resume")
        wait_for(lambda more=more: len(checkpoints.steps(saved)) >= more, process)
        newest = max(checkpoints.steps(saved))
        wait_for(lambda: list(saved.glob(".fnet-jax-writing/*")), process)  # in the middle
        process.kill()
        process.communicate()
        sound = checkpoints.steps(saved)
        assert max(sound) >= newest
        for checkpoint in sound.values():
            check_files(checkpoint)
    done = run(environment, workdir, *flags, "--resume")
    assert done.returncode == 0, done.stderr
    assert f"continuing from {saved}" in done.stderr
    assert curve(workdir) == curve(reference)
    np.testing.assert_array_equal(weights(workdir, 60), weights(reference, 60))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_run_that_is_asked_to_stop_saves(whole, environment, tmp_path, number, status):
    reference, _ = whole
    workdir = tmp_path / "runs"
    process = begin(environment, workdir, "--steps", "60", "--save-every", "1000")
    wait_for(lambda: (workdir / "stage1/metrics.jsonl").exists(), process)
    process.send_signal(number)
    if number == signal.SIGTERM:  # a second one must not break off the saving
        time.sleep(0.3)
        process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == status, said
    (step,) = checkpoints.steps(workdir / "stage1/checkpoints")
    assert step < 60
    assert f"stopped: saved at step {step}; use --resume to continue" in said
    if number == signal.SIGINT:  # both stop in the same way
        done = run(environment, workdir, "--steps", "60", "--save-every", "1000", "--resume")
        assert done.returncode == 0, done.stderr
        assert curve(workdir) == curve(reference)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def together(environment, workdir, *flags, each=((), ()), status=0):
    """Runs two processes; returns what each printed."""
    address = f"127.0.0.1:{free_port()}"
    processes = []
    for i in (0, 1):
        joined = ("--coordinator", address, "--num-processes", 2, "--process-id", i)
        processes.append(begin(environment, workdir, *flags, *joined, *each[i]))
    said = [process.communicate(timeout=240) for process in processes]
    assert [process.returncode for process in processes] == [status, status], said
    return said


def test_two_processes_do_what_one_does(whole, environment, tmp_path):
    alone, _ = whole
    workdir = tmp_path / "runs"
    said = together(environment, workdir, "--steps", "6")
    spoken = [line for line in said[1][0].splitlines() if not line.startswith("[Gloo]")]
    assert spoken == []  # the first speaks for both
    np.testing.assert_allclose(weights(workdir, 6), weights(alone, 6), atol=2e-6)
    meta = json.loads((workdir / "stage1/checkpoints/6/meta/metadata").read_text())
    assert meta["source"]["processes"] == 2
    # one process goes on where two stopped
    done = run(environment, workdir, "--steps", "12", "--resume")
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(weights(workdir, 12), weights(alone, 12), atol=4e-6)  # more steps
    expected = {step: loss for step, loss in curve(alone).items() if step <= 12}
    assert curve(workdir) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_two_processes_go_on_where_one_stopped(whole, environment, tmp_path):
    alone, _ = whole
    workdir = tmp_path / "runs"
    assert run(environment, workdir, "--steps", "3").returncode == 0
    said = together(environment, workdir, "--steps", "6", "--resume")
    assert f"continuing from {workdir}/stage1/checkpoints/3" in said[0][1]
    np.testing.assert_allclose(weights(workdir, 6), weights(alone, 6), atol=2e-6)


def test_processes_that_were_told_different_things_are_refused(environment, tmp_path):
    flags = [("--lr", 1e-4), ("--lr", 2e-4)]
    said = together(environment, tmp_path / "runs", each=flags, status=1)
    for _, errors in said:
        assert "error: the configuration of process 1 differs from that of process 0" in errors
        assert "Traceback" not in errors


def test_a_run_goes_on_with_another_number_of_devices(whole, environment, tmp_path):
    reference, _ = whole
    workdir = tmp_path / "runs"
    assert run(environment, workdir, "--steps", "3").returncode == 0
    two = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    done = run(environment | two, workdir, "--steps", "6", "--resume")
    assert done.returncode == 0, done.stderr
    assert "cpu:1" in (workdir / "stage1/config.json").read_text().lower().replace("_", ":")
    expected = [curve(reference)[step] for step in range(1, 7)]
    found = [curve(workdir)[step] for step in range(1, 7)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_both_stages_and_fusion(environment, whole, tmp_path):
    workdir, _ = whole
    done = run(environment, workdir, "--steps", "2", stage="stage2")
    assert done.returncode == 0, done.stderr
    assert re.search(r"from .*stage1/checkpoints/60\n", done.stderr)
    for name in ("a", "b"):
        images.write(tmp_path / f"{name}.png", np.full((12, 9), 80, np.uint8))
    call = ("--ckpt", workdir, "--i1", "a.png", "--i2", "b.png", "--out", "fused")
    done = command.run("eval.fuse", *call, cwd=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    assert images.read(tmp_path / "fused/a.png").shape == (12, 9)


def test_failures_are_one_line_and_a_status(environment, tmp_path):
    done = run(environment, tmp_path / "runs", stage="stage2")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: {tmp_path}/runs/stage1 has no check")
    assert "Traceback" not in done.stderr
    (tmp_path / "file").write_text("")
    done = run(environment, tmp_path / "file")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
