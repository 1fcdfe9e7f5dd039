"""Checkpoints of networks: saving, finding and loading them.

A checkpoint is a folder with two Orbax items, ``params`` (the parameters, as linen nests them) and
``meta`` (JSON: the network's name and settings, a SHA-256 of each array, the origin of the weights,
versions), and a list of its files' checksums. Those of training runs (:mod:`train.run.saving`) have
more items.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from fnet_jax.artifacts.files import replace_folder
from fnet_jax.artifacts.provenance import NETWORK, versions
from fnet_jax.artifacts.words import listed
from fnet_jax.errors import InputError, first_line, reason
from fnet_jax.networks.network import Network
from fnet_jax.networks.sizes import BASE, SIZES
from fnet_jax.runtime.devices import check_devices
from fnet_jax.sparse_coding.unrolled import Coder, Unrolled
from fnet_jax.weights import storage
from fnet_jax.weights.integrity import check_arrays, check_files, checksums, named_arrays

FORMAT = 1
ITEMS = ("params", "meta")
RUN_FOLDER = "checkpoints"  # of a training stage, with a checkpoint per saved step
SHIPPED = Path(__file__).with_name("pretrained")  # weights of this project, a folder for each size
HOW_TO_GET_ONE = (
    "omit --ckpt to use the shipped weights, or make a checkpoint with python -m "
    "eval.import_official --weights FNet.pth --out FOLDER"
)

Coding = TypeVar("Coding", bound=Unrolled)
"""A network or a block."""

logger = logging.getLogger(__name__)


def save(
    path: str | Path,
    network: Unrolled,
    params: Any,
    *,
    source: dict[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Writes a checkpoint, whole or not at all, and reads it back to verify it.

    Args:
        path: the folder to make; it may exist if it is empty.
        network: the network, for its name and settings.
        params: its parameters, ``{"params": …}``; they are stored as float32.
        source: origin of the weights, JSON values by name.
        overwrite: replace an existing checkpoint (never another kind of folder).

    Raises:
        InputError: something else is at ``path``, the parameters are not finite or do not fit the
            network, or the checkpoint cannot be written.
    """
    path = Path(path).absolute()
    params = jax.tree.map(lambda x: np.asarray(x, np.float32), params)
    description = describe(network, params, source=source)
    check_fit(f"{path} cannot be written", network, params)
    check_place(path, overwrite=overwrite)
    remedy = "check space and permissions there"
    with storage.explained(f"{path} cannot be written", remedy):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_folder(path) as new:
            new.rmdir()  # Orbax makes it
            storage.write(new, {"params": params}, description)


def check_place(path: Path, *, overwrite: bool) -> None:
    """Raises InputError if something is at ``path`` that :func:`save` would not replace."""
    with _readable(path):
        occupied = os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir()))
    if occupied and not is_checkpoint(path):
        raise InputError(f"{path} already exists and is not a checkpoint; use another folder")
    if occupied and not overwrite:
        raise InputError(f"{path} already exists; use --overwrite to replace it")


def describe(
    network: Unrolled, params: Any, *, source: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The item ``meta`` of a checkpoint, as JSON values; ``source`` is the origin of the weights.

    Raises InputError if a parameter is NaN or infinite.
    """
    check_finite("these weights cannot be saved", params)
    return {
        "format": FORMAT,
        "network": type(network).__name__,
        "settings": network.settings(),
        "checksums": checksums(params),
        "source": source or {},
        "versions": versions(*NETWORK),
    }


def is_checkpoint(path: str | Path) -> bool:
    """Whether a folder has the items of a checkpoint.

    Raises:
        InputError: the folder cannot be read.
    """
    with _readable(Path(path)):
        return all((Path(path) / item).is_dir() for item in ITEMS)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise InputError(f"permission denied: {path}; check its permissions") from error
    except OSError as error:
        raise InputError(f"{path} cannot be used ({reason(error)}); use another path") from error


def shipped(size: str | None = None) -> Path:
    """The checkpoint of the shipped weights of a size; None is the paper's size.

    Raises:
        InputError: the size is unknown.
    """
    size = BASE if size is None else size
    if size not in SIZES:
        raise InputError(f"unknown size {size!r}; use {listed(SIZES)}")
    return SHIPPED / size


def find(path: Path) -> Path:
    """The checkpoint at a folder, or the newest one of the training run in it.

    Args:
        path: a checkpoint, the folder of a training stage (``runs/stage2``), or a workdir, whose
            last stage with a checkpoint counts.

    Raises:
        InputError: there is none, or the folder cannot be read.
    """
    with _readable(path):
        there, folder = os.path.lexists(path), path.is_dir()
    if not there:
        raise InputError(f"{path} does not exist; {HOW_TO_GET_ONE}")
    if not folder:
        raise InputError(f"{path} is not a checkpoint folder; {HOW_TO_GET_ONE}")
    if is_checkpoint(path):
        return path
    for run in (path, path / "stage2", path / "stage1"):
        if found := steps(run / RUN_FOLDER):
            logger.info("taking %s", found[max(found)])
            return found[max(found)]
    raise InputError(f"{path} is not a checkpoint of this project; {HOW_TO_GET_ONE}")


def steps(folder: Path) -> dict[int, Path]:
    """The complete checkpoints of a training run, by step.

    Raises:
        InputError: the folder cannot be read.
    """
    with _readable(folder):
        if not folder.is_dir():
            return {}
        found = {int(p.name): p for p in folder.iterdir() if p.name.isdecimal() and p.is_dir()}
    return {step: found[step] for step in sorted(found)}


def load(path: str | Path, kind: type[Coding]) -> tuple[Coding, Any, dict[str, Any]]:
    """Reads a checkpoint and checks it.

    Args:
        path: its folder, or that of a run (:func:`find`).
        kind: the expected network, such as :class:`~fnet_jax.networks.fnet.FNet`.

    Returns:
        ``(network, params, meta)``: the network with its settings, its parameters as float32 NumPy
        arrays, and the metadata that :func:`save` recorded.

    Raises:
        DamagedError: the checkpoint is not as it was written.
        InputError: there is no checkpoint, it is of another network, its arrays do not fit the
            network or are not finite, or it cannot be read.
    """
    path = find(Path(path).absolute())
    check_devices()  # Orbax needs them, and its own error says less
    check_files(path)
    network, meta = _described(path, kind)
    with storage.explained(f"{path} cannot be read", _sound(meta)):
        check_fit(f"{path} does not fit its network", network, storage.shapes(path, "params"))
        params = storage.read(path, "params")
    check_arrays(path, params, meta["checksums"])
    check_finite(f"the weights in {path} cannot be used", params)
    return network, jax.tree.map(lambda x: np.asarray(x, np.float32), params), meta


def _described(path: Path, kind: type[Coding]) -> tuple[Coding, dict[str, Any]]:
    """The network that a checkpoint's ``meta`` describes, and the whole ``meta``."""
    try:
        meta = storage.describe(path)
        if meta["format"] > FORMAT:
            raise InputError(f"{path} was written by a newer fnet_jax; update this one")
        for name in ("settings", "checksums", "source", "versions"):
            if not isinstance(meta[name], Mapping):
                raise TypeError(f"{name} is not a JSON object")
        if meta["network"] != kind.__name__:
            raise InputError(
                f"{path} holds {meta['network']}, not {kind.__name__}; use another checkpoint"
            )
        return kind.of(meta["settings"]), meta
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be read ({reason(error)}); try again") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        wrong = f"it lacks {error}" if isinstance(error, KeyError) else first_line(error)
        raise InputError(
            f"the network description in {path} cannot be used ({wrong}); {HOW_TO_GET_ONE}"
        ) from error


def _sound(meta: Mapping[str, Any]) -> str:
    """The remedy for a checkpoint whose files are as they were written."""
    versions = ", ".join(f"{name} {version}" for name, version in meta["versions"].items())
    return f"its files are intact: check memory and versions (it was written with {versions})"


def check_fit(where: str, network: Unrolled, params: Any) -> None:
    """Raises InputError, naming the array and both shapes, if parameters do not fit a network.

    ``where`` starts the message; ``network`` may be a block, and ``params`` shapes and types.
    """
    found = named_arrays(params)
    if isinstance(network, Network):
        expected = named_arrays(network.shapes())
    elif isinstance(network, Coder):
        expected = named_arrays(network.shapes(network.channels(found)))
    else:
        raise TypeError(f"{type(network).__name__} has no parameters")
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise InputError(f"{where}: {name} of shape {expected[name].shape} is missing")
        if name not in expected:
            raise InputError(
                f"{where}: it has {name} of shape {_shape(found[name])}, the network does not"
            )
        if _shape(found[name]) != expected[name].shape:
            raise InputError(
                f"{where}: {name} has shape {_shape(found[name])}, the network needs "
                f"{expected[name].shape}"
            )
        if not jnp.issubdtype(found[name].dtype, jnp.floating):
            raise InputError(f"{where}: {name} is {found[name].dtype}, not floating point")


def _shape(array: Any) -> tuple[int, ...] | None:
    """The shape, or None if it has none."""
    shape = getattr(array, "shape", None)
    return None if shape is None else tuple(shape)


def check_finite(where: str, params: Any) -> None:
    """Raises InputError, naming the first such array, if a parameter is NaN or infinite."""
    for name, array in named_arrays(params).items():
        if not np.isfinite(np.asarray(array, np.float32)).all():
            raise InputError(f"{where}: {name} contains NaN or infinity")
