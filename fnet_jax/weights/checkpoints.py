"""Checkpoints of networks; those of training runs (:mod:`train.run.saving`) are such, and more.

A checkpoint is a folder with two Orbax items: ``params`` (the parameters, as linen nests them) and
``meta`` (JSON: the network's name and settings, a SHA-256 of each array, where the weights come
from, versions). Beside them, ``sha256sums.txt`` lists the files, as ``sha256sum --check`` reads it:
Orbax itself loads a flipped bit, and reports a file cut short with tracebacks of its threads.
"""

import hashlib
import logging
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import flax
import jax
import numpy as np
import orbax.checkpoint as ocp

from fnet_jax.artifacts.files import sha256
from fnet_jax.errors import DamagedError, InputError, first_line
from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.ifnet import IFNet
from fnet_jax.sparse_coding.lcsc import LCSC
from fnet_jax.sparse_coding.lzsc import LZSC
from fnet_jax.sparse_coding.unrolled import Unrolled
from fnet_jax.version import __version__

FORMAT = 1
NETWORKS: dict[str, type[Unrolled]] = {
    "FNet": FNet,
    "IFNet": IFNet,
    "LZSC": LZSC,
    "LCSC": LCSC,
}
ITEMS = ("params", "meta")
SUMS = "sha256sums.txt"
WHERE = "commit_success.txt"  # Orbax notes where it wrote; a checkpoint may go to other people
RUN_FOLDER = "checkpoints"  # of a stage of training, with a checkpoint per step that was saved
PRETRAINED = Path(__file__).with_name("pretrained") / "base"  # the weights that are shipped
HOW_TO_GET_ONE = (
    "leave --ckpt out for the weights that are shipped, or make one with python -m "
    "eval.import_official --weights FNet.pth --out FOLDER"
)

logger = logging.getLogger(__name__)


def named_arrays(params: Any) -> dict[str, Any]:
    """The arrays of a parameter tree by their paths, such as ``lzsc_u1/W_e_0``."""
    tree = params["params"] if isinstance(params, dict) and "params" in params else params
    return flax.traverse_util.flatten_dict(tree, sep="/")


def checksums(params: Any) -> dict[str, str]:
    """SHA-256 of each array's type, shape and bytes, by its path."""
    return {name: _checksum(np.asarray(array)) for name, array in named_arrays(params).items()}


def _checksum(array: np.ndarray) -> str:
    header = f"{array.dtype.str} {array.shape} ".encode()
    return hashlib.sha256(header + np.ascontiguousarray(array).tobytes()).hexdigest()


def save(
    path: str | Path,
    network: Unrolled,
    params: Any,
    *,
    source: dict[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Writes a checkpoint, whole or not at all.

    Args:
        path: the folder to make; an empty one may be there.
        network: the network, for its name and settings.
        params: its parameters, ``{"params": …}``.
        source: where the weights come from, JSON values by name.
        overwrite: replace a checkpoint that is there (never another kind of folder).

    Raises:
        InputError: something else is at ``path``, or it cannot be written.
    """
    path = Path(path).absolute()
    meta = describe(network, params, source=source)
    check_place(path, overwrite=overwrite)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".checkpoint-") as workshop:
            new, old = Path(workshop, "new"), Path(workshop, "old")
            with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
                arguments = ocp.args.Composite(
                    params=ocp.args.StandardSave(jax.tree.map(np.asarray, params)),
                    meta=ocp.args.JsonSave(meta),
                )
                checkpointer.save(new, args=arguments)
            for note in new.rglob(WHERE):
                note.unlink()
            write_sums(new)
            if path.is_dir():
                path.rename(old)
            try:
                new.rename(path)
            except OSError:
                if old.is_dir():
                    old.rename(path)
                raise
    except Exception as error:  # Orbax raises many kinds where a disk is full or protected
        raise InputError(
            f"{path}: cannot be written ({first_line(error)}); check space and permissions there"
        ) from error


def check_place(path: Path, *, overwrite: bool) -> None:
    """Raises InputError if something is at ``path`` that :func:`save` would not replace."""
    occupied = path.is_file() or (path.is_dir() and any(path.iterdir()))
    if occupied and not is_checkpoint(path):
        raise InputError(f"{path}: is there already and is no checkpoint; give another folder")
    if occupied and not overwrite:
        raise InputError(f"{path}: is there already; give --overwrite to replace it")


def describe(
    network: Unrolled, params: Any, *, source: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What the item ``meta`` of a checkpoint says of a network, as JSON values.

    Args:
        network: the network, for its name and settings.
        params: its parameters, ``{"params": …}``.
        source: where the weights come from, JSON values by name.
    """
    return {
        "format": FORMAT,
        "network": type(network).__name__,
        "settings": network.settings(),
        "checksums": checksums(params),
        "source": source or {},
        "versions": {"fnet_jax": __version__, "jax": jax.__version__, "flax": flax.__version__},
    }


def write_sums(folder: Path, *, leave_out: Collection[str] = ()) -> None:
    """Lists the files of a checkpoint, but some, with their SHA-256, for :func:`check_files`."""
    names = [name for name in _files(folder) if name not in (SUMS, *leave_out)]
    lines = [f"{sha256(folder / name)}  {name}\n" for name in names]
    (folder / SUMS).write_text("".join(lines))


def _files(folder: Path) -> list[str]:
    """The files below a folder, by their paths in it, sorted."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def check_files(folder: Path) -> None:
    """Compares the files with the list that was made when they were written.

    Raises:
        DamagedError: a file is missing or is not what it was.
        InputError: a file cannot be read.
    """
    try:
        lines = (folder / SUMS).read_text().splitlines()
        recorded = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
        for name, digest in recorded.items():
            if sha256(folder / name) != digest:
                raise DamagedError(
                    f"{folder / name}: is not what was written: the checkpoint is damaged; "
                    f"copy or make it again"
                )
        if not {"params/_METADATA", "meta/metadata"} <= recorded.keys():
            raise ValueError("it does not list what a checkpoint has")
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"{error.filename}: may not be read; check its permissions") from error
    except FileNotFoundError as error:
        raise DamagedError(
            f"{error.filename}: is missing: the checkpoint is damaged; copy or make it again"
        ) from error
    except ValueError as error:
        raise DamagedError(
            f"{folder / SUMS}: cannot be used ({first_line(error)}); copy the checkpoint again"
        ) from error
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be read ({first_line(error)}); check the disk and try again"
        ) from error


def is_checkpoint(path: str | Path) -> bool:
    """Whether a folder has the items of a checkpoint.

    Raises:
        InputError: the folder may not be read.
    """
    try:
        return all((Path(path) / item).is_dir() for item in ITEMS)
    except PermissionError as error:
        raise InputError(f"{path}: may not be read; check its permissions") from error


def find(path: Path) -> Path:
    """The checkpoint that a folder is, or the newest of the training run that it holds.

    Args:
        path: a checkpoint, the folder of a stage of training (``runs/stage2``), or a workdir, of
            which the last stage counts that has a checkpoint.

    Raises:
        InputError: there is none, or the folder may not be read.
    """
    if path.is_file():
        raise InputError(f"{path}: is a file, a checkpoint is a folder; {HOW_TO_GET_ONE}")
    if not path.is_dir():
        raise InputError(f"{path}: no such checkpoint; {HOW_TO_GET_ONE}")
    if is_checkpoint(path):
        return path
    for run in (path, path / "stage2", path / "stage1"):
        if found := steps(run / RUN_FOLDER):
            logger.info("taking %s", found[max(found)])
            return found[max(found)]
    raise InputError(f"{path}: no checkpoint of a network of this project; {HOW_TO_GET_ONE}")


def steps(folder: Path) -> dict[int, Path]:
    """The checkpoints of a training run by their step, those whose saving was not cut short."""
    if not folder.is_dir():
        return {}
    found = {int(p.name): p for p in folder.iterdir() if p.name.isdecimal() and p.is_dir()}
    return {step: found[step] for step in sorted(found)}


def load(path: str | Path, *, network: str = "FNet") -> tuple[Unrolled, Any, dict[str, Any]]:
    """Reads a checkpoint and checks it.

    Args:
        path: the folder, or a run's (:func:`find`).
        network: the name of the network that is wanted.

    Returns:
        ``(network, params, meta)``: the network with its settings, its parameters as NumPy arrays,
        and what :func:`save` recorded.

    Raises:
        InputError: there is no checkpoint, it is of another network, or it is damaged.
    """
    path = Path(path).absolute()
    path = find(path)
    check_files(path)
    try:
        with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
            meta = checkpointer.restore(path, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))[
                "meta"
            ]
            model = _network(path, meta, network)
            params = checkpointer.restore(
                path, args=ocp.args.Composite(params=ocp.args.StandardRestore())
            )["params"]
    except InputError:
        raise
    except Exception as error:  # Orbax and TensorStore raise many kinds for a damaged folder
        raise InputError(
            f"{path}: the checkpoint is damaged ({first_line(error)}); copy or make it again"
        ) from error
    _check_params(path, model, params, meta["checksums"])
    return model, params, meta


def _network(path: Path, meta: Any, wanted: str) -> Unrolled:
    """The network that a checkpoint's ``meta`` describes."""
    try:
        name, settings = meta["network"], meta["settings"]
        if meta["format"] > FORMAT:
            raise InputError(f"{path}: was made by a newer version of fnet_jax; update this one")
        if not isinstance(meta["checksums"], dict):
            raise TypeError("checksums are not listed by array")
        if name != wanted:
            raise InputError(f"{path}: holds {name}, {wanted} is needed; give another checkpoint")
        model = NETWORKS[name](**settings)
        model.check()
    except InputError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: its description of the network is not understood ({first_line(error)}); "
            f"{HOW_TO_GET_ONE}"
        ) from error
    return model


def _check_params(path: Path, model: Unrolled, params: Any, recorded: dict[str, str]) -> None:
    """Compares the arrays with the network's shapes and the recorded checksums."""
    image = jax.ShapeDtypeStruct((1, 1, 1, 1), np.float32)
    images = (image, image) if isinstance(model, FNet) else (image,)
    found = named_arrays(params)
    if isinstance(model, LZSC) and "W_e_0" in found:  # its input may have several channels
        images = (jax.ShapeDtypeStruct((1, 1, 1, found["W_e_0"].shape[2]), np.float32),)
    shapes = jax.eval_shape(model.init, jax.random.key(0), *images)
    expected = {name: array.shape for name, array in named_arrays(shapes).items()}
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise InputError(f"{path}: the checkpoint lacks {name}, shape {expected[name]}")
        if name not in expected or found[name].shape != expected[name]:
            raise InputError(
                f"{path}: {name} has shape {found[name].shape}, the network has "
                f"{expected.get(name, 'no such array')}"
            )
        if recorded.get(name) != _checksum(np.asarray(found[name])):
            raise InputError(
                f"{path}: {name} does not have the recorded checksum: the checkpoint is damaged; "
                f"copy or make it again"
            )
