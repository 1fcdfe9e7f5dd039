"""``python -m benchmarks.behaviour``: does FNet behave as the paper states, with any weights?"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import expit
from tqdm import tqdm

from fnet_jax import Fuser, images
from fnet_jax.artifacts import markdown
from fnet_jax.artifacts.files import replace_text, writable
from fnet_jax.artifacts.words import counted
from fnet_jax.cli.console import finish
from fnet_jax.cli.flags import FILE, FOLDER, SHIPPED, SIZE, check_weights, parse, unset, whole
from fnet_jax.explain.explanation import Explanation, explain, plain
from fnet_jax.fusing.edits import CODES
from fnet_jax.pairs.match import Pair, named
from fnet_jax.pairs.public_sets import SETS
from fnet_jax.paper.protocols import PROTOCOLS, locate
from fnet_jax.runtime.compilation import keep_programs
from fnet_jax.runtime.memory import use_huge_pages
from fnet_jax.weights import checkpoints

OF = ("tno", "harvard_ct")
ELSEWHERE = "use another --json"
DETAIL = 2.0  # standard deviation, in pixels, of the Gaussian that removes fine detail
OTHERS = ("I1", "I2", "edges of I1", "edges of I2", "energy of u1", "energy of u2")

DESCRIPTION = """\
Explain pairs of TNO and of the Harvard CT-MRI set, fused as in the paper, and
print numbers to compare with the claims of the paper's sections III-B and IV-C
to IV-E: the thresholds and the nulls that they add; what u1, u2 and c resemble;
what each adds to the fused image and to its fine detail; how many features are
used; and how the estimate changes from iteration to iteration.

Each number is the mean over the pairs, with the smallest and the largest in
brackets; numbers for k = 0…N are means, side by side. docs/explain.md defines
and discusses them.
"""

Figures = dict[str, dict[str, Any]]
"""By quantity and code: a number, a list for k = 0…N, or None if undefined."""


@dataclass(frozen=True)
class BehaviourConfig:
    """Configuration of the command; each field is a flag."""

    # Folder with TNO or MRI_CT, or both.
    data: Annotated[Path, FOLDER]
    # Checkpoint of FNet, or the workdir of a training run.
    ckpt: Annotated[Path | None, FOLDER, SHIPPED] = None
    size: Annotated[str | None, *SIZE] = None
    # Pairs per set, evenly spread.
    pairs: Annotated[int | None, whole(1), unset("all")] = None
    # File for the numbers of every pair.
    json: Annotated[Path | None, FILE, unset()] = None

    def __post_init__(self) -> None:
        """Raises InputError if flags contradict each other."""
        check_weights(self.ckpt, self.size)


def schedule(explanation: Explanation, fuser: Fuser) -> Figures:
    """The thresholds, which are the same for every pair."""
    theta = {code: block.theta for code, block in explanation.blocks.items()}
    rows: Figures = {"θᵏ": theta, "ρᵏ": {c: b.rho for c, b in explanation.blocks.items()}}
    network = fuser.network
    if network.threshold == "sigmoidal":
        rows["lost by large values, αθᴺ"] = {c: network.alpha * x[-1] for c, x in theta.items()}
        rows["factor at 0, σ(−γθᴺ)"] = {c: expit(-network.gamma * x[-1]) for c, x in theta.items()}
    return rows


def figures(explanation: Explanation) -> Figures:
    """The numbers of one pair."""
    numbers = explanation.numbers()
    blocks, alike = numbers["blocks"], numbers["correlation"]

    def of_blocks(figure: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        return {code: figure(block) for code, block in blocks.items()}

    rows: Figures = {
        "nulls added by the last threshold, %": of_blocks(
            lambda block: block["null_increase_percent"][-1]
        ),
        "largest magnitude before or after it": {
            code: block.histogram.edges[-1] for code, block in explanation.blocks.items()
        },
        "features per pixel that are not null": of_blocks(lambda x: x["nonzeros_per_pixel"]),
        "energy in the strongest feature, %": of_blocks(
            lambda block: 100 * block["features_by_energy"][0]["energy"]
        ),
        "light in the feature that adds most, %": {
            code: 100 * block.contribution.max() for code, block in explanation.blocks.items()
        },
        "‖uᵏ − uᵏ⁻¹‖ / ‖uᵏ‖": of_blocks(lambda block: block["relative_step"]),
        "residual, seen": of_blocks(lambda block: block["seen"]),
        "residual, decoded": of_blocks(lambda block: block["decoded"]),
        "share of the light of the fused image, %": dict(
            zip(CODES, 100 * explanation.light, strict=True)
        ),
        "share of its fine detail, %": detail(explanation.images),
    }
    for other in OTHERS:
        title = f"correlation of the energy with {other.replace('energy', 'that')}"
        rows[title] = {code: alike[f"energy of {code}"].get(other) for code in CODES}
    for other in ("I1", "I2"):
        rows[f"correlation of G u with {other}"] = {c: alike[f"If_{c}"][other] for c in CODES}
    return rows


def detail(found: Mapping[str, np.ndarray]) -> dict[str, float | None]:
    """Percentage of the fine detail of the fused image that each part adds or removes.

    Fine detail is what a Gaussian of σ = 2 pixels removes; its size is the sum of magnitudes.
    """
    parts = {code: found[f"If_{code}"] for code in CODES}
    sizes = {c: float(np.abs(x - gaussian_filter(x, DETAIL)).sum()) for c, x in parts.items()}
    total = sum(sizes.values())
    return {code: 100 * size / total if total else None for code, size in sizes.items()}


def explained(fuser: Fuser, pairs: Mapping[str, Pair], color: str) -> Iterator[Explanation]:
    """Explains pairs, one after the other; raises InputError, naming the file."""
    for pair in pairs.values():
        i1 = images.read(pair.i1, grey=color == "grey")
        i2 = images.read(pair.i2, grey=True)
        with named(pair):
            explanation = explain(fuser, i1, i2, color=color)
        yield explanation


def table(of_pairs: Sequence[Figures]) -> str:
    """Numbers of pairs as Markdown; values that are undefined in a pair are left out."""
    rows = [
        [name, *(_cell([pair[name][code] for pair in of_pairs]) for code in CODES)]
        for name in of_pairs[0]
    ]
    return markdown.table(["", *CODES], rows)


def _cell(values: Sequence[Any]) -> str:
    columns = np.array([np.atleast_1d(value) for value in values], np.float64).T
    defined = [column[np.isfinite(column)] for column in columns]
    means = [_printed(column.mean()) if column.size else "–" for column in defined]
    if len(means) > 1:
        return ", ".join(means)
    (column,) = defined
    spread = column.size > 1 and column.min() < column.max()
    ends = f" ({_printed(column.min())} to {_printed(column.max())})" if spread else ""
    return means[0] + ends


def _printed(number: float) -> str:
    return f"{number:.0f}" if abs(number) >= 99.5 else f"{number:.3g}"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    prog = "python -m benchmarks.behaviour"
    config = parse(BehaviourConfig, argv, prog=prog, description=DESCRIPTION)
    return finish(lambda: run(config), stopped="nothing was written")


def run(config: BehaviourConfig) -> int:
    """Prints the tables and writes the numbers.

    Raises:
        InputError: the weights, the data or an image cannot be used.
    """
    located = locate(config.data, OF)
    for problem in (line for found in located.values() for line in found.problems):
        print(problem, file=sys.stderr)
    chosen = {
        name: found.spread(config.pairs or len(found.pairs)).pairs
        for name, found in located.items()
    }
    if config.json:
        with writable(config.json, remedy=ELSEWHERE):  # fails before the work, not after
            config.json.parent.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=config.json.parent).close()
    keep_programs()
    fuser = Fuser.from_checkpoint(config.ckpt or checkpoints.shipped(config.size))
    every: dict[str, dict[str, Figures]] = {}
    for name, pairs in chosen.items():
        of_set = every[name] = {}
        color = PROTOCOLS[name].color
        bar = tqdm(explained(fuser, pairs, color), total=len(pairs), desc=name, disable=None)
        for pair, explanation in zip(pairs, bar, strict=True):
            if not every[name] and len(every) == 1:
                print(table([schedule(explanation, fuser)]), end="\n\n")
            of_set[pair] = figures(explanation)
        print(f"{SETS[name].title}, {counted(len(pairs), 'pair')}, {color}:\n")
        print(table(list(of_set.values())), end="\n\n", flush=True)
        if config.json:
            with writable(config.json, remedy=ELSEWHERE):
                text = json.dumps(plain(every), indent=1, ensure_ascii=False)
                replace_text(config.json, text + "\n")
    return 0


if __name__ == "__main__":
    use_huge_pages()
    sys.exit(main())
