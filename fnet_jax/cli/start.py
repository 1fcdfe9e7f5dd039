"""The first step of a command: blocks Ctrl-C until its handler is installed.

Even the imports of :mod:`fnet_jax.cli.program` take long enough to be interrupted with a traceback,
so this module imports only what Python itself has already imported.
"""

TYPE_CHECKING = False  # as in typing, which is slow to import
if TYPE_CHECKING:
    from typing import Any, NoReturn


def run(module: str, **options: "Any") -> "NoReturn":
    """As :func:`fnet_jax.cli.program.run`, but safe from the first instruction on."""
    import _signal  # the core of signal, which also imports enum

    if hasattr(_signal, "pthread_sigmask"):  # not on Windows
        _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})
    from fnet_jax.cli import program

    program.run(module, **options)
