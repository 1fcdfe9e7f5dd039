"""Registration of two images of one scene, across modalities.

:func:`estimate` finds the transform of one pair, :func:`fit` that of a rig of two cameras, and
:func:`apply` resamples the second image onto the first. A transform is one matrix for the whole
image: it cannot correct the parallax of near objects or lens distortion.
"""

from fnet_jax.registration.estimation import Registration, estimate
from fnet_jax.registration.resampling import apply, covered
from fnet_jax.registration.rig import Rig, fit
from fnet_jax.registration.transforms import MODELS

__all__ = ["MODELS", "Registration", "Rig", "apply", "covered", "estimate", "fit"]
