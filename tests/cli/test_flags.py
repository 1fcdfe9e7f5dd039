"""Flags from the fields of a dataclass: what is read, what is refused, and how help shows it."""

import os
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import Annotated, get_args, get_type_hints

import api_surface
import pytest
from tyro.conf import Positional, UseAppendAction
from tyro.constructors import PrimitiveConstructorSpec

from fnet_jax.cli.flags import (
    FINITE,
    FOLDER,
    above_zero,
    address,
    choice,
    names,
    parse,
    reads,
    unset,
    whole,
    word_or_path,
)
from fnet_jax.errors import InputError
from train.data.prepare import PrepareConfig

PATH_ERRORS = " is not a name| is not a path|unknown home folder| is too long"


@dataclass(frozen=True)
class Config:
    # Where the results go, in a
    # folder of their own.
    where: Annotated[Path, FOLDER]
    # A rate, in 1 / s.
    rate: Annotated[float, above_zero("RATE")] = 0.5
    # A shift in pixels.
    shift: Annotated[float, FINITE] = 0.0
    # A letter.
    letter: Annotated[str | None, choice(("a", "b"), "LETTER"), unset("both")] = None
    # Replace what exists.
    overwrite: bool = False
    # How many.
    count: Annotated[int, whole(1, 300)] = 3
    # A side.
    side: Annotated[int, whole(1, 9, odd=True)] = 3
    # Several words.
    words: Annotated[tuple[str, ...] | None, reads(names, "A,B"), unset()] = None
    # A set or its folder.
    data: Annotated[str, reads(word_or_path, "SET|FOLDER")] = "auto"
    # Another process.
    process: Annotated[str | None, reads(address, "HOST:PORT"), unset()] = None
    # One of several.
    each: UseAppendAction[tuple[Annotated[Path, FOLDER], ...]] = ()

    def __post_init__(self):
        if self.count == 13:
            raise InputError("--count 13 brings bad luck; use 12")


def refused(argv, capsys, config=Config):
    """The line with which arguments are refused."""
    with pytest.raises(SystemExit) as stopped:
        parse(config, argv, prog="prog")
    assert stopped.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("prog: error: ")
    assert shown.err.endswith(" (see prog --help)\n")
    assert shown.err.count("\n") == 1
    assert len(shown.err) < 250
    return shown.err


def test_defaults_and_types():
    config = parse(Config, ["--where", "x"])
    assert config == Config(Path("x"))
    given = ["--where=x", "--rate", "2", "--letter", "b", "--overwrite", "--count", "7"]
    more = ["--shift", "-1e-3", "--words", "a, b,a", "--each=p", "--each", "q"]
    found = parse(Config, [*given, *more, "--process", "[::1]:80"])
    assert found == Config(
        where=Path("x"),
        rate=2.0,
        shift=-0.001,
        letter="b",
        overwrite=True,
        count=7,
        words=("a", "b"),
        process="[::1]:80",
        each=(Path("p"), Path("q")),
    )
    with pytest.raises(FrozenInstanceError):
        config.rate = 1


@pytest.mark.parametrize(
    "value",
    ["0", "-1", "301", "1.0", "1e2", "", " 1", "1 ", "+1", "1_0", "0x1", "٣", "²", "many", "nan",
     "1" * 25, "1" + "0" * 5000, "1\n", "\x00"],
)  # fmt: skip
def test_numbers_that_are_not_whole_or_too_large(value):
    with pytest.raises(ValueError, match=" is not a whole number from 1 to 300$") as error:
        whole(1, 300).instance_from_str([value])
    assert len(str(error.value)) < 120


@pytest.mark.parametrize(
    "value",
    ["0", "-1", "nan", "inf", "-Infinity", "1e400", "1e39", "1" * 400, "", " 1", "1_0", "٣", "1,5",
     "fast", "--1", "1e", "\x00"],
)  # fmt: skip
def test_rates_that_are_not_finite_or_above_zero(value):
    with pytest.raises(ValueError, match=" is not a finite number above 0$") as error:
        above_zero().instance_from_str([value])
    assert len(str(error.value)) < 120


@pytest.mark.parametrize(
    "value",
    ["", " ", "\t\n", "a\x00b", "~no_such_user/x", "\ud800", "n" * 256, f"a/{'é' * 128}/b",
     "~" + "n" * 300, "a/" * 2050],
)  # fmt: skip
def test_paths_that_are_none(value):
    with pytest.raises(ValueError, match=PATH_ERRORS):
        FOLDER.instance_from_str([value])
    with pytest.raises(ValueError, match=PATH_ERRORS):
        word_or_path(value)


@pytest.mark.parametrize(
    "value", ["nonsense", ":80", "a:", "a:0", "a:65536", "a:٣", "a b:1", "http://a:1", "::1:80", ""]
)
def test_addresses_that_are_none(value):
    with pytest.raises(ValueError, match=" is not HOST:PORT"):
        address(value)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--where FOLDER Where the results go"),
        (["--where=x", "--overw"], "Unrecognized options: --overw"),
        (["--where=x", "--co=4"], "Unrecognized options: --co"),
        (["--where=x", "--no-overwrite"], "Unrecognized options: --no-overwrite"),
        (["--where=x", "more"], "Unrecognized options: more"),
        (
            ["--where", *(f"vi/{i}.png" for i in range(300))],
            "Unrecognized options: vi/1.png and 298 more; put names with * or spaces in quotes",
        ),
        (["--where=x", "-o"], "Unrecognized options: -o"),
        (["--where"], "Missing value for argument '--where'"),
        (["--where", "--overwrite"], "Missing value for argument '--where'"),
        (["--where=x", "--where=y"], "--where is given 2 times; use it once"),
        (["--where=x", "--count=4", "--count", "4"], "--count is given 2 times"),
        (["--where=x", "--letter", "c"], "--letter: 'c' is unknown; use a or b"),
        (["--where=x", "--letter="], "--letter: '' is unknown"),
        (["--where=x", "--letter", "None"], "--letter: 'None' is unknown"),
        (["--where=x", "--count=1" + "0" * 5000], "--count: '10000000000"),
        (["--where=x", "--rate", "nan"], "--rate: 'nan' is not a finite number above 0"),
        (["--where=~no_such_user/x"], "--where: '~no_such_user/x': unknown home folder"),
        (["--where=x", "--process=a:0"], "--process: 'a:0' is not HOST:PORT"),
        (["--where=x", "--side=4"], "--side: '4' is not an odd number from 1 to 9"),
        (["--where=x", "--words", " ,,"], "--words: ' ,,' is not a list of names"),
        (["--where=x", "--data="], "--data: '' is not a name"),
        (["--where=x", "--each=", "--each=a"], "--each: '' is not a name"),
        (["--where=x", "--count=13"], "prog: error: --count 13 brings bad luck; use 12 (see"),
        (["--where=x", f"--letter={'c' * 300}"], "ccc…' is unknown"),
    ],
)  # fmt: skip
def test_what_else_is_refused(flags, message, capsys):
    assert message in refused(flags, capsys)


def test_paths_are_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    call = ["--where=~/x", "--data=~/set", "--each", "~/y", "--each", "~"]
    config = parse(Config, call)
    assert config.where == Path("/home/someone/x")
    assert config.data == "/home/someone/set"
    assert config.each == (Path("/home/someone/y"), Path("/home/someone"))
    bytes_that_are_no_text = os.fsdecode(b"\xff")
    assert parse(Config, ["--where", bytes_that_are_no_text]).where == Path(bytes_that_are_no_text)
    for name in ("a[b]", "a\\b", " a", "é" * 127, "None", "-", "a/" * 2000):
        assert parse(Config, [f"--where={name}"]).where == Path(name)


def specs_in(kind):
    """How flags of paths are read, somewhere in the type of a field."""
    metadata = getattr(kind, "__metadata__", ())
    parts = (kind.__origin__, *get_args(kind.__origin__)) if metadata else ()
    if any(part is Path or Path in get_args(part) for part in parts):
        yield from (spec for spec in metadata if isinstance(spec, PrimitiveConstructorSpec))
    for part in get_args(kind):
        yield from specs_in(part)


def test_every_path_of_every_command_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    found = {}
    for config in (*api_surface.configs(), PrepareConfig):
        for name, kind in get_type_hints(config, include_extras=True).items():
            has_path = "Path" in str(kind)
            found[f"{config.__name__}.{name}"] = specs = list(specs_in(kind))
            assert bool(specs) == has_path, (config, name)
            for spec in specs:
                named = name in ("method", "boxes")
                read = spec.instance_from_str(["A=~/x" if named else "~/x"])
                assert Path("/home/someone/x") in (read, read[-1] if named else None)
    assert sum(map(len, found.values())) > 20


def test_help_shows_comments_and_defaults(capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(Config, ["--help"], prog="p q", description="It works.\n", examples="a\n  {prog} x\n")
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith("usage: p q [-h] [OPTIONS]\n\nIt works.\n\n")
    assert shown.endswith("\n\na\n  p q x\n")
    words = " ".join(shown.split())
    for text in (
        "--where FOLDER Where the results go, in a folder of their own. (required)",
        "--rate RATE A rate, in 1 / s. (default: 0.5)",
        "--letter LETTER A letter. (default: both)",
        "--words A,B Several words. --data",
        "--overwrite Replace what exists. (default: False)",
        "--each FOLDER One of several. (repeatable)",
    ):
        assert text in words
    assert "None" not in words
    assert max(map(len, shown.splitlines())) <= 80


@dataclass(frozen=True)
class Placed:
    # A thing.
    what: Annotated[str, choice(("this", "that"), "WHAT"), Positional]
    # A switch.
    many: bool = False


def test_arguments_without_a_name(capsys):
    assert parse(Placed, ["this"]) == Placed("this")
    assert parse(Placed, ["--many", "that"]) == Placed("that", many=True)
    for wrong in ([], ["other"], ["this", "that"]):
        refused(wrong, capsys, Placed)


@pytest.mark.parametrize("name", ["BenchmarkConfig", "DetectConfig", "ExplainConfig", "FuseConfig"])
def test_weights_are_a_checkpoint_or_a_size(name, capsys):
    config = next(config for config in api_surface.configs() if config.__name__ == name)
    source = "--data=x" if name in ("BenchmarkConfig", "DetectConfig") else "--samples"
    call = [source, "--out=y"]
    assert parse(config, [*call, "--size=base"]).size == "base"
    for wrong, words in ((["--size=base", "--ckpt=z"], "leave out"), (["--size=x"], "use base")):
        with pytest.raises(SystemExit) as stopped:
            parse(config, [*call, *wrong])
        assert stopped.value.code == 2
        assert words in capsys.readouterr().err
