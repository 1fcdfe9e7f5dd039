"""Image-fusion metrics and the variants of them that published numbers use.

``evaluate`` computes the metrics of one fused image. Each metric is also a function of two sources
and a fused image, under its lower-case name; ``METRICS`` has its title, direction, unit, range,
formula, source and allowed options. ``PROFILES`` states which variant of each metric is computed,
and ``explain`` why the variants differ. The functions default to ``"textbook"``. An option with an
invalid value raises :class:`~fnet_jax.errors.InputError`::

    from fnet_jax import metrics

    metrics.evaluate(I1, I2, If)["MI"]  # the variant of the FNet paper
    metrics.evaluate(I1, I2, If, profile="textbook")
    metrics.mi(I1, I2, If, base="nats")  # grey images, (H, W), uint8
    print(metrics.explain(["MI"]))
"""

from fnet_jax.metrics.catalogue import METRICS, evaluate, explain
from fnet_jax.metrics.contrast import qcb
from fnet_jax.metrics.edges import qabf
from fnet_jax.metrics.fidelity import vif
from fnet_jax.metrics.information import ce, en, mi
from fnet_jax.metrics.metric import Metric
from fnet_jax.metrics.profiles import PROFILES, Profile
from fnet_jax.metrics.statistics import ag, cc, mse, psnr, scd, sd, sf
from fnet_jax.metrics.structure import ssim

__all__ = [
    "METRICS",
    "PROFILES",
    "Metric",
    "Profile",
    "ag",
    "cc",
    "ce",
    "en",
    "evaluate",
    "explain",
    "mi",
    "mse",
    "psnr",
    "qabf",
    "qcb",
    "scd",
    "sd",
    "sf",
    "ssim",
    "vif",
]
