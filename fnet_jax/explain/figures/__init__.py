"""The figures of an explanation, in the order of a report; matplotlib is imported on demand."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from fnet_jax.explain.explanation import Explanation
from fnet_jax.explain.figures import curves, dictionaries, maps, shares
from fnet_jax.fusing.edits import CODES, Edit

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Drawing(NamedTuple):
    """One figure: base name of its files, heading, caption, and the function that draws it."""

    name: str
    title: str
    caption: str
    draw: Callable[[Explanation], "Figure"]


def drawings(explanation: Explanation) -> Iterator[Drawing]:
    """The figures of a report, not yet drawn."""
    yield Drawing("features", "Features (Fig. 8-(a))", maps.FEATURES, maps.features)
    yield Drawing(
        "reconstructions",
        "Reconstructions (Fig. 8-(b))",
        maps.RECONSTRUCTIONS,
        maps.reconstructions,
    )
    yield Drawing("shares", "Who contributed", shares.SHARES, shares.shares)
    yield Drawing("schedule", "Thresholds and momentum (Fig. 10)", curves.SCHEDULE, curves.schedule)
    yield Drawing("nulls", "What the last threshold does (Fig. 10)", curves.NULLS, curves.nulls)
    yield Drawing("convergence", "From iteration to iteration", curves.CONVERGENCE, curves.course)
    for code in CODES:
        draw = partial(dictionaries.atoms, code=code)
        yield Drawing(f"atoms_{code}", f"Atoms of {code}", dictionaries.ATOMS, draw)
    for code in CODES:
        draw = partial(dictionaries.sheets, code=code)
        yield Drawing(
            f"dictionaries_{code}", f"All dictionaries of {code}", dictionaries.SHEETS, draw
        )
    if explanation.edit != Edit():
        yield Drawing("whatif", "What if", maps.CHANGE, maps.change)
