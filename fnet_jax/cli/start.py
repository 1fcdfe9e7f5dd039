"""The first thing that a command does: it holds Ctrl-C back until there is a handler.

Even what :mod:`fnet_jax.cli.program` imports takes long enough to be interrupted with a traceback,
so this module imports nothing that Python has not imported itself.
"""

TYPE_CHECKING = False  # that of typing, which is slow to import
if TYPE_CHECKING:
    from typing import Any, NoReturn


def run(module: str, **options: "Any") -> "NoReturn":
    """As :func:`fnet_jax.cli.program.run`, from the first instruction on."""
    import _signal  # of which Python makes signal, with an import of enum

    if hasattr(_signal, "pthread_sigmask"):  # not on Windows
        _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})
    from fnet_jax.cli import program

    program.run(module, **options)
