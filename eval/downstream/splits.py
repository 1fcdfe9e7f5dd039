"""Which scenes train and which test: files with a checksum, and what leaks between the two."""

import hashlib
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Split:
    """Names of the scenes that train and of those that test.

    Attributes:
        name: such as ``"official"`` or ``"drives"``.
        train: names, sorted.
        test: names, sorted; none of ``train``.
    """

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Checksum of the names in both parts; 64 hexadecimal digits."""
        names = json.dumps([sorted(self.train), sorted(self.test)])
        return hashlib.sha256(names.encode()).hexdigest()
