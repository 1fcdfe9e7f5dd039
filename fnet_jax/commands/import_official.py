"""Turns the weights that the authors of FNet published into a checkpoint."""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from fnet_jax.errors import InputError

DESCRIPTION = """\
Turn the weights that the authors of FNet published (FNet.pth, or the same arrays in an .npz file)
into a checkpoint folder, which every other command reads as --ckpt.

Reading a .pth file needs PyTorch (pip install torch); it loads tensors only, never code. A file of
any other network is refused with the name and the shape that do not fit.
"""


def parser(prog: str) -> argparse.ArgumentParser:
    """The command's arguments."""
    arguments = argparse.ArgumentParser(
        prog=prog,
        description=DESCRIPTION,
        epilog=f"example:\n  {prog} --weights FNet.pth --out ckpt/",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments.add_argument(
        "--weights", type=Path, required=True, metavar="FILE", help="FNet.pth or an .npz of it"
    )
    arguments.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="checkpoint folder to write"
    )
    arguments.add_argument(
        "--overwrite", action="store_true", help="replace a checkpoint that is there already"
    )
    return arguments


def main(argv: Sequence[str] | None = None, *, prog: str = "fnet-import-official") -> int:
    """Runs the command; returns its exit status."""
    options = parser(prog).parse_args(argv)
    try:
        count = import_official(options.weights, options.out, overwrite=options.overwrite)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{options.out}: FNet with {count:,} parameters of {options.weights}")
    return 0


def import_official(weights: Path, out: Path, *, overwrite: bool = False) -> int:
    """Writes the checkpoint; returns the number of parameters.

    Raises:
        InputError: the weights cannot be read or are of another network, or ``out`` is taken.
    """
    from fnet_jax import checkpoints, official  # slow to import: after --help and its errors
    from fnet_jax.fnet import FNet

    params = official.convert(official.read(weights), source=str(weights))
    source = {
        "kind": "weights published by the authors of FNet",
        "file": weights.name,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    checkpoints.save(out, FNet(), params, source=source, overwrite=overwrite)
    return sum(array.size for array in checkpoints.named_arrays(params).values())
