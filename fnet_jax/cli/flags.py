"""Command-line flags from the fields of a frozen dataclass: one source of names and defaults."""

import argparse
import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, get_args, get_type_hints

Config = TypeVar("Config")
CKPT = "checkpoint of FNet (default: the weights that are shipped)"


def flag(
    help: str,
    *,
    default: Any = dataclasses.MISSING,
    metavar: str | None = None,
    choices: Sequence[str] | None = None,
    short: str | None = None,
    parse: Callable[[str], Any] | None = None,
    positional: bool = False,
    repeat: bool = False,
) -> Any:
    """A dataclass field that is also a flag; without ``default`` the flag is required.

    Args:
        help: what the field means, with its unit, as ``--help`` shows it.
        default: its value where the flag is not given; of a bool it must be False.
        metavar: what ``--help`` calls the value.
        choices: the values that are allowed.
        short: another, one-letter name of the flag.
        parse: from the text of the flag to the value, where the field's type does not suffice.
        positional: it is an argument without a name, and required.
        repeat: it may be given several times; the field is a tuple of all values.
    """
    metadata = {
        "help": help,
        "metavar": metavar,
        "choices": choices,
        "short": short,
        "parse": parse,
        "positional": positional,
        "repeat": repeat,
    }
    return dataclasses.field(default=default, metadata=metadata)


def parser_of(config: type, **texts: Any) -> argparse.ArgumentParser:
    """A parser with a flag for each field of ``config``; ``texts`` go to ``ArgumentParser``."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, **texts)
    types = get_type_hints(config)
    for field in dataclasses.fields(config):
        about, kind = field.metadata, types[field.name]
        names = [f"--{field.name.replace('_', '-')}"]
        names += [about["short"]] if about["short"] else []
        if kind is bool:
            parser.add_argument(*names, action="store_true", help=about["help"])
            continue
        required = field.default is dataclasses.MISSING
        if about["positional"]:
            names = [field.name]
        named: dict[str, Any] = {} if about["positional"] else {"required": required}
        if about["repeat"]:
            named["action"] = "append"
        parser.add_argument(
            *names,
            **named,
            type=about["parse"] or next((t for t in get_args(kind) if t is not type(None)), kind),
            default=None if required or about["repeat"] else field.default,
            choices=about["choices"],
            metavar=about["metavar"],
            help=about["help"],
        )
    return parser


def parse(config: type[Config], argv: Sequence[str] | None, **texts: Any) -> Config:
    """The configuration that ``argv`` (default: that of the process) gives; may exit with 2."""
    given = vars(parser_of(config, **texts).parse_args(argv))
    repeated = [f.name for f in dataclasses.fields(config) if f.metadata["repeat"]]  # type: ignore[arg-type]
    return config(**given | {name: tuple(given[name] or ()) for name in repeated})


def positive(text: str) -> int:
    """A positive whole number, for :func:`flag`'s ``parse``."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def number(text: str) -> float:
    """A finite number, for :func:`flag`'s ``parse``."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")
    return value


def not_negative(text: str) -> float:
    """A finite number that is 0 or more, for :func:`flag`'s ``parse``."""
    value = number(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is less than 0")
    return value


def above_zero(text: str) -> float:
    """A finite number above 0, for :func:`flag`'s ``parse``."""
    value = number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return value
