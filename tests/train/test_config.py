import dataclasses

import pytest

from fnet_jax.cli.flags import parse
from fnet_jax.errors import InputError
from train.config import MAY_CHANGE, TrainConfig, check, differences


def config(text):
    return parse(TrainConfig, ["--workdir", "runs", *text.split()])


def test_defaults_are_the_papers():
    found = config("")
    assert (found.batch, found.crop, found.steps, found.lr) == (16, 128, 20_000, 1e-4)
    assert (found.warmup, found.cosine, found.clip, found.ema) == (0, False, None, 0.999)
    check(found)


def test_the_flags_that_scripts_rely_on():
    text = "--steps 3 --batch 2 --crop 8 --lr 1e-3 --seed 4 --data tno --init xavier --resume"
    found = config(text)
    assert (found.steps, found.batch, found.crop, found.lr, found.seed) == (3, 2, 8, 1e-3, 4)
    assert (found.data, found.init, found.resume) == ("tno", "xavier", True)


@pytest.mark.parametrize(
    "text",
    [
        *("--steps 0", "--batch -1", "--lr 0", "--lr nan", "--lr inf", "--lr x", "--ema 1"),
        *("--clip 0", "--seed -1", "--seed 4294967296", "--save-minutes 0", "--unknown 1"),
    ],
)
def test_senseless_values_are_refused(text, capsys):
    with pytest.raises(SystemExit) as stop:
        config(text)
    assert stop.value.code == 2
    assert text.split()[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--steps 5 --warmup 6", "--warmup 6: is longer than the 5 steps"),
        ("--coordinator a:1", "give all three"),
        ("--coordinator a:1 --num-processes 2 --process-id 0 --cluster", "give all three"),
        ("--coordinator a:1 --num-processes 2 --process-id 2", "numbered from 0 to 1"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        check(config(text))


def test_what_changes_the_result_counts_as_a_difference():
    before = config("--batch 4").recorded()
    assert differences(before, config("--batch 4 --steps 9 --keep 9 --resume").recorded()) == []
    found = differences(before, config("--batch 8 --lr 2e-4").recorded())
    assert found == ["--batch: was 4, is 8", "--lr: was 0.0001, is 0.0002"]


def test_steps_count_where_the_rate_depends_on_them():
    before = config("--cosine --steps 10").recorded()
    now = config("--cosine --steps 20").recorded()
    assert differences(before, now) == ["--steps: was 10, is 20"]


def test_fields_that_may_change_are_fields():
    assert {field.name for field in dataclasses.fields(TrainConfig)} >= MAY_CHANGE
