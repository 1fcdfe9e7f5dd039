"""``python -m train.validate``: the validation loss of any weights, on the same pairs."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import UseAppendAction

from fnet_jax.cli.console import finish, say
from fnet_jax.cli.flags import FOLDER, WORD, choice, parse, unset, whole
from fnet_jax.networks.sizes import SIZES
from train.config import CROP, DATA_DIR, SET_OR_FOLDER
from train.run.command import report

DESCRIPTION = """\
Measure the validation loss of stage II (eq. 26) of one or more checkpoints of
FNet on the same pairs: those that a training run with the same --data, --split
and --validation keeps out, each cropped to --crop pixels a side at its center.
"""

EXAMPLES = """\
example:
  {prog} --data MSRS/ --split train --crop 64 --ckpt runs/ --ckpt ckpt/

exit status: 0 if every checkpoint was measured, 1 if anything failed, 2 if an
option is wrong, 130 after Ctrl-C
"""


@dataclass(frozen=True)
class ValidateConfig:
    """Configuration of the command; each field is a flag."""

    # The name of a prepared set or its folder; synthetic; or a folder of image pairs, which is
    # prepared inside --workdir.
    data: Annotated[str, SET_OR_FOLDER]
    # Checkpoint of FNet to measure; may be repeated. The default is the shipped weights.
    ckpt: UseAppendAction[tuple[Annotated[Path, FOLDER], ...]] = ()
    # Size of the shipped weights to measure; may be repeated.
    size: UseAppendAction[tuple[Annotated[str, choice(SIZES, "SIZE")], ...]] = ()
    # Split of the set.
    split: Annotated[str | None, WORD, unset("all splits")] = None
    # Folder of the prepared sets.
    data_dir: Annotated[Path | None, FOLDER, DATA_DIR] = None
    # Folder in which a folder of images is prepared.
    workdir: Annotated[Path, FOLDER] = Path("runs")
    # Pairs to measure on; at most a tenth of the set is used.
    validation: Annotated[int, whole(1, metavar="PAIRS")] = 20
    # Side of the measured part of an image, in pixels.
    crop: Annotated[int, CROP] = 128


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m train.validate") -> int:
    """Runs the command; returns its exit status."""
    config = parse(ValidateConfig, argv, prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    return finish(lambda: run(config), stopped="nothing was changed")


def run(config: ValidateConfig) -> int:
    """Prints a table of the loss and its terms, a row for each checkpoint; returns 0.

    Raises:
        InputError: a checkpoint or the data cannot be used.
    """
    from fnet_jax.networks.fnet import FNet
    from fnet_jax.weights import checkpoints  # JAX and TFDS are slow to import: after --help
    from train.data import sources
    from train.run.display import Bar
    from train.run.stages import STAGES
    from train.run.validation import validator

    paths = [*config.ckpt, *map(checkpoints.shipped, config.size)] or [checkpoints.shipped()]
    loaded = [(path, *checkpoints.load(path, FNet)) for path in paths]
    data = sources.find(
        config.data,
        split=config.split,
        data_dir=config.data_dir,
        crop=config.crop,
        validation=config.validation,
        workdir=config.workdir,
        report=report,
        progress=Bar().over,
    )

    @functools.cache  # equal networks share a program
    def measure(network: FNet) -> Callable[..., Any]:
        loss = STAGES["stage2"].loss(network)
        return validator(loss, network, data.validation, crop=config.crop)

    say(f"{len(data.validation)} pairs of {data.title}")
    for number, (path, network, params, _) in enumerate(loaded):
        values, _ = measure(network)({"fnet": params})
        names = {name.removeprefix("validation_").removeprefix("loss/"): name for name in values}
        if number == 0:
            say(" | ".join(["checkpoint", *names]))
        say(" | ".join([str(path), *(f"{values[name]:.5g}" for name in names.values())]))
    return 0
