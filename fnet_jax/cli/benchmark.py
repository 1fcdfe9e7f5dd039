"""``fnet benchmark``: computes the paper's Table I with a checkpoint, or verifies a report."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fnet_jax.artifacts.words import counted
from fnet_jax.cli.console import complain, finish, say, warn
from fnet_jax.cli.flags import (
    FILE,
    FOLDER,
    MOST_PROCESSES,
    SHIPPED,
    SIZE,
    check_weights,
    names,
    parse,
    reads,
    unset,
    whole,
)
from fnet_jax.cli.sources import RANGE, RANGE_UNSET
from fnet_jax.errors import InputError
from fnet_jax.images.range_rules import Rule

if TYPE_CHECKING:
    from fnet_jax.paper.protocols import Located
    from fnet_jax.paper.run import Run

SETS = (  # fnet_jax.paper.protocols.PROTOCOLS, which imports NumPy
    *("tno", "roadscene", "cats", "kaist", "rgb_nir_scene"),
    *("harvard_ct", "harvard_pet", "harvard_spect"),
)

DESCRIPTION = """\
Compute Table I of the FNet paper with a checkpoint: find the data sets, fuse
each by the paper's protocol, score the results, and print them beside those of
the paper's 13 methods.

--data is a folder with some of the sets, each in a subfolder of its name: TNO,
RoadScene, CATS, KAIST, NIR (or nirscene1), MRI_CT, MRI_PET, MRI_SPECT.
python -m train.prepare --help shows the supported layouts inside.

--out receives report.md (the tables), report.json (everything, including the
values of each image), the fused images, and state.json. A second run computes
only what is missing or depends on images, weights or versions that have
changed, so the same command also continues an interrupted run.

--verify fuses and scores everything in a report.json again, in a temporary
folder, and prints whether the report can be reproduced.
"""

EXAMPLES = """\
examples:
  {prog} --data data/ --out benchmark/
  {prog} --ckpt ckpt/ --data data/ --out benchmark/ --sets tno,harvard_ct
  {prog} --data data/ --verify benchmark/report.json

exit status: 0 if everything was computed (with --verify: if the report holds),
1 if anything failed, 2 if an option is wrong, 130 after Ctrl-C
"""


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """Configuration of the command; each field is a flag."""

    # Folder of the data sets.
    data: Annotated[Path, FOLDER]
    # Checkpoint of FNet, or the workdir of a training run.
    ckpt: Annotated[Path | None, FOLDER, SHIPPED] = None
    size: Annotated[str | None, *SIZE] = None
    # Folder for the reports and the fused images.
    out: Annotated[Path | None, FOLDER, unset()] = None
    # A report.json to verify, instead of --out.
    verify: Annotated[Path | None, FILE, unset()] = None
    # Sets to compute, separated by commas: tno, roadscene, cats, kaist, rgb_nir_scene, harvard_ct,
    # harvard_pet, harvard_spect.
    sets: Annotated[
        tuple[str, ...], reads(partial(names, known=SETS), "NAMES"), unset("all in --data")
    ] = SETS
    # Which values are black and white in images of more than 8 bits or floats, for each set: type,
    # LOW,HIGH, folder or image; see fnet fuse --help.
    range: Annotated[Rule | None, RANGE, RANGE_UNSET] = None
    # Number of scoring processes.
    workers: Annotated[int | None, whole(1, MOST_PROCESSES), unset("one per core")] = None

    def __post_init__(self) -> None:
        """Raises InputError unless exactly one of --out and --verify is given."""
        check_weights(self.ckpt, self.size)
        if (self.out is None) == (self.verify is None):
            raise InputError("use either --out or --verify")


def main(argv: Sequence[str] | None = None, *, prog: str = "fnet benchmark") -> int:
    """Runs the command; returns its exit status."""
    config = parse(BenchmarkConfig, argv, prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    if config.verify:
        return finish(lambda: verify(config), stopped="nothing was verified")
    return finish(
        lambda: run(config), stopped="finished work is kept; run the same command to continue"
    )


def run(config: BenchmarkConfig) -> int:
    """Computes the table, writes the reports, and returns the exit status.

    Raises:
        InputError: nothing can be computed at all; failures of single files are printed instead.
    """
    from fnet_jax.artifacts.files import replace_texts, writable
    from fnet_jax.paper import table1

    assert config.out is not None
    begin = time.perf_counter()
    run, found, origin, failures = computed(config, config.out, config.sets)
    content = table1.report(run, found, origin)
    texts = {
        "report.json": json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "report.md": table1.markdown(content),
    }
    with writable(config.out, remedy="use another --out"):
        replace_texts({config.out / name: text for name, text in texts.items()})
    say(table1.summary(content))
    pairs, number = sum(x["pairs"] for x in content["sets"].values()), len(content["sets"])
    say(
        f"{counted(pairs, 'pair')} of {counted(number, 'set')} "
        f"in {time.perf_counter() - begin:.1f} s into {config.out}"
    )
    return 1 if failures else 0


def verify(config: BenchmarkConfig) -> int:
    """Recomputes a report, prints whether it holds, and returns the exit status.

    Raises:
        InputError: it cannot be read, or nothing can be computed at all.
    """
    from fnet_jax.artifacts.drafts import scratch
    from fnet_jax.paper import table1, verify

    assert config.verify is not None
    before = verify.read(config.verify)
    with scratch() as folder:
        names = tuple(name for name in config.sets if name in before["sets"])
        asked = config if config.range else replace(config, range=verify.rule(before))
        run, found, origin, failures = computed(asked, folder, names, measure=False)
        lines, holds = verify.compare(before, table1.report(run, found, origin))
    for line in lines:
        say(line)
    say(f"{config.verify}: {'holds' if holds else 'does not hold'}")
    return 0 if holds and not failures else 1


def computed(
    config: BenchmarkConfig, out: Path, names: tuple[str, ...], *, measure: bool = True
) -> "tuple[Run, dict[str, Located], dict[str, Any], int]":
    """Returns the completed run, the sets, the origin of the weights, and the number of failures.

    ``out`` is the folder for fused images and scores; ``measure`` adds time and memory.

    Raises:
        InputError: nothing can be computed at all.
    """
    from tqdm import tqdm

    from fnet_jax.fusing.fuser import Fuser
    from fnet_jax.images.range_rules import text_of
    from fnet_jax.networks.fnet import FNet
    from fnet_jax.paper.protocols import locate
    from fnet_jax.paper.run import Run, made_with, run_sets
    from fnet_jax.runtime.compilation import keep_programs
    from fnet_jax.weights import checkpoints

    found = locate(config.data, names)
    failures = 0

    def report(line: str) -> None:
        nonlocal failures
        failures += 1
        complain(line)

    keep_programs()
    ckpt = config.ckpt or checkpoints.shipped(config.size)
    network, params, meta = checkpoints.load(ckpt, FNet)
    made = made_with(network, params)
    if config.range:
        made["range"] = text_of(config.range)
    run = Run.resumed(out, made, note=say)
    run.save()
    fuser = Fuser(network, params)
    progress = partial(tqdm, unit="pair", disable=None)
    about: dict[str, Any] = {"report": report, "note": say, "warn": warn, "progress": progress}
    run_sets(run, fuser, found, workers=config.workers, rule=config.range, **about)
    if not any(run.pairs[name] for name in found):
        raise InputError(f"{config.data}: no pair could be fused; see the lines above")
    if measure:
        run.measure(ckpt)
    return run, found, meta["source"], failures
