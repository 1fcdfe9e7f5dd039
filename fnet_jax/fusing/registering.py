"""Registration of the two images of a pair before they are fused."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from scipy import ndimage

from fnet_jax.artifacts.progress import Progress, Report, silent
from fnet_jax.errors import InputError
from fnet_jax.images import color
from fnet_jax.images.frame import MAX_PIXELS
from fnet_jax.pairs.match import Pair, named
from fnet_jax.registration import apply, covered, estimate, fit, sources
from fnet_jax.registration.estimation import Registration, prepared
from fnet_jax.registration.files import Transforms
from fnet_jax.registration.transforms import Size
from fnet_jax.registration.words import described

GRIDS = ("i1", "i2")
SEAM = 0.02  # of the longer side: width of the soft edge of the overlap
AGREE = 0.8  # fraction of the pairs that a rig must fit
FEWEST = 3  # pairs of a rig
AUTO = Path("--register auto")  # names the transform in messages if it has no file


@dataclass(frozen=True)
class Laid:
    """Both images on one grid.

    Attributes:
        i1: array (H, W) or (H, W, 3).
        i2: array (H, W).
        weight: float32 (H, W): 1 where the images overlap, 0 elsewhere, soft in between.
    """

    i1: np.ndarray
    i2: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Registering:
    """How the pairs of a job are registered.

    Attributes:
        transforms: known transforms; None to estimate each pair.
        grid: ``"i1"`` or ``"i2"``, the image whose pixel grid the fused images have.
    """

    transforms: Transforms | None = None
    grid: str = "i1"
    _found: dict[Pair, Registration] = field(default_factory=dict, repr=False)

    def size(self, size1: Size, size2: Size) -> Size:
        """Height and width of the fused image for images of these sizes."""
        return size1 if self.grid == "i1" else size2

    def of(
        self, pair: Pair, i1: np.ndarray, i2: np.ndarray, by_tags: np.ndarray | None = None
    ) -> Registration:
        """The transform of a pair.

        ``i1`` is an array (H, W) or (H, W, 3), ``i2`` an array (h, w), and ``by_tags`` the
        transform by a thermal camera's tags.

        Raises:
            InputError: there is none, or it was refused.
        """
        if self.transforms is not None:
            known = pair.name in self.transforms.pairs  # otherwise the result has another name
            name = pair.name if known else pair.i1.stem
            return self.transforms.of(name, i1.shape[:2], i2.shape[:2])
        if pair not in self._found:
            with named(pair):
                self._found[pair] = estimate(i1, i2, start=by_tags)
        found = self._found[pair]
        if not found.accepted:
            raise InputError(
                f"{pair.i1} and {pair.i2} cannot be registered: {found.reason}; use --register "
                f"with a transform file, or images that are aligned"
            )
        return found

    def lay(self, found: Registration, i1: np.ndarray, i2: np.ndarray) -> Laid:
        """Both images on the grid; where they do not overlap, one replaces the other.

        Images are uint8, uint16 or floats in [0, 1].

        Raises:
            InputError: the images do not overlap.
        """
        one, two = i1.shape[:2], i2.shape[:2]
        if self.grid == "i1":
            weight = _meeting(soft(covered(found.matrix, one, two)))
            laid = apply(i2, found.matrix, one)
            return Laid(i1, blended(laid, i1, weight), weight)
        back = np.linalg.inv(found.matrix)
        weight = _meeting(soft(covered(back, two, one)))
        return Laid(blended(apply(i1, back, two), i2, weight), i2, weight)

    def record(self) -> list:
        """JSON values that determine the fused images."""
        if self.transforms is None:
            return ["each", self.grid]
        found = self.transforms.rig
        pairs = {name: each.matrix.tolist() for name, each in self.transforms.pairs.items()}
        return [found and found.matrix.tolist(), pairs, self.grid]


def soft(there: np.ndarray) -> np.ndarray:
    """Converts a mask (H, W) to weights that fall to 0 at its edge, but not at the image's edge."""
    if there.all():
        return np.ones(there.shape, np.float32)
    width = max(2.0, SEAM * max(there.shape))
    inward = ndimage.distance_transform_edt(there)
    ramp = np.clip(inward / width, 0, 1)
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)


def _meeting(weight: np.ndarray) -> np.ndarray:
    """The weight; raises InputError if it is 0 everywhere."""
    if not weight.any():
        raise InputError("the transform puts no part of I2 onto I1; register the images again")
    return weight


def blended(image: np.ndarray, other: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Blends ``other`` into ``image``, (H, W) or (H, W, 3), where the weight (H, W) is below 1.

    The result has the type and colors of ``image``.
    """
    if (weight == 1).all():
        return image
    unit, second = color.to_unit(image), color.to_unit(other)
    if second.ndim > unit.ndim:
        second = color.grey(other)
    if second.ndim < unit.ndim:
        second = second[..., None]
    if unit.ndim == 3:
        weight = weight[..., None]
    mixed = color.from_unit(weight * unit + (1 - weight) * second, image.dtype)
    return np.where(weight == 1, image, mixed)


def automatic(
    pairs: Iterable[Pair],
    *,
    grid: str = "i1",
    max_pixels: int | None = MAX_PIXELS,
    report: Report,
    progress: Progress = silent,
) -> Registering:
    """One transform for all pairs of a job if they agree on one, else one for each.

    Unreadable pairs are skipped here and reported later. ``report`` gets a line about the choice.
    """
    each, sizes, readable, tags = Registering(None, grid), set(), [], []
    for pair in pairs:
        try:
            source = sources.load(pair, max_pixels=max_pixels)
            for name, image in (("i1", source.i1), ("i2", source.i2)):
                prepared(name, image)
        except (InputError, OSError):
            continue
        sizes.add((source.i1.shape[:2], source.i2.shape[:2]))
        readable.append(pair)
        tags.append(source.by_tags)
    if len(readable) < FEWEST or len(sizes) > 1:
        return each

    def images(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
        return sources.load(pair, max_pixels=max_pixels)[:2]

    rig = fit([partial(images, pair) for pair in readable], start=tags[0], progress=progress)
    fitting = sum(member.fits for member in rig.members)
    if not rig.registration.accepted or fitting < AGREE * len(readable):
        report(f"{fitting} of {len(readable)} pairs agree on one transform; each gets its own")
        return each
    report(
        f"{fitting} of {len(readable)} pairs agree on one transform: "
        f"{described(rig.registration)}; expected error "
        f"{rig.registration.expected_error:.1f} pixels of I2"
    )
    return dataclasses.replace(each, transforms=Transforms(rig.registration, path=AUTO))
