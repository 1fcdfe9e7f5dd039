from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path

import pytest

from fnet_jax.cli.flags import flag, parse, positive


@dataclass(frozen=True)
class Config:
    where: Path = flag("a folder", metavar="FOLDER")
    rate: float = flag("a rate, in 1 / s", default=0.5)
    name: str | None = flag("a name", default=None, choices=("a", "b"))
    many_words: bool = flag("a switch", default=False, short="-m")
    count: int = flag("a number", default=3, parse=positive)


def test_defaults_and_types():
    config = parse(Config, ["--where", "x"])
    assert config == Config(Path("x"))
    assert (config.rate, config.name, config.many_words, config.count) == (0.5, None, False, 3)
    given = ["--where", "x", "--rate", "2", "--name", "b", "-m", "--count", "7"]
    assert parse(Config, given) == Config(Path("x"), 2.0, "b", True, 7)
    with pytest.raises(FrozenInstanceError):
        config.rate = 1


@pytest.mark.parametrize(
    "wrong",
    [[], ["--where", "x", "--depth", "3"], ["--where", "x", "--rate", "fast"],
     ["--where", "x", "--name", "c"], ["--where", "x", "--count", "0"]],
)  # fmt: skip
def test_wrong_flags_are_refused(wrong, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(Config, wrong)
    assert stopped.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_every_field_is_explained(capsys):
    with pytest.raises(SystemExit):
        parse(Config, ["--help"])
    shown = capsys.readouterr().out
    for text in ("--where FOLDER", "a rate, in 1 / s", "--many-words, -m", "{a,b}"):
        assert text in shown


@dataclass(frozen=True)
class Placed:
    what: str = flag("a thing", positional=True, choices=("this", "that"), metavar="WHAT")
    many: bool = flag("a switch", default=False)


def test_arguments_without_a_name(capsys):
    assert parse(Placed, ["this"]) == Placed("this")
    assert parse(Placed, ["--many", "that"]) == Placed("that", many=True)
    for wrong in ([], ["other"], ["this", "that"]):
        with pytest.raises(SystemExit) as stopped:
            parse(Placed, wrong)
        assert stopped.value.code == 2
    assert "WHAT" in capsys.readouterr().err


def test_a_repeated_flag_gives_all_its_values():
    @dataclass(frozen=True)
    class Repeated:
        name: tuple[str, ...] = flag("a name", default=(), parse=str, repeat=True)

    assert parse(Repeated, []) == Repeated()
    assert parse(Repeated, ["--name", "a", "--name", "b"]).name == ("a", "b")
