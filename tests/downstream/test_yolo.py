"""The detector, with a program that stands in for ultralytics, and with the real one if named."""

import dataclasses
import json
import os
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from made_up_jobs import (
    CLASSES,
    HEIGHT,
    TEST,
    TOOLS,
    TRAIN,
    WIDTH,
    calls,
    environment_of,
    made,
    real_python,
    set_versions,
    state,
    trainings,
)

from eval.downstream import average_precision, coco, process, yolo, yolo_files
from eval.downstream.boxes import Boxes
from eval.downstream.splits import Split
from eval.downstream.training import Budget
from fnet_jax import images
from fnet_jax.errors import InputError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and locks of POSIX")


@pytest.fixture
def job(tmp_path):
    """Three scenes that train, four that test, one of them empty."""
    return made(tmp_path)


def measured(job, path):
    truth = coco.truth(job.scenes, job.split.test)
    return average_precision.evaluate(truth, coco.read_predictions(path, truth))


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
    assert yolo_files.losses(job.folder)["epoch"] == [1, 2, 3]
    assert yolo_files.losses(job.folder)["train/box_loss"] == pytest.approx(
        [1, 1 / 2, 1 / 3], rel=1e-5
    )

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


def test_a_failure_has_the_programs_last_lines(job, monkeypatch):
    monkeypatch.setenv("STAND_IN", "fail:2")
    with pytest.raises(InputError, match="RuntimeError: cannot learn epoch 2") as caught:
        yolo.train(job)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(f"; see {job.folder / 'log.txt'}")


def test_a_smaller_batch_is_refused(job, monkeypatch):
    monkeypatch.setenv("STAND_IN", "memory:1")
    start = time.monotonic()
    with pytest.raises(InputError, match="not enough memory for 4 images of 64 pixels"):
        yolo.train(job)
    assert time.monotonic() - start < 30  # the program, which would wait, was ended


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
    with pytest.raises(InputError, match=r"job\.json is damaged"):
        yolo.train(job)


def test_a_training_goes_on_with_the_same_versions_only(job, monkeypatch):
    monkeypatch.setenv("STAND_IN", "fail:2")
    with pytest.raises(InputError):
        yolo.train(job)
    monkeypatch.delenv("STAND_IN")
    set_versions(job.python, "torch", "3.0")
    with pytest.raises(InputError, match=r"begun with .*torch 2\.14\.1.*, not .*torch 3\.0"):
        yolo.train(job)


def test_versions_and_what_is_missing(tmp_path):
    python = environment_of(tmp_path / "env", TOOLS)
    assert TOOLS.items() <= process.versions(python, yolo.PACKAGES).items()
    shutil.rmtree(next((tmp_path / "env/site").glob("torch-*")))
    with pytest.raises(InputError, match="lacks torch; run make downstream"):
        process.versions(python, yolo.PACKAGES)
    with pytest.raises(InputError, match="cannot be started .*; run make downstream"):
        process.versions(tmp_path / "nowhere/python", yolo.PACKAGES)


def test_a_missing_program_is_named(job):
    (job.python.parent / "yolo").unlink()
    with pytest.raises(InputError, match="no program yolo beside the interpreter; run make downst"):
        yolo.train(job)


def test_images_that_cannot_be_used_are_named_before_training(job):
    images.write(job.images / "t1.png", np.zeros((HEIGHT, WIDTH + 1, 3), np.uint8), overwrite=True)
    with pytest.raises(InputError, match=r"t1\.png is 65×48, but .* is 64×48"):
        yolo.train(job)
    (job.images / "t1.png").unlink()
    with pytest.raises(InputError, match=r"t1\.png does not exist"):
        yolo.train(job)
    assert not (job.python.parent / "calls.txt").exists()


def test_only_a_trained_detector_predicts(job, tmp_path):
    with pytest.raises(InputError, match="has no finished training"):
        yolo.predict(job, job.images, tmp_path / "fixed")


def test_budgets():
    assert yolo.BUDGETS["paper"] == Budget("paper", 100, 16, 1e-2, 640)
    assert yolo.BUDGETS["quick"] == Budget("quick", 12, 16, 1e-2, 320)


@pytest.mark.slow
def test_the_real_program(tmp_path):
    job = made(tmp_path, epochs=2, python=real_python())
    yolo.train(job)
    assert yolo_files.losses(job.folder)["epoch"] == [1, 2]
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
    assert yolo_files.losses(job.folder)["epoch"] == [1, 2]
