"""The learned ℓ0 sparse-coding block (LZSC), usable alone on any batch of images.

Arrays are NHWC; images have values in about [0, 1]. The block unrolls N steps of accelerated
iterative hard thresholding for the convolutional sparse-coding problem (eq. 4)

    argmin_u ½‖e − D(u)‖² + λ‖u‖₀

where each step has its own weights, threshold θᵏ and momentum ρᵏ (eqs. 20, 21):

    u⁰ = T_θ⁰(W_e⁰ e)
    u¹ = T_θ¹((1 + ρ¹)(u⁰ − W_u¹ W_d¹ u⁰) + W_e¹ e)
    uᵏ = T_θᵏ((1 + ρᵏ)(uᵏ⁻¹ − W_uᵏ W_dᵏ uᵏ⁻¹) − ρᵏ(uᵏ⁻² − W'_uᵏ W'_dᵏ uᵏ⁻²) + W_eᵏ e),   k = 2…N

It approximates a solution; no step decreases the objective by construction.
"""

import operator
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from fnet_jax.sparse_coding import momentum, thresholds
from fnet_jax.sparse_coding.correlation import correlate
from fnet_jax.sparse_coding.schedule import inverse_softplus, schedule
from fnet_jax.sparse_coding.unrolled import (
    Coder,
    Filters,
    Intermediates,
    check_images,
    keep_inside,
    xavier,
)

SCHEDULE_START = {
    "w_theta": inverse_softplus(0.5),
    "b_theta": -2.0,
    "w_rho": inverse_softplus(0.5),
    "b_rho": 0.0,
}
"""Free parameters of the schedule before training, by name: slopes ∓0.5."""


class LZSC(Coder):
    """A learned sparse coder: images ``e`` to feature maps ``u``.

    Below θ, the hard and soft thresholds give exact zeros, the sigmoidal one small values.

    Example: images made of a few random atoms are coded, and decoded by one more correlation. Both
    are learned from the squared error and the ℓ1 norm of the code. It prints the share of the
    images' variance that is missed and the share of the code that is not zero::

        import jax, jax.numpy as jnp
        from fnet_jax.lzsc import LZSC, correlate

        keys = jax.random.split(jax.random.key(0), 3)
        dots = jax.random.bernoulli(keys[0], 0.02, (8, 32, 32, 4)).astype(float)
        images = correlate(dots, 0.3 * jax.random.normal(keys[1], (5, 5, 4, 1)))
        coder = LZSC(features=16, iterations=2, kernel_size=5, threshold="soft")
        params = jax.jit(coder.init)(keys[2], images), jnp.zeros((5, 5, 16, 1))
        code = lambda params: coder.apply(params[0], images)[0]
        missed = lambda params: jnp.mean((correlate(code(params), params[1]) - images) ** 2)
        loss = lambda params: missed(params) + jnp.mean(jnp.abs(code(params)))
        gradient = jax.jit(jax.grad(loss))
        for _ in range(300):
            params = jax.tree.map(lambda p, g: p - 0.01 * g, params, gradient(params))
        print(missed(params) / jnp.var(images), jnp.mean(code(params) != 0))

    Parameters, for k = 0…N and C input channels: ``W_e_k`` (k ≥ 0), ``W_d_k``, ``W_u_k`` (k ≥ 1),
    ``W_d_prime_k``, ``W_u_prime_k`` (k ≥ 2), and the scalars ``w_theta``, ``b_theta``, ``w_rho``,
    ``b_rho`` of :func:`~fnet_jax.lzsc.schedule`. With ``shared``, filters are named without k.
    Only Nesterov's momentum has the primed ones; without momentum there is no ρ.
    """

    @nn.nowrap
    def filters(self, channels: int) -> dict[str, Filters]:
        """The filters by name, for images of ``channels`` channels, in order of creation."""
        up, down, N = self.up_shape(channels), self.down_shape(channels), self.iterations
        first_primed = 2 if self.momentum == "nesterov" else N + 1
        banks = {}
        for name, first, leads in (
            ("W_e", 0, True),
            ("W_d", 1, False),
            ("W_u", 1, True),
            ("W_d_prime", first_primed, False),
            ("W_u_prime", first_primed, True),
        ):
            behind = 2 if name == "W_d_prime" else 1
            for k in range(first, N + 1):
                banks[self.parameter(name, k)] = Filters(
                    up if leads else down,
                    leads,
                    k=None if self.shared else k if leads else k - behind,
                    times=N + 1 - first if self.shared else 1,
                )
        return banks

    @nn.nowrap
    def free(self) -> dict[str, np.ndarray]:
        """The free parameters of the schedule; without momentum, only those of θ."""
        learned = [n for n in SCHEDULE_START if self.momentum != "none" or "theta" in n]
        return {name: np.array(SCHEDULE_START[name], np.float32) for name in learned}

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
            mask: 1 inside the true images and 0 outside, shape broadcastable to (N, H, W, 1), where
                the images are smaller than the arrays; None if they fill the arrays.
            theta_scale: factor ≥ 0 on every θᵏ, scalar.

        Returns:
            ``(u, intermediates)``: the code uᴺ, shape (N, H, W, K), and a dict with
            ``u`` (tuple of u⁰…uᴺ), ``before_threshold`` (tuple of the inputs of the thresholds),
            ``theta`` and ``rho`` (scaled θᵏ, and ρᵏ, for k = 0…N, shape (N + 1,)).

        Raises:
            ValueError: a setting, or the shape or type of ``e``, is wrong.
        """
        self.check()
        check_images(e=e)
        channels, N = e.shape[3], self.iterations
        filters = {n: self.param(n, xavier, f.shape) for n, f in self.filters(channels).items()}

        theta, rho = self._schedule()
        theta = theta_scale * theta
        threshold = thresholds.make(self.threshold, alpha=self.alpha, gamma=self.gamma)

        # The mask comes before the threshold, which keeps zeros. Were it after, XLA on a CPU could
        # not fuse the sums of an iteration and would keep those of all: three times the memory.
        e = keep_inside(e, mask)
        before = [keep_inside(correlate(e, filters[self.parameter("W_e", 0)]), mask)]
        u = [threshold(before[0], theta[0])]
        down_before: jax.Array | None = None
        average: jax.Array | None = None  # of gradients
        for k in range(1, N + 1):
            # W_dᵏ and W'_dᵏ⁺¹ read the same uᵏ⁻¹: one correlation with twice the outputs.
            readers = jnp.concatenate(self.readers(filters, k - 1), axis=3)
            read = keep_inside(correlate(u[-1], readers), mask)
            down, ahead = read[..., :channels], read[..., channels:]
            if self.momentum == "quasi-hyperbolic":
                W_u, W_e = (filters[self.parameter(name, k)] for name in ("W_u", "W_e"))
                value, average = momentum.quasi_hyperbolic(
                    u[-1], e, W_u, W_e, rho[k], down, average
                )
            else:
                step = momentum.step(self.momentum, rho[k], k)
                value = step.of_u * u[-1]
                if step.of_before is not None:
                    value += step.of_before * u[-2]  # a difference would cost its gradient a map
                # The correlations write the same sum: one of stacked images, with scaled filters.
                images = [down, e] if down_before is None else [down, e, down_before]
                scaled = map(operator.mul, step.of_images, self.leaders(filters, k))
                value += correlate(
                    jnp.concatenate(images, axis=3), jnp.concatenate([*scaled], axis=2)
                )
            down_before = ahead if ahead.shape[3] else None
            before.append(keep_inside(value, mask))
            u.append(threshold(before[k], theta[k]))
        intermediates = {
            "u": tuple(u),
            "before_threshold": tuple(before),
            "theta": theta,
            "rho": rho,
        }
        return u[-1], intermediates

    @nn.nowrap
    def readers(self, filters: Mapping[str, Any], k: int) -> list[Any]:
        """The filters that read uᵏ, k < N: W_dᵏ⁺¹ and, if it exists, W'_dᵏ⁺²."""
        again = self.momentum == "nesterov" and k + 1 < self.iterations
        names = [("W_d", k + 1), *([("W_d_prime", k + 2)] if again else [])]
        return [filters[self.parameter(*name)] for name in names]

    @nn.nowrap
    def leaders(self, filters: Mapping[str, Any], k: int) -> list[Any]:
        """The filters that lead to uᵏ: W_uᵏ (k ≥ 1), W_eᵏ and, if it exists, W'_uᵏ."""
        primed = self.momentum == "nesterov" and k > 1
        names = [*(["W_u"] if k else []), "W_e", *(["W_u_prime"] if primed else [])]
        return [filters[self.parameter(name, k)] for name in names]

    def _schedule(self) -> tuple[jax.Array, jax.Array]:
        # The type is that of the values: float32, whatever JAX_ENABLE_X64 is.
        free = {n: self.param(n, lambda _, x=x: jnp.asarray(x)) for n, x in self.free().items()}
        return self.schedule_of(free)

    @nn.nowrap
    def schedule_of(self, params: Mapping[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
        """θᵏ and ρᵏ for k = 0…N from parameters by name; without momentum, ρᵏ is 0."""
        free = {name: params[name] for name in self.free()}
        theta, rho = schedule(**(SCHEDULE_START | free), iterations=self.iterations)
        return theta, rho if self.momentum != "none" else jnp.zeros_like(rho)
