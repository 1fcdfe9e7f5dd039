"""The learned ℓ1 sparse-coding block (LCSC) of Sreter and Giryes, the baseline of LZSC.

H. Sreter and R. Giryes, "Learned convolutional sparse coding", ICASSP 2018: iterative shrinkage
thresholding (ISTA) for argmin_u ½‖e − D(u)‖² + λ‖u‖₁ with learned filters, the same in each
iteration. It is AE1 of the paper's Table III. Arrays are NHWC.
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
"""Free parameter of each threshold before training: θ = 0.018, like the fourth of LZSC."""


class LCSC(Coder):
    """A learned sparse coder with one pair of filters W_e, W_d and a threshold for each feature.

    - ``u⁰ = S_θ(W_e e)``
    - ``uᵏ = S_θ(uᵏ⁻¹ + W_e(e − W_d uᵏ⁻¹))``, k = 1…N

    Parameters: ``W_e`` (size, size, C, K), ``W_d`` (size, size, K, C), and ``free_theta`` (K,) with
    θ = softplus(free_theta). Where the publication leaves details open, N means the same as in
    :class:`~fnet_jax.lzsc.LZSC`: N + 1 thresholds.
    """

    threshold: str = "soft"
    shared: bool = True
    momentum: str = "none"

    @nn.nowrap
    def check(self) -> None:
        """Raises ValueError, naming the setting, if the block cannot have it."""
        super().check()
        if not self.shared or self.momentum != "none":
            raise ValueError(
                f"an LCSC block has shared weights and no momentum: got shared {self.shared} and "
                f"momentum {self.momentum!r}"
            )

    @nn.nowrap
    def filters(self, channels: int) -> dict[str, Filters]:
        """The filters by name, for images of ``channels`` channels, in order of creation."""
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
        """θ for k = 0…N, the mean over the features, and ρ, which is 0; each (N + 1,)."""
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

        Arguments and errors are those of :meth:`fnet_jax.lzsc.LZSC.__call__`.

        Returns:
            ``(u, intermediates)``: the code uᴺ, shape (N, H, W, K), and a dict with
            ``u`` (tuple of u⁰…uᴺ), ``before_threshold`` (tuple of the inputs of the thresholds)
            and ``theta`` (θ of each feature, shape (K,)).
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
