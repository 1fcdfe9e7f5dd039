"""Runs the project's commands as a user does, from another folder."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run(module, *arguments, cwd, environment=None):
    """Runs ``python -m module``; returns the finished process with its output as text."""
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def flags(common, *more):
    """The flags of a call: those in common, but for those that the call gives in another way."""
    given = {str(word).partition("=")[0] for word in more}
    kept, keep = [], True
    for word in common:
        if word.startswith("--"):
            keep = word.partition("=")[0] not in given
        kept += [word] if keep else []
    return [*kept, *map(str, more)]


TINY = [  # flags of a training run whose step takes milliseconds
    *("--batch", "2", "--crop", "16", "--validation", "2", "--log-every", "1"),
    *("--features", "2", "--iterations", "1", "--kernel-size", "3", "--data", "synthetic"),
]
