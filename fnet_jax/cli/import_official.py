"""``fnet import-official``: converts the weights published by the authors of FNet."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fnet_jax.artifacts.files import sha256
from fnet_jax.cli.console import finish, say
from fnet_jax.cli.flags import FILE, FOLDER, parse

DESCRIPTION = """\
Convert the weights that the authors of FNet published (FNet.pth, or the same
arrays in an .npz file) into a checkpoint folder, which every other command
accepts as --ckpt.

Reading a .pth file needs PyTorch (pip install torch). Only tensors are loaded,
never code. Weights of any other network are refused, with the names and shapes
that differ.
"""

EXAMPLES = """\
example:
  {prog} --weights FNet.pth --out ckpt/

exit status: 0 if the checkpoint was written, 1 if it was not, 2 if an option is
wrong, 130 after Ctrl-C
"""


@dataclass(frozen=True, kw_only=True)
class ImportConfig:
    """Configuration of the command; each field is a flag."""

    # FNet.pth, or an .npz file of its arrays.
    weights: Annotated[Path, FILE]
    # Folder for the checkpoint.
    out: Annotated[Path, FOLDER]
    # Replace a checkpoint that already exists.
    overwrite: bool = False


def main(argv: Sequence[str] | None = None, *, prog: str = "fnet import-official") -> int:
    """Runs the command; returns its exit status."""
    config = parse(ImportConfig, argv, prog=prog, description=DESCRIPTION, examples=EXAMPLES)

    def work() -> int:
        count = import_official(config.weights, config.out, overwrite=config.overwrite)
        say(f"{config.out}: FNet with {count:,} parameters from {config.weights}")
        return 0

    return finish(work, stopped="no checkpoint was written")


def import_official(weights: Path, out: Path, *, overwrite: bool = False) -> int:
    """Writes the checkpoint; returns the number of parameters.

    Raises:
        InputError: the weights cannot be read or belong to another network, or ``out`` exists.
    """
    from fnet_jax.networks.fnet import FNet  # JAX is slow to import: after --help
    from fnet_jax.weights import checkpoints, official
    from fnet_jax.weights.integrity import named_arrays

    params = official.convert(official.read(weights), source=str(weights))
    source = {
        "kind": "weights published by the authors of FNet",
        "file": weights.name,
        "sha256": sha256(weights),
    }
    checkpoints.save(out, FNet(), params, source=source, overwrite=overwrite)
    return sum(array.size for array in named_arrays(params).values())
