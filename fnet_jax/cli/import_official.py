"""Turns the weights that the authors of FNet published into a checkpoint."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fnet_jax.cli.console import finish, say
from fnet_jax.cli.flags import flag, parse

DESCRIPTION = """\
Turn the weights that the authors of FNet published (FNet.pth, or the same arrays in an .npz file)
into a checkpoint folder, which every other command reads as --ckpt.

Reading a .pth file needs PyTorch (pip install torch); it loads tensors only, never code. A file of
any other network is refused with the name and the shape that do not fit.
"""


@dataclass(frozen=True)
class ImportConfig:
    """What the command does; each field is a flag."""

    weights: Path = flag("FNet.pth or an .npz of it", metavar="FILE")
    out: Path = flag("checkpoint folder to write", metavar="FOLDER")
    overwrite: bool = flag("replace a checkpoint that is there already", default=False)


def main(argv: Sequence[str] | None = None, *, prog: str = "fnet-import-official") -> int:
    """Runs the command; returns its exit status."""
    example = f"example:\n  {prog} --weights FNet.pth --out ckpt/"
    config = parse(ImportConfig, argv, prog=prog, description=DESCRIPTION, epilog=example)

    def work() -> int:
        count = import_official(config.weights, config.out, overwrite=config.overwrite)
        say(f"{config.out}: FNet with {count:,} parameters of {config.weights}")
        return 0

    return finish(work, stopped="no checkpoint was written")


def import_official(weights: Path, out: Path, *, overwrite: bool = False) -> int:
    """Writes the checkpoint; returns the number of parameters.

    Raises:
        InputError: the weights cannot be read or are of another network, or ``out`` is taken.
    """
    from fnet_jax.networks.fnet import FNet
    from fnet_jax.weights import (  # slow to import: after --help and its errors
        checkpoints,
        official,
    )

    params = official.convert(official.read(weights), source=str(weights))
    source = {
        "kind": "weights published by the authors of FNet",
        "file": weights.name,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    checkpoints.save(out, FNet(), params, source=source, overwrite=overwrite)
    return sum(array.size for array in checkpoints.named_arrays(params).values())
