"""Storage of a checkpoint in its folder: items that Orbax writes, beside a list of checksums.

Orbax joins the files of its threads by a glob of their whole path and passes that path to a C++
library as UTF-8. In a folder such as ``run[1]`` it finds no files and leaves a checkpoint that
cannot be read, so such folders are opened and reached through their descriptor. Everything that was
written is read back before it counts.
"""

import contextlib
import functools
import json
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from fnet_jax.artifacts.drafts import draft
from fnet_jax.artifacts.files import read_text
from fnet_jax.errors import InputError, first_line, reason
from fnet_jax.weights.integrity import check_files, named_arrays, write_sums

DESCRIPTION = "meta/metadata"
WHERE = "commit_success.txt"  # Orbax writes its path there; a checkpoint may be passed on
DESCRIPTORS = Path("/proc/self/fd")
BESIDE, PER_ARRAY = 2**16, 2**11  # largest overhead in bytes, of a checkpoint and of each array
OPEN_FILES = 64  # at once, by the threads of Orbax
OS_ERROR = re.compile(r"os_error_code='(\d+)'")  # at the end of TensorStore's long messages
MISREAD = frozenset("*?[]\\")  # by glob

Tree = Any
"""Arrays nested in dicts."""


def write(
    folder: Path,
    arrays: Mapping[str, Tree],
    description: Mapping[str, Any],
    *,
    others: Mapping[str, ocp.args.CheckpointArgs] | None = None,
) -> None:
    """Writes a checkpoint into a new folder, lists its files, and reads it back.

    ``arrays`` are trees of NumPy arrays by item, ``description`` is the item ``meta``, and
    ``others`` are further items. This process writes alone; other processes need not take part.

    Raises:
        OSError: the disk is full, for example; Orbax raises other exceptions too.
        RuntimeError: what was written cannot be read.
    """
    items = {name: ocp.args.StandardSave(tree) for name, tree in arrays.items()}
    arguments = ocp.args.Composite(meta=ocp.args.JsonSave(description), **items, **(others or {}))
    alone = _alone()
    options = ocp.CompositeOptions(multiprocessing_options=alone)
    handler = ocp.CompositeCheckpointHandler(composite_options=options)
    _check_room(folder.parent, jax.tree.leaves(arrays))
    _check_descriptors()
    with (
        quiet(),
        reachable(folder.parent) as parent,
        ocp.Checkpointer(handler, multiprocessing_options=alone) as checkpointer,
    ):
        checkpointer.save(parent / folder.name, args=arguments)
    for note in folder.rglob(WHERE):
        note.unlink()
    write_sums(folder)
    _read_back(folder, arrays)


def _read_back(folder: Path, arrays: Mapping[str, Tree]) -> None:
    """Raises RuntimeError unless a checkpoint contains what was written."""
    try:
        check_files(folder)
        describe(folder)
        found = {item: read(folder, item) for item in arrays}
    except Exception as error:
        raise RuntimeError(f"the written data cannot be read: {cause(error)}") from error
    held = named_arrays({"items": found})
    for name, array in named_arrays({"items": dict(arrays)}).items():
        if name not in held or held[name].tobytes() != np.asarray(array).tobytes():
            raise RuntimeError(f"{name} differs from what was written")


def _check_room(folder: Path, arrays: list[Any]) -> None:
    """Raises OSError unless a folder has room for arrays.

    On a full disk, Orbax's threads bury the cause under tracebacks of their own.
    """
    size = BESIDE + sum(np.asarray(array).nbytes + PER_ARRAY for array in arrays)
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)


def _check_descriptors() -> None:
    """Raises OSError unless this process may open as many files as Orbax does."""
    with contextlib.ExitStack() as stack:
        for _ in range(OPEN_FILES):
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))


def check_folder(folder: Path) -> None:
    """Writes a small checkpoint into a folder, reads it back and removes it.

    Raises:
        InputError: checkpoints cannot be kept there.
    """
    with (
        explained(f"checkpoints cannot be kept in {folder}", "check space and permissions"),
        draft(folder, Path.mkdir) as trial,
    ):
        write(trial / "checkpoint", {"params": {"a": np.arange(3.0)}}, {})


def describe(checkpoint: Path) -> Any:
    """The JSON value of the item ``meta``; raises OSError, ValueError or RecursionError."""
    return json.loads(read_text(checkpoint / DESCRIPTION))


def shapes(checkpoint: Path, item: str) -> Tree:
    """Shapes and types of the arrays of an item, without reading any; leaves have both."""
    _check_descriptors()
    with quiet(), reachable(checkpoint) as path, _handler() as handler:
        return handler.metadata(path / item).tree


def read(checkpoint: Path, item: str) -> Tree:
    """The arrays of an item, as NumPy arrays in this process's memory."""
    like = jax.tree.map(
        lambda leaf: np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape), shapes(checkpoint, item)
    )
    with quiet(), reachable(checkpoint) as path, _handler() as handler:
        found = handler.restore(path / item, args=ocp.args.StandardRestore(like))
    return jax.tree.map(np.asarray, found)


def _alone() -> ocp.options.MultiprocessingOptions:
    """Options with which one process of several does not wait for the others."""
    me = jax.process_index()
    return ocp.options.MultiprocessingOptions(
        primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"process_{me}"
    )


@contextlib.contextmanager
def _handler() -> Iterator[ocp.StandardCheckpointHandler]:
    handler = ocp.StandardCheckpointHandler(multiprocessing_options=_alone())
    try:
        yield handler
    finally:
        handler.close()


@contextlib.contextmanager
def reachable(folder: Path) -> Iterator[Path]:
    """A path of a folder that Orbax does not misread.

    Raises:
        InputError: there is none on this system.
    """
    folder = folder.absolute()  # Orbax refuses relative paths
    text = str(folder)
    if MISREAD.isdisjoint(text) and text.isprintable():  # bytes that are not UTF-8 are not
        yield folder
        return
    if not DESCRIPTORS.is_dir():
        raise InputError(
            f"{folder} cannot keep checkpoints: on this system a path must not have any of "
            f"{' '.join(sorted(MISREAD))} or unprintable characters; use another path"
        )
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield DESCRIPTORS / str(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def explained(what: str, remedy: str) -> Iterator[None]:
    """Turns any failure of Orbax into an InputError of one line that states the cause."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # Orbax and TensorStore raise many kinds
        raise InputError(f"{what} ({cause(error)}); {remedy}") from error


def cause(error: BaseException) -> str:
    """The cause in one line: the system's own error message, if there is one."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.strerror:
            return reason(found)
        if code := OS_ERROR.search(str(found)):
            return os.strerror(int(code[1])).lower()
        found = found.__cause__ or found.__context__
    return first_line(error)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps Orbax and its threads from logging errors that are raised as well."""
    _ignore_late_callbacks()

    def nothing(record: logging.LogRecord) -> bool:
        return False

    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    for logger in loggers:
        logger.addFilter(nothing)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(nothing)


@functools.cache
def _ignore_late_callbacks() -> None:
    """Keeps Python, from now on, from reporting that TensorStore called a loop that Orbax closed.

    If one array cannot be read or written, Orbax does not wait for the others.
    """
    before = sys.unraisablehook

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        if unraisable.object is None and str(unraisable.exc_value) == "Event loop is closed":
            return
        before(unraisable)

    sys.unraisablehook = hook
