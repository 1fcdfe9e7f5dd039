"""Trainings of a detector that are killed, interrupted, or outlive what started them."""

import os
import pickle
import signal
import subprocess
import sys
import time

import pytest
from command import ROOT
from made_up_jobs import made, real_python, state, trainings

from eval.downstream import yolo, yolo_files
from fnet_jax.errors import InputError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and locks of POSIX")


@pytest.fixture
def job(tmp_path):
    """Three scenes that train, four that test, one of them empty."""
    return made(tmp_path)


SCRIPT = """
import pickle, sys
from pathlib import Path
from eval.downstream import yolo
yolo.train(pickle.loads(Path(sys.argv[1]).read_bytes()))
"""


def begun(job, what):
    """Trains in a process group of its own, and returns when an epoch is done."""
    file = job.folder.with_name("job.pickle")
    file.write_bytes(pickle.dumps(job))
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(file)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "STAND_IN": what},
        start_new_session=True,
    )
    end = time.monotonic() + 60
    while not (job.folder / "kept.pt").exists():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    return process


def test_a_training_that_was_killed_goes_on(job):
    process = begun(job, "wait:2")
    os.killpg(process.pid, signal.SIGKILL)  # the program too
    process.wait()
    assert not (job.folder / "done.json").exists()
    said = []
    yolo.train(job, say=said.append)
    assert said[-1].endswith("continuing after epoch 1")  # perhaps once the killed are gone
    assert trainings(job)[1]["resume"] == "True"
    assert len(trainings(job)) == 2
    assert yolo_files.losses(job.folder)["epoch"] == [1, 2, 3]
    assert state(job)["starts"] == 2


def test_a_program_that_outlives_its_start_is_waited_for(job):
    process = begun(job, "slow")
    process.kill()  # not the program
    process.wait()
    said = []
    yolo.train(job, say=said.append)
    assert "is in use by another training program" in said[0]
    rows = (job.folder / "run/results.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2", "3"]  # none twice
    assert state(job)["starts"] == 2


def test_a_program_that_is_killed_while_it_writes_goes_on_from_what_was_kept(job, monkeypatch):
    monkeypatch.setenv("STAND_IN", "half:3")
    with pytest.raises(InputError, match=r"ultralytics failed with status -9: .*log\.txt"):
        yolo.train(job)
    monkeypatch.delenv("STAND_IN")
    yolo.train(job)
    assert trainings(job)[1]["resume"] == "True"
    assert yolo_files.losses(job.folder)["epoch"] == [1, 2, 3]
    assert state(job)["starts"] == 2


def test_a_program_that_is_killed_in_its_first_epoch_begins_again(job, monkeypatch):
    monkeypatch.setenv("STAND_IN", "half:1")
    with pytest.raises(InputError, match="status -9"):
        yolo.train(job)
    monkeypatch.delenv("STAND_IN")
    yolo.train(job)
    assert [given["model"] for given in trainings(job)] == ["yolov5n.yaml"] * 2
    assert yolo_files.losses(job.folder)["epoch"] == [1, 2, 3]


def test_a_program_that_is_killed_after_its_last_epoch_is_not_trained_again(job, monkeypatch):
    monkeypatch.setenv("STAND_IN", "after")
    with pytest.raises(InputError, match="status -9"):
        yolo.train(job)
    monkeypatch.delenv("STAND_IN")
    yolo.train(job)
    rows = (job.folder / "run/results.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 4
    assert (job.folder / "done.json").exists()


def test_an_interrupted_command_ends_the_program(job, monkeypatch):
    monkeypatch.setenv("STAND_IN", "wait:2")

    def interrupted(items, *, total, desc):
        for _ in items:
            raise KeyboardInterrupt
        return items

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt) as caught:
        yolo.train(job, progress=interrupted)
    assert caught.value.__traceback__  # and all that it holds
    monkeypatch.delenv("STAND_IN")
    said = []
    yolo.train(job, say=said.append)
    assert [line.endswith("continuing after epoch 1") for line in said] == [True]  # did not wait
    assert time.monotonic() - start < 30


@pytest.mark.slow
def test_the_real_program_goes_on(tmp_path):
    job = made(tmp_path, epochs=3, python=real_python())
    process = begun(job, "")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    said = []
    yolo.train(job, say=said.append)
    assert "continuing after epoch" in said[-1]
    assert yolo_files.losses(job.folder)["epoch"] == [1, 2, 3]
