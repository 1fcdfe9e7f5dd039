"""Checkpoints of networks: saved, found and loaded.

A checkpoint is a folder with two Orbax items, ``params`` (the parameters, as linen nests them) and
``meta`` (JSON: the network's name and settings, a SHA-256 of each array, where the weights come
from, versions), and a list of its files' checksums. Those of training runs
(:mod:`train.run.saving`) have more items.
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
RUN_FOLDER = "checkpoints"  # of a stage of training, with a checkpoint per step that was saved
SHIPPED = Path(__file__).with_name("pretrained")  # weights of this project, a folder for each size
HOW_TO_GET_ONE = (
    "leave --ckpt out to use the shipped weights, or make one with python -m "
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
    """Writes a checkpoint, whole or not at all, and reads it back before it counts.

    Args:
        path: the folder to make; an empty one may exist.
        network: the network, for its name and settings.
        params: its parameters, ``{"params": …}``; they are kept as float32.
        source: where the weights come from, JSON values by name.
        overwrite: replace a checkpoint that exists (never another kind of folder).

    Raises:
        InputError: something else is at ``path``, the parameters are not finite or not those of
            the network, or the checkpoint cannot be written.
    """
    path = Path(path).absolute()
    params = jax.tree.map(lambda x: np.asarray(x, np.float32), params)
    description = describe(network, params, source=source)
    check_fit(f"{path}: cannot be written", network, params)
    check_place(path, overwrite=overwrite)
    remedy = "check space and permissions there"
    with storage.explained(f"{path}: cannot be written", remedy):
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
    """What the item ``meta`` of a checkpoint says of a network, as JSON values.

    Args:
        network: the network, for its name and settings.
        params: its parameters, ``{"params": …}``.
        source: where the weights come from, JSON values by name.

    Raises:
        InputError: a parameter is NaN or infinite.
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
        raise InputError(f"{path}: permission denied; check its permissions") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be used ({reason(error)}); use another path") from error


def shipped(size: str | None = None) -> Path:
    """The checkpoint of the shipped weights of a size, by its name; None is the paper's.

    Raises:
        InputError: there is no such size.
    """
    size = BASE if size is None else size
    if size not in SIZES:
        raise InputError(f"size {size!r} is unknown; use {listed(SIZES)}")
    return SHIPPED / size


def find(path: Path) -> Path:
    """The checkpoint that a folder is, or the newest of the training run that it holds.

    Args:
        path: a checkpoint, the folder of a stage of training (``runs/stage2``), or a workdir, of
            which the last stage counts that has a checkpoint.

    Raises:
        InputError: there is none, or the folder cannot be read.
    """
    with _readable(path):
        there, folder = os.path.lexists(path), path.is_dir()
    if not there:
        raise InputError(f"{path}: does not exist; {HOW_TO_GET_ONE}")
    if not folder:
        raise InputError(f"{path}: a checkpoint is a folder; {HOW_TO_GET_ONE}")
    if is_checkpoint(path):
        return path
    for run in (path, path / "stage2", path / "stage1"):
        if found := steps(run / RUN_FOLDER):
            logger.info("taking %s", found[max(found)])
            return found[max(found)]
    raise InputError(f"{path}: no checkpoint of this project; {HOW_TO_GET_ONE}")


def steps(folder: Path) -> dict[int, Path]:
    """The checkpoints of a training run by their step, those whose saving was not cut short.

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
        path: the folder, or a run's (:func:`find`).
        kind: the network that is wanted, such as :class:`~fnet_jax.networks.fnet.FNet`.

    Returns:
        ``(network, params, meta)``: the network with its settings, its parameters as NumPy arrays
        in float32, and what :func:`save` recorded.

    Raises:
        DamagedError: the checkpoint is not what was written.
        InputError: there is no checkpoint, it is of another network, its arrays do not fit the
            network or are not finite, or it cannot be read, for the reason that is given.
    """
    path = find(Path(path).absolute())
    check_devices()  # Orbax needs them, and says less where they are missing
    check_files(path)
    network, meta = _described(path, kind)
    with storage.explained(f"{path}: cannot be read", _sound(meta)):
        check_fit(f"{path}: does not fit its network", network, storage.shapes(path, "params"))
        params = storage.read(path, "params")
    check_arrays(path, params, meta["checksums"])
    check_finite(f"{path}: its weights cannot be used", params)
    return network, jax.tree.map(lambda x: np.asarray(x, np.float32), params), meta


def _described(path: Path, kind: type[Coding]) -> tuple[Coding, dict[str, Any]]:
    """The network that a checkpoint's ``meta`` describes, and all that is in it."""
    try:
        meta = storage.describe(path)
        if meta["format"] > FORMAT:
            raise InputError(f"{path}: a newer version of fnet_jax wrote it; update this one")
        for name in ("settings", "checksums", "source", "versions"):
            if not isinstance(meta[name], Mapping):
                raise TypeError(f"{name} is not a JSON object")
        if meta["network"] != kind.__name__:
            raise InputError(
                f"{path}: holds {meta['network']}, not {kind.__name__}; use another checkpoint"
            )
        return kind.of(meta["settings"]), meta
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}); try again") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        wrong = f"it lacks {error}" if isinstance(error, KeyError) else first_line(error)
        raise InputError(
            f"{path}: its description of the network cannot be used ({wrong}); {HOW_TO_GET_ONE}"
        ) from error


def _sound(meta: Mapping[str, Any]) -> str:
    """What to do about a checkpoint whose files are as they were written."""
    versions = ", ".join(f"{name} {version}" for name, version in meta["versions"].items())
    return f"its files are sound: check the memory and the versions (it was written by {versions})"


def check_fit(where: str, network: Unrolled, params: Any) -> None:
    """Raises InputError, naming the array and both shapes, unless a network has such parameters.

    Args:
        where: begins the message.
        network: a network, or a block for images of any number of channels.
        params: arrays, or their shapes and types.
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
                f"{where}: it has {name} of shape {_shape(found[name])}, which the network lacks"
            )
        if _shape(found[name]) != expected[name].shape:
            raise InputError(
                f"{where}: {name} has shape {_shape(found[name])}, the network needs "
                f"{expected[name].shape}"
            )
        if not jnp.issubdtype(found[name].dtype, jnp.floating):
            raise InputError(f"{where}: {name} is {found[name].dtype}, not floating point")


def _shape(array: Any) -> tuple[int, ...] | None:
    """The shape of what may be no array; then None."""
    shape = getattr(array, "shape", None)
    return None if shape is None else tuple(shape)


def check_finite(where: str, params: Any) -> None:
    """Raises InputError, naming the first such array, if a parameter is NaN or infinite."""
    for name, array in named_arrays(params).items():
        if not np.isfinite(np.asarray(array, np.float32)).all():
            raise InputError(f"{where}: {name} holds NaN or infinity")
