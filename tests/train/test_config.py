import dataclasses

import pytest

from fnet_jax.cli.flags import parse
from fnet_jax.errors import InputError
from fnet_jax.networks.fnet import FNet
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
        *("--features 0", "--features 4097", f"--features 1{'0' * 30}", "--iterations 1001"),
        *("--kernel-size 99999", "--kernel-size 257", "--kernel-size 4", "--coordinator nonsense"),
        *("--coordinator :1", "--coordinator a:0", "--ablation AE16", "--ablation ae1"),
        *("--resum --seed 1", "--steps 9 --steps 9", "--steps 99999999999", "--batch 99999999"),
        *("--crop 99999", "--workers 99999999", "--warmup -1", "--ema 1e400", "--lr ٣"),
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
        ("--steps 5 --warmup 6", "--warmup 6 exceeds --steps 5"),
        ("--coordinator a:1", "use all three"),
        ("--coordinator a:1 --num-processes 2 --process-id 0 --cluster", "use all three"),
        ("--coordinator a:1 --num-processes 2 --process-id 2", "out of range; use 0 to 1"),
        ("--batch 65536 --crop 4096", "--batch 65536 with --crop 4096 exceeds"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        check(config(text))


def test_flags_have_the_limits_of_the_network():
    for name, most in (("features", 4096), ("iterations", 1000), ("kernel-size", 255)):
        setting = name.replace("-", "_")
        value = getattr(config(f"--{name} {most}"), setting)
        assert value == most
        FNet(**{setting: value}).check()
        with pytest.raises(ValueError, match=setting):
            FNet(**{setting: value + 2}).check()
        with pytest.raises(SystemExit):
            config(f"--{name} {most + 2}")


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
