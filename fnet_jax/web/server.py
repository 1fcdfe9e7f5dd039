"""Serves the page: a socket on this machine, an address with a token, and a private folder."""

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn

from fnet_jax.artifacts.drafts import remove_scratch, scratch
from fnet_jax.errors import InputError, reason
from fnet_jax.web import LOOPBACK
from fnet_jax.web.app import Limits, Site
from fnet_jax.web.guard import Guard

PREFIX = "fnet-web-"
MOST = 64  # requests at a time
EVERY = ("0.0.0.0", "::")  # interface


class Server(uvicorn.Server):
    """A server that leaves Ctrl-C and SIGTERM to the command, which they end at once."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Installs no handlers."""
        yield


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens on a port, or on any free one if that is taken.

    Raises:
        InputError: the host is none of this machine.
    """
    try:
        family, _, _, _, (address, *_) = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise InputError(f"--host {host}: {reason(error)}; use 127.0.0.1") from error
    for wanted in (port, 0):
        found = socket.socket(family, socket.SOCK_STREAM)
        if os.name == "posix":  # elsewhere, it would share the port with another program
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((address, wanted))
            found.listen()
        except OSError as error:
            found.close()
            if wanted == 0:
                raise InputError(f"--host {host}: {reason(error)}; use 127.0.0.1") from error
        else:
            return found
    raise AssertionError  # the loop ends by returning or raising


def addresses(host: str, port: int) -> list[str]:
    """The ``host:port`` by which the page may be opened; the first is printed."""
    names = [f"[{host}]" if ":" in host else host]
    if host in EVERY:
        names = [*_own_addresses(), socket.gethostname().lower()]
    if host in (*LOOPBACK, *EVERY):
        names += [name for name in ("127.0.0.1", "localhost", "[::1]") if name not in names]
    return [f"{name}:{port}" for name in names]


def _own_addresses() -> list[str]:
    """The address by which other machines reach this one, if there is one."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # chooses an interface; nothing is sent
        return [probe.getsockname()[0]]
    return []


def serve(
    host: str, port: int, *, limits: Limits, size: str, opened: Callable[[str], object]
) -> None:
    """Serves until the process is asked to stop.

    Args:
        host: name or address of an interface.
        port: to listen on; another one is taken if it is in use.
        limits: what is accepted.
        size: of the network at first.
        opened: called with the address, once it is served.

    Raises:
        InputError: nothing can be served there.
    """
    remove_scratch(PREFIX)
    with listening(host, port) as listener, scratch(prefix=PREFIX) as folder:
        server, address = prepared(host, listener, folder, limits=limits, size=size)
        opened(address)
        server.run(sockets=[listener])


def prepared(
    host: str, listener: socket.socket, folder: Path, *, limits: Limits, size: str
) -> tuple[Server, str]:
    """The server for a socket and a private folder, and the address of its page."""
    hosts = addresses(host, listener.getsockname()[1])
    token = secrets.token_urlsafe(24)
    site = Site(folder, limits=limits, size=size)
    guarded = Guard(site.application(), token=token, hosts=hosts, largest=limits.bytes, most=MOST)
    config = uvicorn.Config(
        guarded,
        loop="asyncio",  # the same whatever else is installed
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=2,
        limit_concurrency=4 * MOST,
        h11_max_incomplete_event_size=64 * 1024,
    )
    return Server(config), f"http://{hosts[0]}/{token}/"
