"""Transform files: readable JSON for a rig or for single pairs.

::

    {"format": "fnet-registration 1", "rig": {"matrix": [[…], […], [0, 0, 1]], "size1": [H, W], …},
     "pairs": [{"name": …, "i1": …, "i2": …, …}], "versions": {…}}

A file of single pairs has ``"rig": null``, and a transform in each of its pairs.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fnet_jax.artifacts import provenance
from fnet_jax.artifacts.files import read_text
from fnet_jax.errors import InputError, first_line, reason
from fnet_jax.registration.estimation import Registration
from fnet_jax.registration.resampling import as_matrix
from fnet_jax.registration.transforms import Size

FORMAT = "fnet-registration 1"


@dataclass(frozen=True)
class Transforms:
    """The contents of a transform file.

    Attributes:
        rig: the transform of all pairs; None if each pair has its own.
        pairs: the transforms of single pairs, by name.
        path: the file, for messages.
    """

    rig: Registration | None
    pairs: Mapping[str, Registration] = field(default_factory=dict)
    path: Path = Path()

    def of(self, name: str, size1: Size, size2: Size) -> Registration:
        """The transform of a pair.

        Raises:
            InputError: there is none, it was refused, or it is for images of other sizes.
        """
        found = self.rig or self.pairs.get(name)
        if found is None:
            raise InputError(f"{self.path} contains no transform of {name}; register that pair")
        if not found.accepted:
            raise InputError(f"{self.path}: the transform of {name} was refused ({found.reason})")
        for which, expected, given in (
            ("I1", found.size1, size1),
            ("I2", found.size2, size2),
        ):
            if expected != given:
                raise InputError(
                    f"{self.path}: the transform is for {which} of {expected[1]}×{expected[0]} "
                    f"pixels, but that of {name} has {given[1]}×{given[0]}; use images of the "
                    f"registered size"
                )
        return found


def as_text(rig: Registration | None, pairs: Iterable[Mapping[str, Any]]) -> str:
    """The text of a transform file; ``rig`` is None if each pair has its own transform.

    ``pairs`` are JSON values about each pair: ``name``, ``i1``, ``i2`` and others; they may include
    a :class:`~fnet_jax.registration.Registration`.
    """
    content = {
        "format": FORMAT,
        "rig": rig and as_json(rig),
        "pairs": [
            {
                key: value
                for name, given in pair.items()
                for key, value in (
                    as_json(given) if isinstance(given, Registration) else {name: given}
                ).items()
            }
            for pair in pairs
        ],
        "versions": provenance.versions("numpy", "scipy", "pillow"),
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def as_json(registration: Registration) -> dict[str, Any]:
    """JSON values of a transform."""
    error = registration.expected_error
    return {
        "matrix": registration.matrix.tolist(),
        "size1": list(registration.size1),
        "size2": list(registration.size2),
        "model": registration.model,
        "accepted": registration.accepted,
        "expected_error": error if math.isfinite(error) else None,
        "evidence": registration.evidence,
        "reason": registration.reason,
    }


def read(path: Path) -> Transforms:
    """Reads a transform file.

    Raises:
        InputError: it cannot be read, or is not a transform file.
    """
    try:
        content = json.loads(read_text(path))
    except OSError as error:
        raise InputError(f"{path}: {reason(error)}; use a file of fnet register") from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: not JSON ({first_line(error)}); use a file of fnet register"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: not a transform file; use a file of fnet register")
    try:
        rig = content["rig"]
        if rig is not None:
            return Transforms(_registration(rig), path=path)
        pairs = {str(each["name"]): _registration(each) for each in content["pairs"]}
        if len(pairs) < len(content["pairs"]):
            raise ValueError("two pairs have the same name")
        return Transforms(None, pairs, path)
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise InputError(
            f"{path}: damaged ({first_line(error)}); register the pairs again"
        ) from error


def _registration(content: Mapping[str, Any]) -> Registration:
    error = content["expected_error"]
    (h1, w1), (h2, w2) = content["size1"], content["size2"]
    return Registration(
        as_matrix(np.array(content["matrix"], np.float64)),
        content["accepted"] is True,
        math.inf if error is None else float(error),
        float(content["evidence"]),
        str(content["model"]),
        str(content["reason"]),
        (int(h1), int(w1)),
        (int(h2), int(w2)),
    )
