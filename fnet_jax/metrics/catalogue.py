"""The metrics by name, what their docstrings say of them, and the metrics of one fused image."""

import inspect
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fnet_jax.errors import InputError
from fnet_jax.images import color
from fnet_jax.metrics import contrast, edges, fidelity, information, statistics, structure
from fnet_jax.metrics.profiles import PROFILES, WHY, Profile


@dataclass(frozen=True)
class Metric:
    """A metric, described by the docstring of its function.

    Attributes:
        name: as in tables.
        function: of I1, I2 and If, each (H, W), with the keyword options that profiles choose.
    """

    name: str
    function: Callable[..., float]

    @property
    def title(self) -> str:
        """What the abbreviation stands for."""
        found = re.match(r"(.+?) \([↑↓]\)", self.function.__doc__ or "")
        return found[1] if found else ""

    @property
    def formula(self) -> str:
        """How it is computed."""
        return self._field("Formula")

    @property
    def unit(self) -> str:
        """Its unit, which a profile's options may decide."""
        return self._field("Unit")

    @property
    def range(self) -> str:
        """The values it can have."""
        return self._field("Range")

    @property
    def undefined(self) -> str:
        """When it is NaN or infinite."""
        return self._field("Undefined")

    @property
    def source(self) -> str:
        """The article that it comes from."""
        return self._field("Source")

    @property
    def arrow(self) -> str:
        """↑ if more is better, ↓ if less is."""
        return "↓" if "(↓)" in (self.function.__doc__ or "") else "↑"

    @property
    def higher_is_better(self) -> bool:
        """The direction."""
        return self.arrow == "↑"

    def _field(self, name: str) -> str:
        """A field of the function's docstring, in a line."""
        about = inspect.getdoc(self.function) or ""
        found = re.search(rf"^{name}: (.+(?:\n .+)*)", about, re.MULTILINE)
        return " ".join(found[1].split()) if found else ""


FUNCTIONS: dict[str, Callable[..., float]] = {
    "MI": information.mi,
    "CE": information.ce,
    "VIF": fidelity.vif,
    "Qabf": edges.qabf,
    "Qcb": contrast.qcb,
    "SSIM": structure.ssim,
    "EN": information.en,
    "SD": statistics.sd,
    "SF": statistics.sf,
    "AG": statistics.ag,
    "SCD": statistics.scd,
    "CC": statistics.cc,
    "PSNR": statistics.psnr,
    "MSE": statistics.mse,
}
METRICS = {name: Metric(name, function) for name, function in FUNCTIONS.items()}
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
        InputError: an image has a wrong type or shape, the sizes differ, or the profile does not
            exist or does not have a metric.
    """
    chosen = find_profile(profile)
    names = check_metrics(chosen, metrics)
    planes = _planes(chosen, I1=I1, I2=I2, If=If)
    values = {
        name: [METRICS[name].function(*images, **chosen.options[name]) for images in planes]
        for name in names
    }
    return {name: float(np.mean(of_planes)) for name, of_planes in values.items()}


def find_profile(name: str) -> Profile:
    """The profile of that name.

    Raises:
        InputError: there is none.
    """
    if name not in PROFILES:
        raise InputError(f"no profile is called {name!r}; use one of {', '.join(PROFILES)}")
    return PROFILES[name]


def check_metrics(profile: Profile, metrics: Sequence[str] | None) -> tuple[str, ...]:
    """The names of ``metrics``, or of all in the profile, in the order of tables.

    Raises:
        InputError: the profile does not have one of them, or none is named.
    """
    if metrics is not None and not metrics:
        raise InputError(f"no metric is named; profile {profile.name} has {_listed(profile)}")
    for name in metrics or ():
        if name not in profile.options:
            raise InputError(
                f"profile {profile.name} has no metric {name!r}; it has {_listed(profile)}"
            )
    return tuple(name for name in profile.options if metrics is None or name in metrics)


def _listed(profile: Profile) -> str:
    return ", ".join(profile.options)


def explain(metrics: Sequence[str] | None = None) -> str:
    """Text that says of each metric what it is, what the profiles compute, and why they differ.

    Args:
        metrics: names of metrics; None for all.

    Raises:
        InputError: there is no such metric.
    """
    for name in metrics or ():
        if name not in METRICS:
            raise InputError(f"no metric is called {name!r}; use one of {', '.join(METRICS)}")
    grey = "all images as 8-bit grey"
    each = "each colour channel, then the mean"
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
            lines.append(f"  {profile.name}: not part of it")
        elif options:
            listed = ", ".join(f"{key} = {value}" for key, value in options.items())
            lines.append(f"  {profile.name}: {listed}")
    lines.append(
        _indented(f"why: {WHY.get(metric.name, 'the profiles that have it do not differ.')}")
    )
    return "\n".join(lines)


def _indented(text: str) -> str:
    return textwrap.fill(
        " ".join(text.split()), width=98, initial_indent="  ", subsequent_indent="    "
    )


def _planes(profile: Profile, **images: np.ndarray) -> list[list[np.ndarray]]:
    """The triples of (H, W) images that the metrics are computed of."""
    for name, image in images.items():
        shape, kind = image.shape, image.dtype
        if (
            kind != np.uint8
            or not image.size
            or not (image.ndim == 2 or (image.ndim == 3 and shape[2] == 3))
        ):
            raise InputError(f"{name} is {kind} of shape {shape}; give uint8 (H, W) or (H, W, 3)")
    if len({image.shape[:2] for image in images.values()}) > 1:
        sizes = ", ".join(f"{name} is {x.shape[1]}×{x.shape[0]}" for name, x in images.items())
        raise InputError(f"the sizes differ: {sizes}; metrics compare pixel by pixel")
    if profile.channels == "grey" or all(image.ndim == 2 for image in images.values()):
        return [[color.rounded_grey(image) for image in images.values()]]
    colours = [x if x.ndim == 3 else np.stack([x] * 3, axis=2) for x in images.values()]
    return [[np.ascontiguousarray(x[..., channel]) for x in colours] for channel in range(3)]
