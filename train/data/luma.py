"""The training luma, and the pairs of a set as one-channel images for training."""

import operator
from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np

from fnet_jax.images.color import LIMITED, LIMITED_OFFSET

CACHE_BYTES = 2**31  # of decoded images, in all reading processes together


def limited_luma(rgb: np.ndarray) -> np.ndarray:
    """The training luma: limited-range BT.601, 16 + 65.481 R + 128.553 G + 24.966 B for R … in 0…1.

    Turns uint8 (H, W, 3) into uint8 (H, W) with values in 16…235.
    """
    return np.rint(rgb @ (LIMITED[0] / 255) + LIMITED_OFFSET[0]).astype(np.uint8)


class LumaPairs(Sequence[dict[str, Any]]):
    """Some pairs of a set as one-channel images, cached in memory as far as there is room."""

    def __init__(self, pairs: Sequence[Any], indices: Sequence[int], *, readers: int = 1) -> None:
        """Selects pairs by ``indices``; ``readers`` is the number of processes that cache images.

        ``pairs`` has ``I1``, uint8 (H, W, 3), ``I2``, uint8 (H, W, 1), and ``name``.
        """
        self._pairs, self._indices = pairs, list(indices)
        self._budget = self._room = CACHE_BYTES // readers
        self._kept: dict[int, dict[str, Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": {}, "_room": self._budget}

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:  # type: ignore[override]
        i = range(len(self))[operator.index(index)]
        if i in self._kept:
            return self._kept[i]
        pair = self._pairs[self._indices[i]]
        found = {
            "I1": limited_luma(pair["I1"]),
            "I2": pair["I2"][..., 0],
            "name": pair["name"],
        }
        size = found["I1"].nbytes + found["I2"].nbytes
        if size <= self._room:
            self._room -= size
            self._kept[i] = found
        return found
