"""The metrics by name, and the metrics of one fused image."""

import textwrap
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from fnet_jax.errors import InputError
from fnet_jax.images import color
from fnet_jax.metrics import contrast, edges, fidelity, information, statistics, structure
from fnet_jax.metrics.metric import Metric, described
from fnet_jax.metrics.profiles import PROFILES, WHY, Profile

FUNCTIONS: tuple[Callable[..., float], ...] = (
    information.mi,
    information.ce,
    fidelity.vif,
    edges.qabf,
    contrast.qcb,
    structure.ssim,
    information.en,
    statistics.sd,
    statistics.sf,
    statistics.ag,
    statistics.scd,
    statistics.cc,
    statistics.psnr,
    statistics.mse,
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in map(described, FUNCTIONS)}
"""All metrics by name, in the order of tables."""


def evaluate(
    I1: np.ndarray,
    I2: np.ndarray,
    If: np.ndarray,
    *,
    profile: str = "paper",
    metrics: Sequence[str] | None = None,
) -> dict[str, float]:
    """The metrics of one fused image.

    Args:
        I1: visible, CT, PET or SPECT image, uint8 (H, W) or (H, W, 3).
        I2: infrared, near-infrared or MRI image, the same height and width.
        If: fused image, the same height and width.
        profile: name of the variants to compute, in :data:`PROFILES`.
        metrics: names of the metrics to compute; None for all of the profile.

    Returns:
        The values by name, NaN or infinite where :attr:`Metric.undefined` says so.

    Raises:
        InputError: an image has a wrong type or shape, the sizes differ, the profile is unknown, or
            it does not have a metric.
    """
    chosen = find_profile(profile)
    names = check_metrics(chosen, metrics)
    images = {"I1": I1, "I2": I2, "If": If}
    _check_images(images)
    planes, beside = _planes(chosen, images), [[_side_by_side(x) for x in images.values()]]
    found = {}
    for name in names:
        function, options = METRICS[name].function, chosen.options[name]
        seen = beside if name in chosen.side_by_side else planes
        found[name] = float(np.mean([function(*triple, **options) for triple in seen]))
    return found


def find_profile(name: str) -> Profile:
    """The profile of that name; raises InputError if it is unknown."""
    if name not in PROFILES:
        raise InputError(f"unknown profile {name!r}; use one of {', '.join(PROFILES)}")
    return PROFILES[name]


def check_metrics(profile: Profile, metrics: Sequence[str] | None) -> tuple[str, ...]:
    """The names of ``metrics``, or of all in the profile, in the order of tables.

    Raises:
        InputError: the profile does not have one of them, or the list is empty.
    """
    if metrics is not None and not metrics:
        raise InputError(f"the list of metrics is empty; use some of {_listed(profile)}")
    for name in metrics or ():
        if name not in profile.options:
            raise InputError(
                f"profile {profile.name} has no metric {name!r}; it has {_listed(profile)}"
            )
    return tuple(name for name in profile.options if metrics is None or name in metrics)


def _listed(profile: Profile) -> str:
    return ", ".join(profile.options)


def explain(metrics: Sequence[str] | None = None) -> str:
    """A text on each metric: what it is, what the profiles compute, and why they differ.

    Args:
        metrics: names of metrics; None for all.

    Raises:
        InputError: a metric is unknown.
    """
    for name in metrics or ():
        if name not in METRICS:
            raise InputError(f"unknown metric {name!r}; use one of {', '.join(METRICS)}")
    grey = "all images as 8-bit grey"
    each = "each color channel, then the mean"
    parts = [
        "\n".join(
            f"profile {p.name}: {p.title};\n  {grey if p.channels == 'grey' else each}"
            for p in PROFILES.values()
        )
    ]
    for metric in METRICS.values():
        if metrics is None or metric.name in metrics:
            parts.append(_explained(metric))
    return "\n\n".join(parts)


def _explained(metric: Metric) -> str:
    lines = [f"{metric.name} {metric.arrow}  {metric.title}"]
    for field in ("formula", "unit", "range", "undefined", "source"):
        lines.append(_indented(f"{field}: {getattr(metric, field)}"))
    for profile in PROFILES.values():
        options = profile.options.get(metric.name)
        if options is None:
            lines.append(f"  {profile.name}: does not have it")
        elif options:
            listed = ", ".join(f"{key} = {value}" for key, value in options.items())
            if metric.name in profile.side_by_side:
                listed += ", color channels side by side"
            lines.append(f"  {profile.name}: {listed}")
    lines.append(_indented(f"why: {WHY.get(metric.name, 'All profiles that have it agree.')}"))
    return "\n".join(lines)


def _indented(text: str) -> str:
    return textwrap.fill(
        " ".join(text.split()), width=98, initial_indent="  ", subsequent_indent="    "
    )


def _check_images(images: Mapping[str, np.ndarray]) -> None:
    for name, image in images.items():
        shape, kind = image.shape, image.dtype
        if (
            kind != np.uint8
            or not image.size
            or not (image.ndim == 2 or (image.ndim == 3 and shape[2] == 3))
        ):
            raise InputError(f"{name} is {kind} of shape {shape}; use uint8 (H, W) or (H, W, 3)")
    if len({image.shape[:2] for image in images.values()}) > 1:
        sizes = ", ".join(f"{name} is {x.shape[1]}×{x.shape[0]}" for name, x in images.items())
        raise InputError(f"the sizes differ: {sizes}; metrics need images of one size")


def _planes(profile: Profile, images: Mapping[str, np.ndarray]) -> list[list[np.ndarray]]:
    """The triples of (H, W) images whose values are averaged."""
    if profile.channels == "grey" or all(image.ndim == 2 for image in images.values()):
        return [[color.rounded_grey(image) for image in images.values()]]
    colors = [x if x.ndim == 3 else np.stack([x] * 3, axis=2) for x in images.values()]
    return [[np.ascontiguousarray(x[..., channel]) for x in colors] for channel in range(3)]


def _side_by_side(image: np.ndarray) -> np.ndarray:
    """The channels of an image as one image, (H, W) or (H, 3 W)."""
    return image if image.ndim == 2 else image.swapaxes(1, 2).reshape(len(image), -1)
