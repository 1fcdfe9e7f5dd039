"""``python -m train.validate``: the validation loss of any weights, on the same pairs."""

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fnet_jax.cli.console import finish, say
from fnet_jax.cli.flags import flag, parse, positive
from train.config import DATA_DIR

DESCRIPTION = """\
Measure the validation loss of stage II (eq. 26) of one or more checkpoints of FNet on the same
pairs: those that training with these --data, --split and --validation keeps out, and of each the
middle of --crop pixels a side.
"""

EXAMPLES = """\
examples:
  {prog} --data MSRS/ --split train --crop 64 --ckpt runs/ --ckpt ckpt/
"""


@dataclass(frozen=True)
class ValidateConfig:
    """What the command does; each field is a flag."""

    data: str = flag(
        "a prepared set's name or folder, or synthetic; a folder of image pairs is prepared "
        "inside --workdir",
        metavar="NAME|FOLDER",
    )
    ckpt: tuple[Path, ...] = flag(
        "checkpoint of FNet; may be given several times (default: the weights that are shipped)",
        default=(),
        metavar="FOLDER",
        repeat=True,
    )
    split: str | None = flag("split of the set (default: all)", default=None)
    data_dir: Path | None = flag(
        DATA_DIR,
        default=None,
        metavar="FOLDER",
    )
    workdir: Path = flag(
        "where a folder of images is prepared (default: runs)",
        default=Path("runs"),
        metavar="FOLDER",
    )
    validation: int = flag(
        "pairs to measure on, at most a tenth of the set (default 20)",
        default=20,
        metavar="PAIRS",
        parse=positive,
    )
    crop: int = flag(
        "side of what is looked at, in pixels (default 128)",
        default=128,
        metavar="PIXELS",
        parse=positive,
    )


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m train.validate") -> int:
    """Runs the command; returns its exit status."""
    texts = {"prog": prog, "description": DESCRIPTION, "epilog": EXAMPLES.format(prog=prog)}
    config = parse(ValidateConfig, argv, **texts)
    return finish(lambda: run(config), stopped="nothing was changed")


def run(config: ValidateConfig) -> int:
    """Prints a table of the loss and its terms, a row for each checkpoint; returns 0.

    Raises:
        InputError: a checkpoint or the data cannot be used.
    """
    from fnet_jax.networks.fnet import FNet
    from fnet_jax.weights import checkpoints  # JAX and TFDS are slow to import: after --help
    from train.data import sources
    from train.run.curves import validator
    from train.run.stages import STAGES

    loaded = [(path, *checkpoints.load(path)) for path in config.ckpt or (checkpoints.PRETRAINED,)]
    data = sources.find(
        config.data,
        split=config.split,
        data_dir=config.data_dir,
        crop=config.crop,
        validation=config.validation,
        workdir=config.workdir,
    )

    @functools.cache  # weights of equal networks share a program
    def measure(network: FNet) -> Callable[..., Any]:
        loss = STAGES["stage2"].loss(network)
        return validator(loss, network, data.validation, crop=config.crop)

    say(f"{len(data.validation)} pairs of {data.title}")
    for number, (path, network, params, _) in enumerate(loaded):
        assert isinstance(network, FNet)
        values, _ = measure(network)({"fnet": params})
        names = {name.removeprefix("validation_").removeprefix("loss/"): name for name in values}
        if number == 0:
            say(" | ".join(["checkpoint", *names]))
        say(" | ".join([str(path), *(f"{values[name]:.5g}" for name in names.values())]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
