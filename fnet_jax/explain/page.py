"""An explanation as one self-contained HTML file."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fnet_jax.artifacts import html
from fnet_jax.explain.colors import COLORS
from fnet_jax.fusing.edits import CODES, Edit


class Shown(NamedTuple):
    """A figure or picture of the page; ``png`` is the content of a PNG file."""

    title: str
    caption: str
    png: bytes


def page(
    name: str,
    numbers: Mapping[str, Any],
    edit: Edit,
    pictures: Sequence[Shown],
    figures: Sequence[Shown],
    origin: Mapping[str, str],
) -> str:
    """The page as HTML, which needs no network.

    Pictures are shown side by side at the top, figures one below the other; ``origin`` is the
    provenance of the numbers (:meth:`fnet_jax.explain.explanation.Explanation.numbers`).
    """
    return html.render(
        "fnet_jax.explain",
        "explain.html",
        filters={"png": _png, "figure": _figure},
        name=name,
        numbers=numbers,
        codes=CODES,
        colors=COLORS,
        edit=described(edit),
        pictures=pictures,
        figures=figures,
        origin=origin,
    )


def described(edit: Edit) -> str:
    """An edit as flags of the command; empty if it changes nothing."""
    flags = {"u1": edit.u1, "u2": edit.u2, "c": edit.c, "theta-scale": edit.theta_scale}
    words = [f"--{flag} {scale:g}" for flag, scale in flags.items() if scale != 1]
    words += [f"--feature {code}:{number}={scale:g}" for code, number, scale in edit.features]
    return " ".join(words)


def _png(content: bytes) -> str:
    return html.data_url(content, "image/png")


def _figure(value: float | None, digits: int = 4) -> str:
    """A number for a table; a dash if it is undefined."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.{digits}g}"
