"""Finding the transform between two images of one scene, across modalities.

:func:`estimate` finds it for one pair, :func:`fit` for a rig of two cameras, and :func:`apply` lays
the second image over the first. A transform is one matrix for the whole image: it cannot mend the
parallax of near objects, nor lens distortion.
"""

from fnet_jax.registration.estimation import Registration, estimate
from fnet_jax.registration.resampling import apply, covered
from fnet_jax.registration.rig import Rig, fit
from fnet_jax.registration.transforms import MODELS

__all__ = ["MODELS", "Registration", "Rig", "apply", "covered", "estimate", "fit"]
