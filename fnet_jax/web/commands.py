"""Settings of the page, and the command lines that do the same."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from fnet_jax.explain import MOST_PIXELS
from fnet_jax.fusing.edits import CODES, Edit
from fnet_jax.images.range_rules import Rule, text_of
from fnet_jax.web import SIZE


@dataclass(frozen=True)
class Settings:
    """How a pair is fused: the flags of ``fnet fuse`` with the same names."""

    color: str = "auto"
    range: Rule | None = None
    size: str = SIZE
    register: str = "none"


def line(
    names: Sequence[str],
    settings: Settings,
    edit: Edit,
    *,
    suffix: str,
    registered: bool,
    pixels: int,
) -> str:
    """The command line that fuses a pair as the page does; a comment where there is none.

    Args:
        names: of the files of I1 and I2, or of one file that holds both.
        settings: of the pair.
        edit: with which it is fused.
        suffix: of the fused image.
        registered: whether a transform is applied.
        pixels: of an image.
    """
    edited = edit != Edit()
    if edited and registered:
        return "# no command edits a registered pair; fnet explain edits aligned pairs"
    paths = [_as_path(name) for name in names]
    alone = len(paths) == 1 and not edited
    words = ["fnet", "explain" if edited else "fuse"]
    words += paths if alone else ["--i1", paths[0], "--i2", paths[-1]]
    words += ["--out", "explained/" if edited else f"fused{suffix}", "--size", settings.size]
    if settings.color != "auto":
        words += ["--color", settings.color]
    if settings.range is not None:
        words += _flag("--range", text_of(settings.range))
    if registered:
        words += ["--register", "auto"]
    for name in CODES:
        if getattr(edit, name) != 1:
            words += _flag(f"--{name}", f"{getattr(edit, name):.9g}")
    if edit.theta_scale != 1:
        words += _flag("--theta-scale", f"{edit.theta_scale:.9g}")
    for code, number, scale in edit.features:
        words += ["--feature", f"{code}:{number}={scale:g}"]
    if edited and pixels > MOST_PIXELS:
        words += ["--max-pixels", str(pixels)]
    return shlex.join(words)


def _flag(name: str, value: str) -> list[str]:
    """A flag and its value, in one word where the value looks like a flag."""
    return [f"{name}={value}"] if value.startswith("-") else [name, value]


def _as_path(name: str) -> str:
    """A name as an argument that is neither a flag nor a home folder."""
    return f"./{name}" if name.startswith(("-", "~")) else name
