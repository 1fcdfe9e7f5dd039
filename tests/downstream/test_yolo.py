"""The detector, with a program that stands in for ultralytics, and with the real one if named."""

import dataclasses
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command import ROOT

from eval.downstream import average_precision, coco, yolo, yolo_files
from eval.downstream.boxes import Boxes
from eval.downstream.scenes import Scene, SceneSet
from eval.downstream.splits import Split
from eval.downstream.training import Budget, Job
from fnet_jax import images
from fnet_jax.errors import InputError

CLASSES = ("person", "bicycle", "car")
STAND_IN = Path(__file__).with_name("stand_in_yolo.py")
HEIGHT, WIDTH = 48, 64
# A number, a number with zeros, and letters that are not ASCII or stand for more in other places.
TEST = ("00012", "7", "x images y", "ä%é")
TRAIN = ("00001", "t1", "t2")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and locks of POSIX")


def environment_of(folder, versions):
    """A folder with an interpreter, the program ``yolo``, and packages of these versions."""
    (folder / "bin").mkdir(parents=True)
    for name, number in versions.items():
        info = folder / "site" / f"{name}-{number}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
    python, program = folder / "bin/python", folder / "bin/yolo"
    python.write_text(
        f'#!/bin/sh\nPYTHONPATH="{folder / "site"}" exec "{sys.executable}" -S "$@"\n'
    )
    shutil.copy(STAND_IN, program)
    text = program.read_text(encoding="utf-8").replace("/usr/bin/env python3", sys.executable)
    program.write_text(text, encoding="utf-8")
    for path in (python, program):
        path.chmod(0o755)
    return python


def set_versions(python, name, number):
    site = python.parents[1] / "site"
    for path in site.glob(f"{name}-*"):
        shutil.rmtree(path)
    info = site / f"{name}-{number}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")


TOOLS = {"ultralytics": "8.4.190", "torch": "2.14.1", "torchvision": "0.29.1"}


@pytest.fixture
def job(tmp_path):
    """Three scenes that train, four that test, one of them empty."""
    return made(tmp_path)


def made(root, *, epochs=3, python=None):
    rng = np.random.default_rng(0)
    scenes = []
    for folder in ("vi", "truth", "seen"):
        (root / folder).mkdir()
    for name in sorted(TRAIN + TEST):
        image = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        images.write(root / "vi" / f"{name}.png", image)
        images.write(root / "seen" / f"{name}.png", 255 - image)
        rows = [f"{n} {0.3 + n / 10} 0.5 0.25 {0.3 + n / 10}" for n in range(2)]
        text = "" if name == "7" else "\n".join(rows)
        (root / "truth" / f"{name}.txt").write_text(text, encoding="utf-8")
        scenes.append(
            Scene(name, root / "vi" / f"{name}.png", None, root / "truth" / f"{name}.txt")
        )
    return Job(
        images=root / "seen",
        scenes=SceneSet("MSRS", "detect", CLASSES, tuple(scenes)),
        split=Split("official", TRAIN, TEST),
        budget=Budget("quick", epochs, 4, 1e-2, 64),
        seed=3,
        folder=root / "job",
        python=python or environment_of(root / "env", TOOLS),
    )


def calls(job):
    """Command lines of the program so far."""
    text = (job.python.parent / "calls.txt").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def trainings(job):
    return [dict(w.split("=", 1) for w in c[2:]) for c in calls(job) if c[1] == "train"]


def measured(job, path):
    truth = coco.truth(job.scenes, job.split.test)
    return average_precision.evaluate(truth, coco.read_predictions(path, truth))


def state(job):
    return json.loads((job.folder / "done.json").read_text(encoding="utf-8"))


def test_the_whole_way(job, tmp_path):
    shown = []

    def progress(items, *, total, desc):
        for item in items:
            shown.append((item, total))
            yield item

    yolo.train(job, progress=progress)
    assert shown == [(1, 3), (2, 3), (3, 3)]
    (given,) = trainings(job)
    expected = {"model": "yolov5n.yaml", "optimizer": "SGD", "pretrained": "False", "seed": "3"}
    expected |= {"epochs": "3", "batch": "4", "lr0": "0.01", "imgsz": "64", "amp": "False"}
    expected |= {"deterministic": "True", "val": "False", "plots": "False"}
    assert expected.items() <= given.items()
    assert [call[1] for call in calls(job)] == ["train", "val"]
    assert state(job)["starts"] == 1
    assert TOOLS.items() <= state(job)["versions"].items()
    assert yolo.losses(job.folder)["epoch"] == [1, 2, 3]
    assert yolo.losses(job.folder)["train/box_loss"] == pytest.approx([1, 1 / 2, 1 / 3], rel=1e-5)

    yolo.train(job)  # is done
    assert len(calls(job)) == 2
    assert yolo.predict(job, tmp_path / "vi", tmp_path / "fixed").name == "predictions.json"
    assert [call[1] for call in calls(job)] == ["train", "val", "val"]
    assert [path.name for path in (tmp_path / "fixed").iterdir()] == ["predictions.json"]


def test_what_is_found_is_measured_with_the_truth(job, tmp_path):
    pytest.importorskip("pycocotools", reason="pycocotools measures detectors")
    yolo.train(job)
    found = measured(job, job.folder / "predictions.json")
    np.testing.assert_allclose(found.ap, [1, 1, np.nan], rtol=1e-12)
    other = yolo.predict(job, tmp_path / "vi", tmp_path / "fixed")
    np.testing.assert_allclose(measured(job, other).ap, [1, 1, np.nan], rtol=1e-12)


def test_data_are_in_the_form_of_ultralytics(job):
    yolo.train(job)
    data = job.folder / "data"
    about = json.loads((data / "data.yaml").read_text(encoding="utf-8"))
    assert about["names"] == list(CLASSES)
    assert Path(about["path"]) == data.absolute()
    for part, names in (("train", TRAIN), ("val", TEST)):
        assert sorted(path.stem for path in (data / about[part]).iterdir()) == sorted(names)
        for name in names:
            seen = images.read(data / about[part] / f"{name}.png")
            np.testing.assert_array_equal(seen, images.read(job.images / f"{name}.png"))
            label = data / "labels" / part / f"{name}.txt"
            truth = job.scenes.scenes[0].truth.with_name(f"{name}.txt")
            np.testing.assert_allclose(numbers(label), numbers(truth), atol=1e-6)
    yaml = pytest.importorskip("yaml", reason="PyYAML reads data.yaml as ultralytics does")
    assert yaml.safe_load((data / "data.yaml").read_text(encoding="utf-8")) == about


def numbers(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return [[float(word) for word in line.split()] for line in lines]


def test_labels_lie_within_the_image():
    corners = np.array([[-5, 10, 20, 30], [60, 40, 70, 60], [70, 0, 80, 9], [0, 0, 64, 48]], float)
    lines = yolo_files.label(Boxes(np.array([0, 1, 2, 2]), corners), (HEIGHT, WIDTH)).splitlines()
    rows = np.array([[float(word) for word in line.split()] for line in lines])
    np.testing.assert_array_equal(rows[:, 0], [0, 1, 2])  # one lies outside
    np.testing.assert_allclose(rows[0, 1:], [10 / 64, 20 / 48, 20 / 64, 20 / 48], atol=1e-6)
    np.testing.assert_allclose(rows[1, 1:], [62 / 64, 44 / 48, 4 / 64, 8 / 48], atol=1e-6)
    np.testing.assert_allclose(rows[2, 1:], [0.5, 0.5, 1, 1])


def test_a_detector_that_finds_nothing_has_an_empty_list(job):
    for path in {scene.truth for scene in job.scenes.scenes}:
        path.write_text("", encoding="utf-8")
    yolo.train(job)
    assert json.loads((job.folder / "predictions.json").read_text(encoding="utf-8")) == []


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
    assert said[-1].endswith("goes on after epoch 1")  # perhaps once the killed are gone
    assert trainings(job)[1]["resume"] == "True"
    assert len(trainings(job)) == 2
    assert yolo.losses(job.folder)["epoch"] == [1, 2, 3]
    assert state(job)["starts"] == 2


def test_a_program_that_outlives_its_start_is_waited_for(job):
    process = begun(job, "slow")
    process.kill()  # not the program
    process.wait()
    said = []
    yolo.train(job, say=said.append)
    assert "another training still works here" in said[0]
    rows = (job.folder / "run/results.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2", "3"]  # none twice
    assert state(job)["starts"] == 2


def test_a_program_that_is_killed_while_it_writes_goes_on_from_what_was_kept(job, monkeypatch):
    monkeypatch.setenv("STAND_IN", "half:3")
    with pytest.raises(InputError, match=r"log\.txt: ultralytics failed with status -9"):
        yolo.train(job)
    monkeypatch.delenv("STAND_IN")
    yolo.train(job)
    assert trainings(job)[1]["resume"] == "True"
    assert yolo.losses(job.folder)["epoch"] == [1, 2, 3]
    assert state(job)["starts"] == 2


def test_a_program_that_is_killed_in_its_first_epoch_begins_again(job, monkeypatch):
    monkeypatch.setenv("STAND_IN", "half:1")
    with pytest.raises(InputError, match="status -9"):
        yolo.train(job)
    monkeypatch.delenv("STAND_IN")
    yolo.train(job)
    assert [given["model"] for given in trainings(job)] == ["yolov5n.yaml"] * 2
    assert yolo.losses(job.folder)["epoch"] == [1, 2, 3]


def test_a_program_that_is_killed_after_its_last_epoch_is_not_trained_again(job, monkeypatch):
    monkeypatch.setenv("STAND_IN", "after")
    with pytest.raises(InputError, match="status -9"):
        yolo.train(job)
    monkeypatch.delenv("STAND_IN")
    yolo.train(job)
    rows = (job.folder / "run/results.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 4
    assert (job.folder / "done.json").exists()


def test_a_failure_has_the_programs_last_lines(job, monkeypatch):
    monkeypatch.setenv("STAND_IN", "fail:2")
    with pytest.raises(InputError, match="RuntimeError: cannot learn epoch 2") as caught:
        yolo.train(job)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{job.folder / 'log.txt'}: ")


def test_a_smaller_batch_is_refused(job, monkeypatch):
    monkeypatch.setenv("STAND_IN", "memory:1")
    start = time.monotonic()
    with pytest.raises(InputError, match="4 images of 64 pixels need more memory"):
        yolo.train(job)
    assert time.monotonic() - start < 30  # the program, which would wait, was ended


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
    assert [line.endswith("goes on after epoch 1") for line in said] == [True]  # waits for nobody
    assert time.monotonic() - start < 30


def test_a_folder_keeps_its_training(job):
    yolo.train(job)
    for change, words in [
        ({"seed": 4}, "other seed"),
        ({"budget": dataclasses.replace(job.budget, epochs=4)}, "other epochs"),
        ({"split": Split("drives", TRAIN[1:], TEST)}, "other split"),
        ({"images": job.images.with_name("vi")}, "other images"),
    ]:
        with pytest.raises(InputError, match=words):
            yolo.train(dataclasses.replace(job, **change))
    (job.folder / "job.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"job\.json: is damaged"):
        yolo.train(job)


def test_a_training_goes_on_with_the_same_versions_only(job, monkeypatch):
    monkeypatch.setenv("STAND_IN", "fail:2")
    with pytest.raises(InputError):
        yolo.train(job)
    monkeypatch.delenv("STAND_IN")
    set_versions(job.python, "torch", "3.0")
    with pytest.raises(InputError, match=r"begun with .*torch 2\.14\.1.* here is .*torch 3\.0"):
        yolo.train(job)


def test_versions_and_what_is_missing(tmp_path):
    python = environment_of(tmp_path / "env", TOOLS)
    assert TOOLS.items() <= yolo.versions(python).items()
    shutil.rmtree(next((tmp_path / "env/site").glob("torch-*")))
    with pytest.raises(InputError, match="lacks torch; run make downstream"):
        yolo.versions(python)
    with pytest.raises(InputError, match="cannot be started .*; run make downstream"):
        yolo.versions(tmp_path / "nowhere/python")


def test_a_missing_program_is_named(job):
    (job.python.parent / "yolo").unlink()
    with pytest.raises(InputError, match="no program yolo beside the interpreter; run make downst"):
        yolo.train(job)


def test_images_that_cannot_be_used_are_named_before_training(job):
    images.write(job.images / "t1.png", np.zeros((HEIGHT, WIDTH + 1, 3), np.uint8), overwrite=True)
    with pytest.raises(InputError, match=r"t1\.png: is 65×48, not 64×48"):
        yolo.train(job)
    (job.images / "t1.png").unlink()
    with pytest.raises(InputError, match=r"t1\.png: is missing"):
        yolo.train(job)
    assert not (job.python.parent / "calls.txt").exists()


def test_only_a_trained_detector_predicts(job, tmp_path):
    with pytest.raises(InputError, match="no training has been finished here"):
        yolo.predict(job, job.images, tmp_path / "fixed")


def test_budgets():
    assert yolo.BUDGETS["paper"] == Budget("paper", 100, 16, 1e-2, 640)
    assert yolo.BUDGETS["quick"] == Budget("quick", 12, 16, 1e-2, 320)


@pytest.fixture
def real_python():
    """An interpreter whose environment has ultralytics."""
    given = os.environ.get("FNET_DOWNSTREAM_PYTHON")
    if not given:
        pytest.skip("FNET_DOWNSTREAM_PYTHON does not name an interpreter with ultralytics")
    return Path(given)


@pytest.mark.slow
def test_the_real_program(tmp_path, real_python):
    job = made(tmp_path, epochs=2, python=real_python)
    yolo.train(job)
    assert yolo.losses(job.folder)["epoch"] == [1, 2]
    assert {"ultralytics", "torch"} <= state(job)["versions"].keys()
    other = yolo.predict(job, job.images, tmp_path / "fixed")
    assert other.read_bytes() == (job.folder / "predictions.json").read_bytes()
    log = (job.folder / "log.txt").read_text(encoding="utf-8")
    assert re.search(r"labels/train\S* 3 images, 0 backgrounds, 0 corrupt", log)
    assert "Downloading" not in log
    done = state(job)
    (job.folder / "done.json").unlink()  # as if it had been killed at the very end
    yolo.train(job)
    assert state(job) == {**done, "starts": 2}
    assert yolo.losses(job.folder)["epoch"] == [1, 2]


@pytest.mark.slow
def test_the_real_program_goes_on(tmp_path, real_python):
    job = made(tmp_path, epochs=3, python=real_python)
    process = begun(job, "")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    said = []
    yolo.train(job, say=said.append)
    assert "goes on after epoch" in said[-1]
    assert yolo.losses(job.folder)["epoch"] == [1, 2, 3]
