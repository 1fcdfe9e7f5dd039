"""The programs that train, with the real PyTorch: FNET_DOWNSTREAM_PYTHON names its interpreter."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from made_up_jobs import made, real_python

from eval.downstream import coco, fcos, segformer
from eval.downstream.training import Budget
from fnet_jax import images
from fnet_jax.errors import InputError

pytestmark = pytest.mark.slow


def silent(line):
    pass


@pytest.fixture
def job(tmp_path):
    return made(tmp_path, epochs=2, python=real_python())


@pytest.fixture
def segmenter(job, tmp_path, rng):
    labels = tmp_path / "labels"
    labels.mkdir()
    for scene in job.scenes.scenes:
        label = rng.integers(0, 3, (48, 64)).astype(np.uint8)
        images.write(labels / f"{scene.name}.png", label)
    return segformer.SegFormer(labels, threads=1)


def content(found):
    """What a program wrote: a file, or the files of a folder."""
    files = sorted(found.iterdir()) if found.is_dir() else [found]
    return [path.read_bytes() for path in files]


def stopped_and_continued(trainer, job):
    """A training of two epochs that is stopped after the first, as after a kill."""
    other = dataclasses.replace(job, folder=job.folder.with_name("again"))
    lines = []

    def stop(line):
        lines.append(line)
        if len(lines) == 1:
            raise InputError("stop")

    with pytest.raises(InputError, match="stop"):
        trainer.train(other, stop)
    assert not (other.folder / "done.json").exists()
    found = trainer.train(other, lines.append)
    assert [line.split(",")[0] for line in lines] == ["epoch 1 of 2", "epoch 2 of 2"]
    return found


@pytest.mark.parametrize("kind", ["fcos", "segformer", "segformer in bfloat16"])
def test_a_training_that_was_stopped_is_the_same(job, segmenter, kind, tmp_path):
    trainer = {
        "fcos": fcos.Fcos(threads=1),
        "segformer": segmenter,
        "segformer in bfloat16": dataclasses.replace(segmenter, bfloat16=True),
    }[kind]
    found = trainer.train(job, silent)
    assert len(trainer.losses(job)) == 2
    assert content(trainer.predict(job, job.images, tmp_path / "on")) == content(found)
    done = json.loads((job.folder / "done.json").read_text(encoding="utf-8"))
    assert done["parameters"] > 1e6
    again = stopped_and_continued(trainer, job)
    assert content(again) == content(found)


def test_bfloat16_rounds_and_changes_little(job, segmenter):
    losses = []
    for k, trainer in enumerate((segmenter, dataclasses.replace(segmenter, bfloat16=True))):
        one = dataclasses.replace(job, folder=job.folder.with_name(f"run{k}"))
        trainer.train(one, silent)
        losses.append(trainer.losses(one))
    assert losses[0] != losses[1]
    np.testing.assert_allclose(*losses, rtol=0.05)  # bfloat16 has 8 bits


def test_a_rare_class_is_found(job, segmenter):
    """A small square in each image, which by the plain cross entropy is not worth finding yet."""
    for k, scene in enumerate(job.scenes.scenes):
        x, y = 8 * (k % 5), 8 * (k % 3)
        image, label = np.full((48, 64, 3), 60, np.uint8), np.zeros((48, 64), np.uint8)
        image[y : y + 10, x : x + 10], label[y : y + 10, x : x + 10] = 230, 2
        images.write(job.images / f"{scene.name}.png", image, overwrite=True)
        images.write(segmenter.labels / f"{scene.name}.png", label, overwrite=True)
    seen = []  # of the squares in the images that test
    for protocol in ("quick", "paper"):
        budget = Budget(protocol, 12, 3, 6e-4, 64)
        one = dataclasses.replace(job, budget=budget, folder=job.folder.with_name(protocol))
        found = segmenter.train(one, silent)
        pairs = [
            (images.read(path), images.read(segmenter.labels / path.name))
            for path in found.iterdir()
        ]
        seen.append(np.mean([np.mean(one[truth == 2] == 2) for one, truth in pairs]))
    assert seen[0] > 0.5 > seen[1]


def test_fcos_learns_where_a_square_is(job, tmp_path, rng):
    """A white square in black, the same in every image but for its place."""
    for scene in job.scenes.scenes:
        x, y = rng.integers(0, 40), rng.integers(0, 24)
        image = np.zeros((48, 64, 3), np.uint8)
        image[y : y + 24, x : x + 24] = 255
        images.write(job.images / f"{scene.name}.png", image, overwrite=True)
        row = f"2 {(x + 12) / 64} {(y + 12) / 48} {24 / 64} {24 / 48}\n"
        scene.truth.write_text(row, encoding="utf-8")
    job = dataclasses.replace(job, budget=Budget("quick", 150, 3, 1e-2, 64))
    found = fcos.Fcos(threads=1).train(job, silent)
    truth = coco.truth(job.scenes, job.split.test)
    entries = coco.read_predictions(found, truth)
    assert {entry["category_id"] for entry in entries if entry["score"] > 0.3} == {3}
    for annotation in truth["annotations"]:
        seen = [e for e in entries if e["image_id"] == annotation["image_id"]]
        best = max(seen, key=lambda entry: entry["score"])
        np.testing.assert_allclose(best["bbox"], annotation["bbox"], atol=6)  # a quarter of it
    shutil.rmtree(job.folder)
