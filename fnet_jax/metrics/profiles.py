"""Profiles: which variant of each metric is computed, as data, and why the variants differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Options = Mapping[str, Any]
"""Keyword options of a metric's function."""


@dataclass(frozen=True)
class Profile:
    """A set of variants that belong together.

    Attributes:
        name: its name.
        title: the numbers that it reproduces.
        channels: ``"grey"``: all images are turned into 8-bit grey first; ``"each"``: metrics are
            computed for each color channel and averaged.
        options: by metric, in the order of tables; the profile has no other metrics.
        side_by_side: metrics of the fused image alone that are computed once, on its color channels
            side by side in one image (H, 3 W).
    """

    name: str
    title: str
    channels: str
    options: Mapping[str, Options]
    side_by_side: frozenset[str] = frozenset()


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "paper",
            "the numbers of the FNet paper's Table I and of the field's common programs",
            "grey",
            {
                "MI": {"base": "nats", "stretch": False},
                "CE": {"combine": "sum"},
                "VIF": {"combine": "sum"},
                "Qabf": {"equal": "strength"},
                "Qcb": {"border": "zero", "stretch": True},
                "SSIM": {"window": "uniform", "data_range": 2, "combine": "sum"},
                "EN": {},
                "SD": {},
                "SF": {"over": "differences"},
                "AG": {"gradient": "central", "over": "pixels"},
                "SCD": {},
                "CC": {},
                "PSNR": {"peak": "image", "error": "mse"},
                "MSE": {},
            },
        ),
        Profile(
            "vifb",
            "the numbers of the VIFB toolbox in MATLAB (X. Zhang, P. Ye, G. Xiao, CVPRW 2020)",
            "each",
            {
                "MI": {"base": "nats", "stretch": True},
                "CE": {"combine": "mean"},
                "Qabf": {"equal": "strength"},
                "Qcb": {"border": "zero", "stretch": True},
                "SSIM": {"window": "gaussian", "data_range": 255, "combine": "sum"},
                "EN": {},
                "SD": {},
                "SF": {"over": "pixels"},
                "AG": {"gradient": "central", "over": "cells"},
                "PSNR": {"peak": "type", "error": "root"},
            },
            side_by_side=frozenset({"SF"}),
        ),
        Profile(
            "textbook",
            "the definitions of the cited articles",
            "grey",
            {
                "MI": {"base": "bits", "stretch": False},
                "CE": {"combine": "mean"},
                "VIF": {"combine": "mean"},
                "Qabf": {"equal": "one"},
                "Qcb": {"border": "mirror", "stretch": False},
                "SSIM": {"window": "gaussian", "data_range": 255, "combine": "mean"},
                "EN": {},
                "SD": {},
                "SF": {"over": "pixels"},
                "AG": {"gradient": "forward", "over": "cells"},
                "SCD": {},
                "CC": {},
                "PSNR": {"peak": "type", "error": "mse"},
                "MSE": {},
            },
        ),
    )
}

WHY = {
    "MI": """\
The definition does not fix the base of the logarithm; the paper's numbers are in nats, 0.693 times
those in bits. The toolbox stretches each image to 0…255 first.""",
    "CE": """\
The definition is the mean over the sources; the paper's numbers are the sum, twice as large. Both
leave out levels that are missing in one of the images, which would make the result infinite; the
result can therefore be below 0.""",
    "VIF": """\
Defined for one reference image. The paper's numbers are the sum over both sources; the mean is 1
where the fused image shows as much of each source as the source itself. This is the pixel-domain
version, neither the wavelet version of the article nor the VIFF of Han et al. (2013). The toolbox
does not have VIF.""",
    "Qabf": """\
By the definition, edges of equal strength in source and fused image are perfectly kept, G = 1. The
common programs set G to the strength itself. Flat regions have no weight, and all other strengths
are 1 or more, where the sigmoid is nearly 1: the results differ by less than 0.1 %.""",
    "Qcb": """\
Liu's program, which the paper and the toolbox follow, stretches each image to 0…255 and takes
everything outside the image as black, which changes the contrast along the border.""",
    "SSIM": """\
The paper's numbers are what an earlier scikit-image computed by default for floating-point images
of 0…255: R = 2, the range of values in −1…1, which makes C1 and C2 negligible and gives flat
regions more weight; 7×7 windows of equal weight; the sum over both sources. The toolbox has the
article's window and range, and the sum. By the definition it is 1 for equal images, hence the
mean.""",
    "SF": """\
The article divides by the number of pixels, the common programs by the number of differences. The
toolbox puts the color channels side by side and so counts the differences across two seams, which
makes the value of a color image up to 3 % larger.""",
    "AG": """\
The article has forward differences and divides by (H − 1)(W − 1). The toolbox divides in the same
way, but sums central differences over all pixels, which are more than it divides by.""",
    "PSNR": """\
The peak is that of the image's type, 255. The common programs take the largest value of the fused
image, which makes a darker image appear worse. The toolbox's mean squared error is
√(Σ (Iᵢ − If)²) / (H W), which is not a mean of squares; its decibels, about 55 to 65, cannot be
compared with others.""",
}
"""What differs between the profiles and why, by metric; the other metrics do not differ."""
