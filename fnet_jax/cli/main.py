"""``fnet``: all commands of the package."""

import sys

from fnet_jax.version import __version__

TYPE_CHECKING = False  # as in typing, which is slow to import
if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "fuse": ("fnet_jax.cli.fuse", "fuse image pairs; start here"),
    "web": ("fnet_jax.cli.web", "fuse in the browser, with live edits"),
    "register": ("fnet_jax.cli.register", "find the alignment of two cameras or scans"),
    "check": ("fnet_jax.cli.check", "find problems in pairs of images"),
    "score": ("fnet_jax.cli.score", "measure fused images and compare methods"),
    "explain": ("fnet_jax.cli.explain", "see what the network finds in a pair, and edit it"),
    "benchmark": (
        "fnet_jax.cli.benchmark",
        "compute the paper's Table I, or verify a report of it",
    ),
    "import-official": (
        "fnet_jax.cli.import_official",
        "use the weights that the paper's authors published",
    ),
}
"""By name: the module whose ``main(argv, prog=…)`` is the command, and a summary."""

HUGE_PAGES = {"fuse", "web", "explain", "benchmark"}  # commands that run the network

HELP = """\
usage: fnet COMMAND [OPTIONS]
       fnet COMMAND --help

Fuse registered images of one scene (visible and infrared, CT and MRI, …) with
FNet, a network of unrolled sparse coding.

commands:
{commands}

options:
  -h, --help         show this help message and exit
  --version          show the version and exit

example:
  fnet fuse --i1 visible.png --i2 infrared.png --out fused.png
"""


def main(argv: "Sequence[str] | None" = None) -> int:
    """Runs a command; returns its exit status, or exits with it if ``argv`` is None."""
    name, *rest = list(sys.argv[1:] if argv is None else argv) or [""]
    if name in COMMANDS:
        module, _ = COMMANDS[name]
        options = {"argv": rest, "prog": f"fnet {name}"}
        if argv is None:
            from fnet_jax.cli.start import run

            run(module, huge_pages=name in HUGE_PAGES, **options)
        from importlib import import_module

        status: int = import_module(module).main(**options)
        return status
    if name in ("-h", "--help"):
        rows = "\n".join(f"  {name:<17}  {summary}" for name, (_, summary) in COMMANDS.items())
        return _show(HELP.format(commands=rows).rstrip())
    if name == "--version":
        return _show(f"fnet-jax {__version__}")
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    wrong = f"{name[:60]!r} is not a command" if name else "a command is missing"
    use = f"did you mean {near[0]}?" if near else f"use {', '.join(COMMANDS)}"
    print(f"fnet: error: {wrong}; {use} (see fnet --help)", file=sys.stderr)
    return 2


def _show(text: str) -> int:
    from fnet_jax.cli.console import show

    return show(text)
