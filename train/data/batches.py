"""Batches of random crops of image pairs; element i of a run depends only on (seed, i)."""

import operator
import signal
from collections.abc import Sequence
from typing import Any, SupportsIndex

import grain
import numpy as np

from fnet_jax.images.color import to_unit

LARGEST_GAIN = 4.0  # a larger gain leaves little but noise in a crop


class Augment(grain.transforms.RandomMap):
    """A random crop in [0, 1] with random flips, contrast and likeness."""

    def __init__(self, crop: int, *, contrast: float = 0.0, alike: float = 0.0) -> None:
        """Crops of ``crop``×``crop`` pixels.

        ``contrast`` is the share of images for :func:`with_contrast`, each independent of its
        partner; ``alike`` the share of pairs for :func:`made_alike`.
        """
        self._crop = crop
        self._contrast = contrast
        self._alike = alike

    def random_map(self, element: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """The same crop and flips of both images, then contrast of each independently, likeness."""
        height, width = element["I1"].shape
        y, x = rng.integers(height - self._crop + 1), rng.integers(width - self._crop + 1)
        turn = tuple(slice(None, None, int(step)) for step in rng.choice((1, -1), 2))
        images = {
            name: unit(element[name][y : y + self._crop, x : x + self._crop][turn])
            for name in ("I1", "I2")
        }
        if self._contrast:
            for name, image in images.items():
                if rng.random() < self._contrast:
                    images[name] = with_contrast(image, *rng.random(2))
        if self._alike and rng.random() < self._alike:
            which, share = rng.random(2)
            images = made_alike(images, "I1" if which < 0.5 else "I2", share)
        return {"index": element["index"]} | images


def with_contrast(image: np.ndarray, darker: float, brighter: float) -> np.ndarray:
    """An image with part of its pixels black and part white.

    The training luma has neither (16…235 of 255), but half of a medical scan is black. A network
    learns here what to do with such areas and their borders.

    Args:
        image: float32, values in [0, 1].
        darker: in [0, 1]; the darkest ``darker / 2`` of the pixels become 0.
        brighter: in [0, 1]; the brightest ``brighter / 2`` become 1.

    Returns:
        The same shape, float32 in [0, 1]. No difference grows by more than ``LARGEST_GAIN``, so
        fewer pixels become 1 in images of little contrast.
    """
    black, white = np.quantile(image, (darker / 2, 1 - brighter / 2))
    white = max(white, black + 1 / LARGEST_GAIN)
    return np.clip((image - black) / (white - black), 0, 1).astype(np.float32)


def made_alike(images: dict[str, np.ndarray], changed: str, share: float) -> dict[str, np.ndarray]:
    """A pair in which one image has become more like the other.

    Streets are hardly ever bright in visible and infrared light at once, as bone and tissue are in
    two scans. A network learns here what to do with such areas.

    Args:
        images: ``I1`` and ``I2``, float32 (H, W, 1) in [0, 1].
        changed: name of the image that becomes more like the other.
        share: share of the other image in the mixture, in [0, 1].

    Returns:
        The pair with that image replaced, of the same shape and range.
    """
    kept = "I2" if changed == "I1" else "I1"
    mixture = (1 - share) * images[changed] + share * images[kept]
    return images | {changed: mixture.astype(np.float32)}


def unit(image: np.ndarray) -> np.ndarray:
    """A uint8 image (H, W) as float32 (H, W, 1) in [0, 1]."""
    return to_unit(image)[..., None]


class _Numbered(Sequence[dict[str, Any]]):
    """Pairs with their index in place of their name, which does not fit into an array."""

    def __init__(self, pairs: Sequence[dict[str, Any]]) -> None:
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:  # type: ignore[override]
        pair = self._pairs[operator.index(index)]
        return {"I1": pair["I1"], "I2": pair["I2"], "index": np.int64(index)}


def batches(
    pairs: Sequence[dict[str, Any]],
    *,
    batch: int,
    crop: int,
    seed: int,
    contrast: float = 0.0,
    alike: float = 0.0,
    start: int = 0,
    process: int = 0,
    processes: int = 1,
    workers: int = 0,
) -> grain.DatasetIterator:
    """An endless iterator over batches, whose state can be saved with a checkpoint.

    Batch t does not depend on the number of processes and workers: together, the processes get
    elements t·batch … (t + 1)·batch − 1 of one endless, repeatedly shuffled sequence.

    Args:
        pairs: pairs of a :class:`TrainingData`.
        batch: number of pairs over all processes, divisible by their number.
        crop: side of the crops in pixels.
        seed: seed of order, crops, flips, contrast and likeness.
        contrast: share of the images that get more contrast, in [0, 1].
        alike: share of the pairs that become alike, in [0, 1].
        start: number of the first batch.
        process: number of this process.
        processes: number of processes.
        workers: number of processes that read for this one; 0 reads in threads.

    Returns:
        Iterator of dicts: ``I1``, ``I2``, float32 (batch / processes, crop, crop, 1) in [0, 1], and
        ``index``, int64 (batch / processes,), the indices of the pairs.
    """
    data = grain.MapDataset.source(_Numbered(pairs)).seed(seed).shuffle().repeat(None)
    # Before the batches are divided, so that it depends on the index in the whole sequence.
    data = data.random_map(Augment(crop, contrast=contrast, alike=alike))
    data = data[process::processes]
    data = data.batch(batch // processes, drop_remainder=True)[start:]
    options = grain.ReadOptions(num_threads=4, prefetch_buffer_size=8)
    iterable = data.to_iter_dataset(options)
    if workers:
        _parse_flags()
        iterable = iterable.mp_prefetch(
            grain.multiprocessing.MultiprocessingOptions(num_workers=workers),
            worker_init_fn=_leave_stopping_to_the_run,
        )
    return iter(iterable)


def _leave_stopping_to_the_run(worker: int, workers: int) -> None:
    """Makes a worker process ignore Ctrl-C, which all processes of a terminal get."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _parse_flags() -> None:
    """Parses absl's flags, which grain's worker processes require and nobody here uses."""
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
