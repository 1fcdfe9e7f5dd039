"""The permissive detector, with a stand-in for its program."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from made_up_jobs import TEST, TRAIN, made

from eval.downstream import coco, fcos
from eval.downstream.detect import Detection
from fnet_jax import images
from fnet_jax.errors import InputError

STAND_IN = Path(__file__).with_name("stand_in_fcos.py")


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Three scenes that train, four that test, one of them without boxes."""
    monkeypatch.setattr(fcos, "PROGRAM", STAND_IN)
    return made(tmp_path, python=Path(sys.executable))


def test_the_whole_way(job, tmp_path):
    said = []
    task = Detection(fcos.Fcos(threads=1))
    found = task.train(job, said.append)
    assert [line.split(",")[0] for line in said] == [f"epoch {k} of 3" for k in (1, 2, 3)]
    assert task.losses(job) == pytest.approx([1, 1 / 2, 1 / 3])
    # All scenes have the same boxes but the second of four, which has none: from a recall of a
    # third on (34 of 101 places) the precision is 3/4.
    expected = (34 + 67 * 3 / 4) / 101
    np.testing.assert_allclose(task.scored(job, found).ap, [expected, expected, np.nan], rtol=1e-6)
    entries = coco.read_predictions(found, coco.truth(job.scenes, job.split.test))
    assert {entry["image_id"] for entry in entries} == set(coco.numbers(TEST).values())
    assert json.loads(task.predict(job, tmp_path / "vi", tmp_path / "on").read_text()) == entries


def test_the_job_has_all_that_a_training_depends_on(job):
    fcos.Fcos(threads=1).train(job, lambda line: None)
    told = json.loads((job.folder / "job.json").read_text(encoding="utf-8"))
    assert (told["train"], told["test"]) == (list(TRAIN), list(TEST))
    assert (told["epochs"], told["batch"], told["rate"], told["side"]) == (3, 4, 1e-2, 64)
    assert (told["seed"], told["classes"], told["threads"]) == (3, 3, 1)
    number, x1, y1, x2, y2 = told["boxes"]["t1"][1]  # line "1 0.4 0.5 0.25 0.4" of 64×48 pixels
    assert number == 1
    assert (x1, y1, x2, y2) == pytest.approx((17.6, 14.4, 33.6, 33.6))


def test_what_is_done_is_not_done_again(job):
    finder = fcos.Fcos()
    before = finder.train(job, lambda line: None).stat().st_mtime_ns
    assert finder.train(job, lambda line: None).stat().st_mtime_ns == before


def test_images_of_another_size_than_their_boxes_are_named(job):
    images.write(job.images / "t1.png", np.zeros((48, 65, 3), np.uint8), overwrite=True)
    with pytest.raises(InputError, match=r"t1\.png is 65×48, but .* is 64×48"):
        fcos.Fcos().train(job, lambda line: None)
    assert not job.folder.exists()
