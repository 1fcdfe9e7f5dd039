"""A record of how the fused images of a folder were made, for resuming stopped jobs.

A line is added before each image is written. As images are written whole or not at all, an existing
image with a line is finished.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fnet_jax.pairs.match import Pair

NAME = ".fnet-jax-fused.jsonl"


class Record:
    """The record of a folder, for one job."""

    def __init__(self, folder: Path, made_by: Mapping[str, Any]) -> None:
        """Reads an existing record; damaged lines are ignored.

        ``made_by`` are JSON values that determine the images: weights and options.
        """
        self._path = folder / NAME
        self._made_by = hashlib.sha256(json.dumps(made_by, sort_keys=True).encode()).hexdigest()
        self._known: dict[str, Any] = {}
        with suppress(OSError):
            for line in self._path.read_bytes().splitlines():
                with suppress(ValueError):
                    content = json.loads(line)
                    if isinstance(content, dict):
                        self._known[str(content.get("name"))] = content

    def has(self, target: Path, pair: Pair) -> bool:
        """Whether the image exists and was made from these files by such a job."""
        return target.is_file() and self._known.get(_name(target)) == self._line(target, pair)

    def add(self, target: Path, pair: Pair) -> None:
        """Records that an image is about to be written; if this fails, it is only made again."""
        with suppress(OSError), self._path.open("ab") as file:
            file.write(json.dumps(self._line(target, pair)).encode() + b"\n")

    def _line(self, target: Path, pair: Pair) -> dict[str, Any]:
        sources = []
        for path in (pair.i1, pair.i2):
            status = path.stat()
            sources.append([status.st_size, status.st_mtime_ns])
        return {"name": _name(target), "made_by": self._made_by, "sources": sources}


def _name(target: Path) -> str:
    return target.name.encode("utf-8", "backslashreplace").decode()
