"""Several processes that train together: they find each other, agree, and fail together."""

import hashlib
import json
import socket
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from fnet_jax.errors import InputError, first_line, reason
from fnet_jax.runtime.devices import check_devices
from train.config import TrainConfig

START_SECONDS = 120  # all processes must be started within this time

Result = TypeVar("Result")


class PeerLost(InputError):
    """Another process of the run has ended; this one can neither continue nor exit normally."""


def join(config: TrainConfig) -> None:
    """Joins the other processes, if not yet done, and then starts JAX on its devices.

    Raises:
        InputError: the processes do not find each other, or JAX cannot use its devices.
    """
    if (config.cluster or config.coordinator) and not jax.distributed.is_initialized():
        _meet(config)
    check_devices()


def _meet(config: TrainConfig) -> None:
    if config.coordinator:
        host, _, port = config.coordinator.rpartition(":")
        try:
            socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # UnicodeError for a name that is too long
            raise InputError(
                f"--coordinator {config.coordinator} cannot be found ({reason(error)}); use the "
                f"HOST:PORT of process 0"
            ) from error
    try:
        jax.distributed.initialize(
            config.coordinator,
            config.num_processes,
            config.process_id,
            initialization_timeout=START_SECONDS,
        )
    except (RuntimeError, ValueError) as error:
        where = config.coordinator or "the cluster's environment"
        raise InputError(
            f"{where}: the processes did not find each other ({first_line(error)}); check "
            f"--coordinator, --num-processes and --process-id"
        ) from error


def is_first() -> bool:
    """Whether this is the process that writes files and prints."""
    return jax.process_index() == 0


def gather(values: Any) -> np.ndarray:
    """The values of each process, as rows."""
    if jax.process_count() == 1:
        return np.asarray(values)[None]
    return np.asarray(multihost_utils.process_allgather(np.asarray(values)))


def agreed(*wishes: bool) -> tuple[bool, ...]:
    """For each wish, whether any process has it."""
    return tuple(bool(column.any()) for column in gather(wishes).T)


def together(work: Callable[[], Result]) -> Result:
    """Does the same work in each process; if it fails in one, it fails in all.

    Raises:
        InputError: the work raised it, here or in another process.
    """
    failure, result = None, None
    try:
        result = work()
    except InputError as error:
        failure = error
    failed = np.flatnonzero(gather(failure is not None))
    if failure is not None:
        raise failure
    if failed.size:
        raise InputError(f"process {failed[0]} cannot continue; see its output")
    return result  # type: ignore[return-value]


def first_alone(work: Callable[[], Result]) -> Result | None:
    """Does work in the first process while the others wait; they get None.

    Raises:
        InputError: the work raised it in the first process.
    """
    return together(lambda: work() if is_first() else None)


def check_agreement(**records: Any) -> None:
    """Raises InputError if ``records`` (JSON values, by their name in the message) differ."""
    for name, record in records.items():
        text = json.dumps(record, sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode()).digest()
        rows = gather(np.frombuffer(digest, np.uint8))
        other = np.flatnonzero((rows != rows[0]).any(axis=1))
        if other.size:
            raise InputError(
                f"the {name} of process {other[0]} differs from that of process 0; start all "
                f"processes with the same flags and data"
            )


def shared(tree: Any) -> Any:
    """The arrays of the first process, in every process, as NumPy arrays."""
    if jax.process_count() == 1:
        return tree
    return jax.tree.map(np.asarray, multihost_utils.broadcast_one_to_all(tree))
