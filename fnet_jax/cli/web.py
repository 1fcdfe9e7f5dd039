"""``fnet web``: a local page for fusing, with live edits."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fnet_jax.cli.console import finish, say, warn
from fnet_jax.cli.flags import WORD, choice, parse, whole
from fnet_jax.errors import InputError
from fnet_jax.networks.sizes import SIZES
from fnet_jax.web import LOOPBACK, SIZE

DESCRIPTION = """\
Open a page in the browser to fuse images, with live edits of the features,
registration, temperatures and folders. The page is served by this machine, and
nothing leaves it. The files that you drop are kept in a private temporary
folder until you stop the command with Ctrl-C.
"""

EXAMPLES = """\
examples:
  {prog}
  {prog} --size base --no-open
  {prog} --port 9000

exit status: 1 if the page could not be served, 2 if an option is wrong, 130
after Ctrl-C
"""


@dataclass(frozen=True, kw_only=True)
class WebConfig:
    """Configuration of the command; each field is a flag."""

    # Port to listen on; if it is in use, any free port.
    port: Annotated[int, whole(0, 65535)] = 8765
    # Name or address of the interface to serve on. With any other than the default, anyone who can
    # reach this machine and has the address can use the page. The connection is not encrypted.
    host: Annotated[str, WORD] = "127.0.0.1"
    # Network to start with. The page can change it.
    size: Annotated[str, choice(tuple(SIZES), "SIZE")] = SIZE
    # Do not open the page in the browser.
    no_open: bool = False
    # Refuse images with more pixels than this.
    max_pixels: Annotated[int, whole(1, 2**40)] = 50_000_000
    # Refuse files larger than this, in MiB.
    max_megabytes: Annotated[int, whole(1, 2**20)] = 256


def main(argv: Sequence[str] | None = None, *, prog: str = "fnet web") -> int:
    """Runs the command; returns its exit status."""
    config = parse(WebConfig, argv, prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    return finish(lambda: run(config), stopped="the page is closed")


def run(config: WebConfig) -> int:
    """Serves the page until the command is stopped.

    Raises:
        InputError: it cannot be served.
    """
    for package in ("starlette", "uvicorn"):
        if importlib.util.find_spec(package) is None:
            raise InputError(f"{package} is not installed; run pip install 'fnet-jax[web]'")
    from fnet_jax.runtime.compilation import keep_programs
    from fnet_jax.web.app import Limits
    from fnet_jax.web.server import serve

    if config.host not in LOOPBACK:
        warn(f"--host {config.host}: other machines can reach this page; it is not encrypted")
    keep_programs()

    def opened(address: str) -> None:
        say(f"{address}\n(press Ctrl-C to stop)")
        if not config.no_open:
            import webbrowser

            webbrowser.open(address)

    limits = Limits(bytes=config.max_megabytes * 2**20, pixels=config.max_pixels)
    serve(config.host, config.port, limits=limits, size=config.size, opened=opened)
    return 0
