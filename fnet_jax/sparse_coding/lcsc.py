"""The learned ℓ1 sparse-coding block (LCSC) of Sreter and Giryes, which LZSC is compared with.

H. Sreter and R. Giryes, "Learned convolutional sparse coding", ICASSP 2018: iterative shrinkage
thresholding (ISTA) for argmin_u ½‖e − D(u)‖² + λ‖u‖₁ with learned filters, the same in each
iteration. Table III of the paper has it as AE1. Arrays are NHWC.
"""

import jax
import numpy as np
from flax import linen as nn

from fnet_jax.sparse_coding import thresholds
from fnet_jax.sparse_coding.correlation import correlate
from fnet_jax.sparse_coding.unrolled import (
    Coder,
    Filters,
    Intermediates,
    check_images,
    keep_inside,
    xavier,
)

START = -4.0
"""What the free parameter of each threshold is before training: θ = 0.018, as LZSC's fourth."""


class LCSC(Coder):
    """A learned sparse coder with one pair of filters W_e, W_d and a threshold for each feature.

    - ``u⁰ = S_θ(W_e e)``
    - ``uᵏ = S_θ(uᵏ⁻¹ + W_e(e − W_d uᵏ⁻¹))``, k = 1…N

    Parameters: ``W_e`` (size, size, C, K), ``W_d`` (size, size, K, C), and ``free_theta`` (K,) with
    θ = softplus(free_theta). What the published block leaves open was chosen so that N means the
    same as in :class:`~fnet_jax.lzsc.LZSC`: N + 1 thresholds.
    """

    threshold: str = "soft"
    shared: bool = True
    momentum: str = "none"

    @nn.nowrap
    def check(self) -> None:
        """Raises ValueError, naming the setting, if one of them makes no such block."""
        super().check()
        if not self.shared or self.momentum != "none":
            raise ValueError(
                f"an LCSC block has shared weights and no momentum: got shared {self.shared} and "
                f"momentum {self.momentum!r}"
            )

    @nn.nowrap
    def filters(self, channels: int) -> dict[str, Filters]:
        """The filters by name, for images of so many channels, in the order of their creation."""
        N = self.iterations
        return {
            "W_e": Filters(self.up_shape(channels), leads=True, k=None, times=N + 1),
            "W_d": Filters(self.down_shape(channels), leads=False, k=None, times=N),
        }

    @nn.nowrap
    def free(self) -> dict[str, np.ndarray]:
        """The free parameters of the thresholds, one for each feature."""
        return {"free_theta": np.full(self.features, START, np.float32)}

    @nn.nowrap
    def course(self, found: Intermediates) -> tuple[np.ndarray, np.ndarray]:
        """The mean θ of the features for all k = 0…N, and no ρ: 0; each (N + 1,)."""
        k = np.zeros(self.iterations + 1, np.float32)
        return found["theta"].mean() + k, k

    @nn.compact
    def __call__(
        self,
        e: jax.Array,
        *,
        mask: jax.Array | None = None,
        theta_scale: jax.Array | float = 1.0,
    ) -> tuple[jax.Array, Intermediates]:
        """Codes a batch of images.

        Args:
            e: images, shape (N, H, W, C), floating point, values in about [0, 1].
            mask: 1 inside and 0 outside the true images, shape broadcastable to (N, H, W, 1), if
                they are smaller than the arrays; None if they fill them.
            theta_scale: what every threshold is multiplied with, at least 0.

        Returns:
            ``(u, intermediates)``: the code uᴺ, shape (N, H, W, K), and a dict with
            ``u`` (tuple of u⁰…uᴺ), ``before_threshold`` (tuple of what each was thresholded from)
            and ``theta`` (θ of each feature, shape (K,)).

        Raises:
            ValueError: a setting or the shape or type of ``e`` is wrong; the message says which.
        """
        self.check()
        check_images(e=e)
        banks = self.filters(e.shape[3])
        W_e, W_d = (self.param(name, xavier, bank.shape) for name, bank in banks.items())
        start = nn.initializers.constant(START, np.float32)
        theta = theta_scale * jax.nn.softplus(self.param("free_theta", start, (self.features,)))
        threshold = thresholds.make(self.threshold, alpha=self.alpha, gamma=self.gamma)

        e = keep_inside(e, mask)
        before = [keep_inside(correlate(e, W_e), mask)]
        u = [threshold(before[0], theta)]
        for _ in range(self.iterations):
            left = e - keep_inside(correlate(u[-1], W_d), mask)
            before.append(keep_inside(u[-1] + correlate(left, W_e), mask))
            u.append(threshold(before[-1], theta))
        return u[-1], {"u": tuple(u), "before_threshold": tuple(before), "theta": theta}
