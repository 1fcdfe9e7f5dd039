"""What a call of ``train`` reached."""

from train.run.result import Result


def test_the_best_of_the_checkpoints_that_are_kept(tmp_path):
    for step in (10, 20, 30):
        (tmp_path / "checkpoints" / str(step)).mkdir(parents=True)
    course = {5: 1.0, 10: 3.0, 20: 2.0, 30: 2.5}  # of step 5 nothing was kept
    result = Result.of(tmp_path, began=0, steps=30, wanted=40, course=course)
    assert not result.finished
    assert result.checkpoint == tmp_path / "checkpoints/30"
    assert result.best_checkpoint == tmp_path / "checkpoints/20"
    assert (result.validation_loss, result.best_validation_loss) == (2.5, 1.0)


def test_of_an_empty_folder(tmp_path):
    result = Result.nothing_done(tmp_path / "stage1", wanted=3, stopped_by="SIGTERM")
    assert (result.steps, result.checkpoint, result.best_checkpoint) == (0, None, None)
    assert result.validation_loss is result.best_validation_loss is None
