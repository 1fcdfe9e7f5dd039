"""``python -m benchmarks.sparse_coding``: four learned iterations or a hundred classical?"""

import functools
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from benchmarks.recovery import PENALTIES, SOLVERS, Bench, Problem, seen
from fnet_jax.artifacts.files import replace_text
from fnet_jax.cli.flags import FOLDER, parse, real, whole
from fnet_jax.runtime.memory import use_huge_pages
from fnet_jax.sparse_coding.limits import LARGEST_KERNEL, MOST_FEATURES, MOST_ITERATIONS

COLORS = {  # Okabe and Ito's, which suit any color vision
    "IHT": "#E69F00",
    "accelerated IHT": "#56B4E9",
    "normalised IHT": "#0072B2",
    "ISTA": "#CC79A7",
    "FISTA": "#009E73",
    "LZSC": "#D55E00",
}
MARKS = {"IHT": "s", "accelerated IHT": "D", "normalised IHT": "o", "ISTA": "v", "FISTA": "^"}
FIGURES = {
    "code": "relative error of the code: less is better",
    "f1": "F1 of the support: more is better",
}
OBJECTIVE = "objective: 1 is that of the true code"


DESCRIPTION = """\
Make images of known sparse codes with a known random dictionary, plus noise.
Code them with IHT, accelerated IHT, normalised IHT, ISTA and FISTA, and with
LZSC trained on such images to find their codes, and measure how close each comes
to the true codes, iteration by iteration. λ is chosen for each solver and
iteration on separate images (see benchmarks/recovery.py). The command prints the
table and writes sparse_coding.png and sparse_coding.json. It takes about two
minutes on two cores.

Try other settings: more atoms (--features), denser codes (--density), more
noise (--noise), longer training (--steps). docs/sparse_coding.md discusses the
defaults.
"""


@dataclass(frozen=True)
class SparseCodingConfig:
    """Configuration of the command; each field is a flag."""

    # Folder for sparse_coding.png and sparse_coding.json.
    out: Annotated[Path, FOLDER]
    # Number of random problems, each with its own dictionary and training.
    seeds: Annotated[int, whole(1)] = 3
    # Number of atoms of the dictionary.
    features: Annotated[int, whole(1, MOST_FEATURES, "K")] = 16
    # Side of an atom in pixels, odd.
    size: Annotated[int, whole(1, LARGEST_KERNEL, odd=True)] = 5
    # Side of an image in pixels.
    side: Annotated[int, whole(1, 2**14)] = 32
    # Share of nonzero entries of a code.
    density: Annotated[float, real("a number above 0 and below 1", lambda x: 0 < x < 1)] = 0.005
    # Standard deviation of the noise; that of the images is about 0.3.
    noise: Annotated[float, real("a number of at least 0", lambda x: x >= 0)] = 0.02
    # Iterations of the solvers.
    iterations: Annotated[int, whole(1)] = 100
    # Iterations of LZSC.
    modules: Annotated[int, whole(1, MOST_ITERATIONS)] = 4
    # Training steps of LZSC.
    steps: Annotated[int, whole(1)] = 1000

    def problem(self) -> Problem:
        """The fields that make a problem."""
        names = {field.name for field in fields(Problem)}
        return Problem(**{name: x for name, x in vars(self).items() if name in names})


def experiment(
    problem: Problem, seed: int, *, progress: Callable[[], object] = lambda: None
) -> dict[str, dict[str, Any]]:
    """Measures of each solver and of LZSC, by name, for one random problem."""
    bench = Bench(problem, seed)
    found = {name: bench.solve(name, progress=progress) for name in SOLVERS}
    penalty = found["normalised IHT"]["penalty"]
    return found | {"LZSC": bench.lzsc(penalty=penalty, progress=progress)}


def reached(curve: list[float], ks: list[int], error: float) -> float:
    """The first of the iterations ``ks`` with at most this error; infinity if there is none."""
    return next((k for k, x in zip(ks, curve, strict=True) if x <= error), float("inf"))


def spread(values: list[float], form: str = ".3f") -> str:
    """The mean, with the minimum and maximum in brackets."""
    mean, least, most = (f"{f(values):{form}}" for f in (np.mean, np.min, np.max))
    return f"{mean} ({least}–{most})" if len(values) > 1 else mean


def table(found: list[dict[str, dict[str, Any]]], problem: Problem) -> str:
    """The measures in Markdown: mean, minimum and maximum over the seeds."""
    ks, last = seen(problem.iterations), problem.iterations
    few = max(k for k in ks if k <= problem.modules + 1)
    lines = [
        f"| | code, {few} iterations | F1, {few} | code, {last} | F1, {last} | image, {last} "
        "| iterations to LZSC's error |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in SOLVERS:
        cells = [
            spread([seed[name][figure][ks.index(k)] for seed in found])
            for figure, k in (
                ("code", few),
                ("f1", few),
                ("code", last),
                ("f1", last),
                ("image", last),
            )
        ]
        ends = [seed["LZSC"]["trained"]["code"][-1] for seed in found]
        equal = [reached(seed[name]["code"], ks, x) for seed, x in zip(found, ends, strict=True)]
        cells.append(spread(equal, ".0f") if max(equal) < float("inf") else f"more than {last}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for state in ("untrained", "trained"):
        code, f1, image = (
            spread([seed["LZSC"][state][figure][-1] for seed in found])
            for figure in ("code", "f1", "image")
        )
        lines.append(f"| LZSC, {state} | {code} | {f1} | | | (after {few}) {image} | |")
    return "\n".join(lines)


def draw(found: list[dict[str, dict[str, Any]]], problem: Problem, path: Path) -> None:
    """Error, F1 and objective against iterations: mean, and a band from minimum to maximum."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(13, 4.4))
    for name in SOLVERS:
        style: dict[str, Any] = {"color": COLORS[name], "marker": MARKS[name], "markersize": 5}
        for ax, what in zip(axes, (*FIGURES, "objective"), strict=True):
            values = np.array([seed[name][what] for seed in found])
            k = seen(problem.iterations)
            values = values[:, k] if what == "objective" else values  # the first is that of u⁰
            ax.plot(k, values.mean(axis=0), label=name, markevery=3, **style)
            ax.fill_between(
                k, values.min(axis=0), values.max(axis=0), color=COLORS[name], alpha=0.2, lw=0
            )
    for ax, what in zip(axes, (*FIGURES, "objective"), strict=True):
        values = np.array([seed["LZSC"]["trained"][what] for seed in found])
        k = list(range(1, values.shape[1] + 1))
        mean, style = values.mean(axis=0), {"color": COLORS["LZSC"]}
        ax.plot(k, mean, marker="*", markersize=11, label="LZSC, trained", zorder=3, **style)
        ax.fill_between(k, values.min(axis=0), values.max(axis=0), alpha=0.2, lw=0, **style)
        if what != "objective":
            ax.axhline(mean[-1], lw=1, ls=":", **style)
    for ax, title in zip(axes, (*FIGURES.values(), OBJECTIVE), strict=True):
        ax.set_xscale("log")
        ticks = [k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500) if k <= ax.get_xlim()[1]]
        ax.set_xticks(ticks, [str(k) for k in ticks])
        ax.minorticks_off()
        ax.set_xlabel("iterations")
        ax.set_title(title, fontsize=11)
        ax.grid(alpha=0.25)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylim(0, 1.05)
    axes[1].set_ylim(0, 1.05)
    axes[2].axhline(1, color="0.5", lw=1, ls=":")
    axes[2].set_yscale("log")
    least, most = axes[2].get_ylim()
    levels = [y for y in (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0) if least <= y <= most]
    axes[2].set_yticks(levels, [f"{y:g}" for y in levels])
    axes[2].minorticks_off()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), frameon=False)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main() -> int:
    """Measures, prints the table, draws."""
    from tqdm import tqdm

    prog = "python -m benchmarks.sparse_coding"
    config = parse(SparseCodingConfig, prog=prog, description=DESCRIPTION)
    config.out.mkdir(parents=True, exist_ok=True)
    problem = config.problem()
    solved = sum(len(PENALTIES[power]) for _, power in SOLVERS.values())
    with tqdm(total=config.seeds * (solved + problem.steps), disable=None, unit="step") as bar:
        found = [
            experiment(problem, seed, progress=functools.partial(bar.update, 1))
            for seed in range(config.seeds)
        ]
    print(table(found, problem))
    text = json.dumps({"problem": asdict(problem), "seeds": found}) + "\n"
    replace_text(config.out / "sparse_coding.json", text)
    draw(found, problem, config.out / "sparse_coding.png")
    return 0


if __name__ == "__main__":
    use_huge_pages()
    sys.exit(main())
