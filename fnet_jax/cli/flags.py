"""Command-line flags from the fields of a frozen dataclass, by tyro.

Each field is a flag: the comment above it is its help, its annotation defines how it is parsed, and
``--help`` adds the default::

    @dataclass(frozen=True)
    class Config:
        # Folder for the results.
        out: Annotated[Path, FOLDER]
        # Training steps.
        steps: Annotated[int, whole(1)] = 100
        # Checkpoint of FNet.
        ckpt: Annotated[Path | None, FOLDER, unset("the shipped weights")] = None

Constraints between fields belong in ``__post_init__``, which raises
:class:`~fnet_jax.errors.InputError`.
"""

import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import tyro
from tyro.conf import FlagCreatePairsOff, UseAppendAction
from tyro.constructors import PrimitiveConstructorSpec

from fnet_jax.artifacts.words import listed
from fnet_jax.cli.console import show
from fnet_jax.errors import InputError
from fnet_jax.networks import sizes

Config = TypeVar("Config")

LARGEST_INTEGER = 2**31 - 1  # of int32, the type of steps and sizes
MOST_PROCESSES = 1024
LARGEST_FLOAT = 3.4e38  # of float32
LONGEST_NAME, LONGEST_PATH = 255, 4095  # bytes, on Linux and most other systems
UNKNOWN = "Unrecognized options"  # of tyro
SHOWN = 60  # characters of a wrong value that are shown in an error


def parse(
    config: type[Config],
    argv: Sequence[str] | None = None,
    *,
    prog: str = "",
    description: str = "",
    examples: str = "",
) -> Config:
    """Parses a configuration from the command line.

    Args:
        config: a frozen dataclass, as described above.
        argv: the arguments; None for those of the process.
        prog: name of the command, which replaces ``{prog}`` in ``examples``.
        description: shown by ``--help`` before the flags.
        examples: shown by ``--help`` after the flags.

    Raises:
        SystemExit: with 0 after ``--help``; with 2 and one line on stderr if an argument is wrong.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    prog = prog or Path(sys.argv[0]).name
    shown = io.StringIO()
    try:
        with redirect_stdout(shown), redirect_stderr(shown):
            _check_given_once(config, argv)
            return tyro.cli(
                config,
                args=argv,
                prog=prog,
                description="",
                config=(FlagCreatePairsOff,),
            )
    except (InputError, SystemExit) as stop:
        if isinstance(stop, SystemExit) and not stop.code:
            usage, _, flags = re.sub(r" +$", "", shown.getvalue(), flags=re.M).partition("\n\n")
            parts = usage, description, flags, examples.format(prog=prog)
            show("\n\n".join(part.strip("\n") for part in parts if part))
            raise
        line = str(stop) if isinstance(stop, InputError) else _sentence(shown.getvalue(), config)
        print(f"{prog}: error: {line} (see {prog} --help)", file=sys.stderr)
        raise SystemExit(2) from None


def _sentence(shown: str, config: type) -> str:
    """The error in one line, from tyro's output: a title, and paragraphs between rules or in a box.

    The last paragraph, a hint at ``--help``, and the one that repeats the flag's help are dropped.
    """
    lines = "\n".join(line.strip(" │╭╮╰╯") for line in shown.splitlines())
    _, *paragraphs = re.split(r"(?m)^(?:─ .* )?[-─]{3,}$", lines)
    found = [" ".join(part.split()) for part in paragraphs if part.strip()][:-1]
    wrong = [part for part in found if not part.startswith("Argument helptext")]
    line = "; ".join(wrong).removeprefix(f"Error parsing {config.__name__}: ")
    line = line.removeprefix("Error parsing ") or " ".join(shown.split())
    title, _, words = line.partition(": ")
    first, *others = words.split(", ")
    if title == UNKNOWN and others and not any(word.startswith("-") for word in (first, *others)):
        more = f"{first} and {len(others)} more"  # expanded from one name by a shell
        return f"{title}: {more}; put names with * or spaces in quotes"
    return line


def _check_given_once(config: type, argv: Sequence[str]) -> None:
    """Raises InputError if a flag that takes one value is given twice."""
    given = [word.partition("=")[0].replace("_", "-") for word in argv if word.startswith("--")]
    for name, kind in get_type_hints(config, include_extras=True).items():
        flag = flag_of(name)
        several = kind is bool or bool in get_args(kind) or UseAppendAction in get_args(kind)
        if given.count(flag) > 1 and not several:
            raise InputError(f"{flag} is given {given.count(flag)} times; use it once")


def flag_of(field: str) -> str:
    """The flag of a field, such as ``--data-dir``."""
    return f"--{field.replace('_', '-')}"


def unset(text: str = "") -> Any:
    """The default that ``--help`` shows for a field that is None unless given."""
    return tyro.conf.arg(help_behavior_hint=f"(default: {text})" if text else "")


def reads(
    parse: Callable[[str], Any], metavar: str, *, shown: Callable[[Any], str] = str
) -> PrimitiveConstructorSpec[Any]:
    """Defines how a flag is parsed, its name in ``--help``, and how a default is shown there.

    ``parse`` raises ValueError with one line.
    """
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda texts: parse(texts[0]),
        is_instance=lambda _: True,
        str_from_instance=lambda value: ["" if value is None else shown(value)],
    )


def quoted(text: str) -> str:
    """A value as shown in an error, truncated if it is long."""
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")


def whole(
    least: int, most: int = LARGEST_INTEGER, metavar: str = "N", *, odd: bool = False
) -> PrimitiveConstructorSpec[Any]:
    """A whole number from ``least`` to ``most``, in ASCII digits."""
    kind = "an odd number" if odd else "a whole number"

    def parse(text: str) -> int:
        digits = re.fullmatch("[0-9]{1,19}", text)
        if not digits or not least <= int(text) <= most or (odd and int(text) % 2 == 0):
            raise ValueError(f"{quoted(text)} is not {kind} from {least} to {most}")
        return int(text)

    return reads(parse, metavar)


def real(
    kind: str = "a finite number",
    fits: Callable[[float], bool] = lambda value: True,
    metavar: str = "X",
) -> PrimitiveConstructorSpec[Any]:
    """A finite decimal number that ``fits`` accepts; ``kind`` describes it in errors."""

    def parse(text: str) -> float:
        if not fits(finite(text, kind)):
            raise ValueError(f"{quoted(text)} is not {kind}")
        return float(text)

    return reads(parse, metavar, shown=lambda value: f"{value:g}")


def finite(text: str, kind: str = "a finite number") -> float:
    """Parses a number in ASCII digits that float32 can represent; raises ValueError."""
    number = re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text)
    if not number or abs(float(text)) > LARGEST_FLOAT:
        raise ValueError(f"{quoted(text)} is not {kind}")
    return float(text)


def above_zero(metavar: str = "X") -> PrimitiveConstructorSpec[Any]:
    """A finite number above 0."""
    return real("a finite number above 0", lambda value: value > 0, metavar)


def path(text: str) -> Path:
    """Parses a path that the system allows and expands ``~``; raises ValueError."""
    word(text)
    try:
        found = Path(text)
        if text.startswith("~"):  # but not ./~, which Path makes equal to it
            found = found.expanduser()
        lengths = [len(os.fsencode(part)) for part in (str(found), *found.parts)]
    except RuntimeError:
        raise ValueError(f"{quoted(text)}: unknown home folder; write the path in full") from None
    except UnicodeEncodeError:
        raise ValueError(f"{quoted(text)} is not a path") from None
    if lengths[0] > LONGEST_PATH or max(lengths[1:], default=0) > LONGEST_NAME:
        raise ValueError(f"{quoted(text)} is too long; use names of at most {LONGEST_NAME} bytes")
    return found


def word(text: str) -> str:
    """Parses a text that is not blank; raises ValueError."""
    if not text.strip() or "\0" in text:
        raise ValueError(f"{quoted(text)} is not a name")
    return text


def word_or_path(text: str) -> str:
    """Parses a word or a path and expands ``~``; raises ValueError."""
    found = path(text)
    return str(found) if text.startswith("~") else text


def names(text: str, known: Iterable[str] = ()) -> tuple[str, ...]:
    """Parses ``a,b``; each name must be in ``known``, unless it is empty; raises ValueError."""
    found = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    known = tuple(known)
    unknown = [name for name in found if known and name not in known]
    if unknown or not found:
        wanted = f"one of {listed(known)}" if known else "a list of names"
        raise ValueError(f"{quoted(unknown[0] if unknown else text)} is not {wanted}")
    return found


def address(text: str) -> str:
    """Parses ``HOST:PORT``; raises ValueError."""
    found = re.fullmatch(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", text)
    if not found or not 1 <= int(found[2]) <= 65535:
        raise ValueError(f"{quoted(text)} is not HOST:PORT, such as 10.0.0.1:1234")
    return text


def choice(known: Iterable[str], metavar: str) -> PrimitiveConstructorSpec[Any]:
    """One of the names in ``known``."""
    known = tuple(known)

    def parse(text: str) -> str:
        if text not in known:
            raise ValueError(f"{quoted(text)} is unknown; use {listed(known)}")
        return text

    return reads(parse, metavar)


FOLDER, FILE, PATH = (reads(path, metavar) for metavar in ("FOLDER", "FILE", "PATH"))
WORD = reads(word, "NAME")
FINITE = real()
SHIPPED = unset("the shipped weights")
SIZE = (
    choice(sizes.SIZES, "SIZE"),
    tyro.conf.arg(
        help=f"Which of the shipped weights to use, without --ckpt. {sizes.listed()}.",
        help_behavior_hint=f"(default: {sizes.BASE})",
    ),
)
"""Annotations of a field ``size`` beside a field ``ckpt``; see :func:`check_weights`."""


def check_weights(ckpt: Path | None, size: str | None) -> None:
    """Raises InputError if both a checkpoint and a size of the shipped weights are given."""
    if ckpt and size:
        raise InputError("--size selects shipped weights; leave out --size or --ckpt")
