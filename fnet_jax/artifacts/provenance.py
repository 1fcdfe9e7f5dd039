"""Provenance of a report's numbers: versions, checksums of the inputs, and the date."""

import datetime
import hashlib
import json
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fnet_jax.artifacts.files import sha256
from fnet_jax.version import __version__

SCORING = ("numpy", "scipy", "scikit-image", "pillow")
NETWORK = ("jax", "jaxlib", "flax")


def versions(*packages: str) -> dict[str, str]:
    """Versions of this library, Python and ``packages``, by name."""
    found = {"fnet-jax": __version__, "Python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def fingerprint(files: Iterable[tuple[str, Path]]) -> str:
    """SHA-256 over the names and contents of files in any order; 64 hexadecimal digits.

    A file that cannot be read counts as unreadable. Names need not be those of the files.
    """
    return fingerprint_of({name: _checksum(path) for name, path in files})


def fingerprint_of(checksums: dict[str, str]) -> str:
    """As :func:`fingerprint`, from checksums by name."""
    return hashlib.sha256(json.dumps(sorted(checksums.items())).encode()).hexdigest()


def _checksum(path: Path) -> str:
    try:
        return sha256(path)
    except OSError:
        return "unreadable"


def today() -> str:
    """The date in UTC, such as 2026-01-31."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()
