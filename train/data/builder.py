"""Writes a set of image pairs as a TFDS data set in ``array_record`` files.

These need no TensorFlow. An example has ``I1``, uint8 (H, W, 3), ``I2``, uint8 (H, W, 1), and
``name``, a string.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from fnet_jax import images
from fnet_jax.artifacts.progress import Progress, silent
from fnet_jax.errors import InputError
from fnet_jax.images.color import is_color
from fnet_jax.images.jobs import TYPES, Rules
from fnet_jax.images.levels import to_8_bits
from fnet_jax.pairs import reading
from fnet_jax.pairs.match import Pair, check_sizes
from fnet_jax.pairs.public_sets import SETS, ImageSet
from train.data.prepared import VERSION

SHARD = 1000  # largest number of pairs in a file
PNG_LEVEL = 1  # of compression; level 6 takes three times as long and saves an eighth


@dataclass(eq=False)
class PairsConfig(tfds.core.BuilderConfig):
    """One of the sets that :class:`ImagePairs` builds.

    Attributes:
        about: the layouts, home and size of the set.
    """

    about: ImageSet = SETS["own"]

    @property
    def title(self) -> str:
        """The published name of the set."""
        return self.about.title

    @property
    def home(self) -> str:
        """Address of the set's public home; empty for a user's own images."""
        return self.about.home


DATASETS: dict[str, PairsConfig] = {
    name: PairsConfig(name=name, description=about.title, about=about)
    for name, about in SETS.items()
}


class _LocalInfo(tfds.core.DatasetInfo):
    """TFDS's description of a set, without network access."""

    def initialize_from_bucket(self) -> None:
        pass


class ImagePairs(tfds.core.GeneratorBasedBuilder):
    """Builds the sets of :data:`DATASETS` from pairs of image files."""

    VERSION = tfds.core.Version(VERSION)
    BUILDER_CONFIGS: ClassVar[list[PairsConfig]] = list(DATASETS.values())

    def __init__(
        self,
        *,
        pairs: Mapping[str, Mapping[str, Pair]] | None = None,
        metadata: Mapping[str, Any] | None = None,
        rules: Rules = TYPES,
        progress: Progress = silent,
        **arguments: Any,
    ) -> None:
        """Sets up the builder of the set.

        ``pairs`` are files by split and name, ``metadata`` JSON values to store with them, and
        ``arguments`` are for TFDS, ``config`` and ``data_dir`` among them.
        """
        self._pairs, self._metadata, self._progress = pairs or {}, metadata or {}, progress
        self._rules = rules
        super().__init__(file_format="array_record", **arguments)

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "I1": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
            "I2": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),
            "name": tfds.features.Text(),
        }
        return _LocalInfo(
            builder=self,
            description=self.builder_config.description,
            homepage=self.builder_config.home or None,
            features=tfds.features.FeaturesDict(features),
            metadata=tfds.core.MetadataDict(self._metadata),
            disable_shuffling=True,  # training shuffles; a set sorted by name is easier to inspect
        )

    def write(self) -> None:
        """Writes the set pair by pair into its folder, which must not exist.

        TFDS's ``download_and_prepare`` collects each split in memory first, and splits of more than
        1 GB on disk, which needs TensorFlow.
        """
        self.data_path.mkdir(parents=True)
        writer = tfds.core.SequentialWriter(
            self.info, max_examples_per_shard=SHARD, file_format="array_record"
        )
        splits = self._split_generators(None)
        writer.initialize_splits(list(splits))
        for split, examples in splits.items():
            for _, example in examples:
                writer.add_examples({split: [example]})
        writer.close_all()

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, Any]]]:
        return {split: self._generate_examples(split) for split in self._pairs}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, Any]]:
        pairs = list(self._pairs[split].items())
        progress = self._progress(pairs, total=len(pairs), desc=f"writing {split}")
        for index, (name, pair) in enumerate(progress):
            i1, i2 = _read_pair(pair, self._rules)
            yield index, {"I1": _png(i1), "I2": _png(i2[..., 0]), "name": name}


def checked(pair: Pair, rules: Rules, swapped: list[Pair]) -> tuple[list[np.ndarray], list[str]]:
    """Reads a pair in the form in which it is stored: I1, uint8 (H, W, 3), and I2, uint8 (H, W, 1).

    Returns the images that could be read, and a text for each problem with the files. A pair is
    added to ``swapped`` if I2 shows color and I1 does not.
    """
    arrays: list[np.ndarray] = []
    problems: list[str] = []
    for path, grey in ((pair.i1, False), (pair.i2, True)):
        try:
            if grey and arrays and not is_color(arrays[0]):
                image, colored = reading.grey_and_color(path, rule=rules[1])
                swapped += [pair] * colored
            else:
                part = None if grey else "picture"
                image = images.read(path, part=part, grey=grey, rule=rules[grey])
            arrays.append(_eight_bits(image, channels=1 if grey else 3))
            if len(arrays) == 2:
                check_sizes(pair.i1, arrays[0].shape, pair.i2, arrays[1].shape)
        except InputError as error:
            problems.append(str(error))
    return arrays, problems


def _read_pair(pair: Pair, rules: Rules) -> list[np.ndarray]:
    arrays, problems = checked(pair, rules, [])
    if problems:
        raise InputError(problems[0])
    return arrays


def _eight_bits(image: np.ndarray, *, channels: int) -> np.ndarray:
    """An image of 8 bits, (H, W, channels)."""
    image = to_8_bits(image)
    return image if image.ndim == 3 else np.repeat(image[..., None], channels, axis=2)


def _png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=PNG_LEVEL)
    return file.getvalue()
