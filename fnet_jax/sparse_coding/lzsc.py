"""The learned ℓ0 sparse-coding block (LZSC), usable alone on any batch of images.

Arrays are NHWC; images have values in about [0, 1]. The block unrolls N steps of accelerated
iterative hard thresholding for the convolutional sparse-coding problem (eq. 4)

    argmin_u ½‖e − D(u)‖² + λ‖u‖₀

with weights, threshold θᵏ and momentum ρᵏ of its own for each step (eqs. 20, 21). It approximates
a solution; no step decreases the objective by construction.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from fnet_jax.sparse_coding import momentum, thresholds
from fnet_jax.sparse_coding.correlation import correlate

Intermediates = dict[str, Any]
"""Arrays by the paper's names, nested by block: a pytree."""

Scalar = jax.Array | float

xavier = nn.initializers.xavier_uniform()


def schedule(
    w_theta: Scalar, b_theta: Scalar, w_rho: Scalar, b_rho: Scalar, iterations: int
) -> tuple[jax.Array, jax.Array]:
    """Thresholds θᵏ and momentum weights ρᵏ for k = 0…N (eq. 21).

    With sp the softplus, ``θᵏ = sp(−sp(w_theta)·k + b_theta)`` is positive and falls with k, and
    ``ρᵏ = 1 − sp(b_rho) / sp(sp(w_rho)·k + b_rho)`` starts at 0, rises with k and stays below 1,
    whatever the four free parameters are. (Eq. 21 prints w_ρ < 0, with which ρᵏ would fall; the
    slopes here are −sp(w_theta) < 0 and sp(w_rho) > 0.)

    Args:
        w_theta: free parameter of θ's slope, scalar.
        b_theta: offset of θ, scalar.
        w_rho: free parameter of ρ's slope, scalar.
        b_rho: offset of ρ, scalar.
        iterations: N ≥ 0.

    Returns:
        ``(theta, rho)``, each of shape (N + 1,). Within rounding of its bound, a value is a number
        inside the bound, and derivatives vanish; they are finite everywhere.
    """
    k = jnp.arange(iterations + 1, dtype=jnp.result_type(b_theta))
    limits = jnp.finfo(k.dtype)
    least = math.sqrt(limits.tiny)  # its inverse and the square of that are still finite

    def softplus(x: Scalar) -> jax.Array:
        return jnp.maximum(jax.nn.softplus(x), least)

    theta = softplus(b_theta - softplus(w_theta) * k)
    # 1 − a / b as 1 − exp(log a − log b), which keeps its precision where ρ is small.
    logarithms = jnp.log(softplus(b_rho + softplus(w_rho) * k))
    rho = -jnp.expm1(jnp.log(softplus(b_rho)) - logarithms)
    return theta, jnp.clip(rho, 0, 1 - limits.epsneg)


def inverse_softplus(y: float) -> float:
    """The x with softplus(x) = y, for y > 0: turns a slope of eq. 21 into its free parameter."""
    return y + math.log(-math.expm1(-y))


SCHEDULE_START = {
    "w_theta": inverse_softplus(0.5),
    "b_theta": -2.0,
    "w_rho": inverse_softplus(0.5),
    "b_rho": 0.0,
}
"""What the free parameters of :func:`schedule` are before training, by name: slopes ∓0.5."""


def keep_inside(x: jax.Array, mask: jax.Array | None) -> jax.Array:
    """Sets ``x`` to zero where ``mask`` is zero; ``None`` keeps everything.

    Every correlation takes the world outside an image as zero. For an image inside a larger array
    that holds only if each map is set to zero around the image before it is correlated again.
    """
    return x if mask is None else x * mask.astype(x.dtype)


class Unrolled(nn.Module):
    """The settings that LZSC and the networks made of it share.

    Attributes:
        features: number K of feature maps.
        iterations: number N of iteration modules.
        kernel_size: side of every filter in pixels, odd.
        threshold: ``"sigmoidal"`` (eq. 6), ``"hard"`` (eq. 3) or ``"soft"`` (eq. 5).
        alpha: α of the sigmoidal threshold.
        gamma: γ of the sigmoidal threshold.
        shared: whether all iterations have the same filters (the paper: each its own).
        momentum: ``"nesterov"`` (eq. 20), ``"polyak"``, ``"quasi-hyperbolic"`` or ``"none"``;
            :mod:`fnet_jax.sparse_coding.momentum` has their equations.
    """

    features: int = 64
    iterations: int = 4
    kernel_size: int = 9
    threshold: str = "sigmoidal"
    alpha: float = 0.1
    gamma: float = 100.0
    shared: bool = False
    momentum: str = "nesterov"

    @nn.nowrap
    def settings(self) -> dict[str, Any]:
        """The attributes above by name; ``type(self)(**settings)`` makes an equal network."""
        names = [field.name for field in dataclasses.fields(self)]
        return {name: getattr(self, name) for name in names if name not in ("parent", "name")}

    @nn.nowrap
    def check(self) -> None:
        """Raises ValueError, naming the setting, if one of them makes no network."""
        if self.features < 1 or self.iterations < 0:
            raise ValueError(
                f"features must be at least 1 and iterations at least 0: "
                f"got {self.features} and {self.iterations}"
            )
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd and positive: got {self.kernel_size}")
        if self.momentum not in momentum.KINDS:
            raise ValueError(
                f"unknown momentum {self.momentum!r}: use {', '.join(map(repr, momentum.KINDS))}"
            )
        thresholds.make(self.threshold, alpha=self.alpha, gamma=self.gamma)

    @nn.nowrap
    def down_shape(self, outputs: int) -> tuple[int, int, int, int]:
        """Shape of filters from the feature maps to ``outputs`` channels."""
        return (self.kernel_size, self.kernel_size, self.features, outputs)

    @nn.nowrap
    def up_shape(self, inputs: int) -> tuple[int, int, int, int]:
        """Shape of filters from ``inputs`` channels to the feature maps."""
        return (self.kernel_size, self.kernel_size, inputs, self.features)


def check_images(*, expected_channels: int | None = None, **images: jax.Array) -> None:
    """Raises ValueError, naming the array, unless all are (N, H, W, C) floats of one N, H, W."""
    shapes = {name: image.shape for name, image in images.items()}
    for name, image in images.items():
        if image.ndim != 4 or (expected_channels and image.shape[3] != expected_channels):
            channels = expected_channels or "C"
            raise ValueError(f"{name} must have shape (N, H, W, {channels}): got {image.shape}")
        if not jnp.issubdtype(image.dtype, jnp.floating):
            raise ValueError(f"{name} must be floating point in [0, 1]: got {image.dtype}")
    if len({shape[:3] for shape in shapes.values()}) > 1:
        raise ValueError(f"the images must have the same size: got {shapes}")


class LZSC(Unrolled):
    """A learned sparse coder: images ``e`` to feature maps ``u``.

    How many features are exactly 0 depends on the threshold: below θ, the hard and the soft one
    make zeros, the sigmoidal one makes small values. A sparse-coding experiment: images are made of
    few random atoms, coded, and decoded by one more correlation; both are learned from the squared
    error and the ℓ1 norm of the code. It prints the share of the images' variance that is missed
    and the share of the code that is not zero::

        import jax, jax.numpy as jnp
        from fnet_jax.lzsc import LZSC, correlate

        keys = jax.random.split(jax.random.key(0), 3)
        dots = jax.random.bernoulli(keys[0], 0.02, (8, 32, 32, 4)).astype(float)
        images = correlate(dots, 0.3 * jax.random.normal(keys[1], (5, 5, 4, 1)))
        coder = LZSC(features=16, iterations=2, kernel_size=5, threshold="soft")
        params = coder.init(keys[2], images), jnp.zeros((5, 5, 16, 1))
        code = lambda params: coder.apply(params[0], images)[0]
        missed = lambda params: jnp.mean((correlate(code(params), params[1]) - images) ** 2)
        loss = lambda params: missed(params) + jnp.mean(jnp.abs(code(params)))
        gradient = jax.jit(jax.grad(loss))
        for _ in range(300):
            params = jax.tree.map(lambda p, g: p - 0.01 * g, params, gradient(params))
        print(missed(params) / jnp.var(images), jnp.mean(code(params) != 0))

    Parameters, for k = 0…N and C input channels: ``W_e_k`` (k ≥ 0), ``W_d_k``, ``W_u_k`` (k ≥ 1),
    ``W_d_prime_k``, ``W_u_prime_k`` (k ≥ 2), and the scalars ``w_theta``, ``b_theta``, ``w_rho``,
    ``b_rho`` of :func:`schedule`. With ``shared``, filters are named without k. Nesterov's momentum
    alone has the primed ones, and without momentum there is no ρ.
    """

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
            theta_scale: multiplies every θᵏ, scalar ≥ 0.

        Returns:
            ``(u, intermediates)``: the code uᴺ, shape (N, H, W, K), and a dict with
            ``u`` (tuple of u⁰…uᴺ), ``before_threshold`` (tuple of what each was thresholded from),
            ``theta`` and ``rho`` (θᵏ, scaled, and ρᵏ for k = 0…N, shape (N + 1,)).

        Raises:
            ValueError: a setting or the shape or type of ``e`` is wrong; the message says which.
        """
        self.check()
        check_images(e=e)
        channels = e.shape[3]
        up, down = self.up_shape(channels), self.down_shape(channels)
        steps = range(1, self.iterations + 1)
        primed = steps[1:] if self.momentum == "nesterov" else []

        def filters(name: str, ks: Sequence[int], shape: tuple[int, ...]) -> dict[int, jax.Array]:
            if self.shared and ks:
                return dict.fromkeys(ks, self.param(name, xavier, shape))
            return {k: self.param(f"{name}_{k}", xavier, shape) for k in ks}

        W_e = filters("W_e", [0, *steps], up)
        W_d, W_u = filters("W_d", steps, down), filters("W_u", steps, up)
        W_d_prime, W_u_prime = filters("W_d_prime", primed, down), filters("W_u_prime", primed, up)
        theta, rho = self._schedule()
        theta = theta_scale * theta
        threshold = thresholds.make(self.threshold, alpha=self.alpha, gamma=self.gamma)

        # The mask goes before the threshold, which keeps zeros. After it, XLA on a CPU cannot fuse
        # the sums of one iteration and keeps those of all: three times the memory.
        e = keep_inside(e, mask)
        before = [keep_inside(correlate(e, W_e[0]), mask)]
        u = [threshold(before[0], theta[0])]
        carried: Any = None  # what the momentum keeps of the iteration before
        for k in steps:
            # W_dᵏ and W'_dᵏ⁺¹ read the same uᵏ⁻¹: one correlation with twice the outputs.
            readers = [W_d[k]] + ([W_d_prime[k + 1]] if k + 1 in W_d_prime else [])
            read = keep_inside(correlate(u[-1], jnp.concatenate(readers, axis=3)), mask)
            given = (u[-1], e, W_u[k], W_e[k], rho[k], read[..., :channels], carried)
            if self.momentum == "nesterov":
                value = momentum.nesterov(*given)
                if k < self.iterations:
                    carried = (u[-1], W_u_prime[k + 1], read[..., channels:])
            elif self.momentum == "quasi-hyperbolic":
                value, carried = momentum.quasi_hyperbolic(*given)
            else:
                value = momentum.polyak(*given)
                carried = u[-1] if self.momentum == "polyak" else None
            before.append(keep_inside(value, mask))
            u.append(threshold(before[k], theta[k]))
        intermediates = {
            "u": tuple(u),
            "before_threshold": tuple(before),
            "theta": theta,
            "rho": rho,
        }
        return u[-1], intermediates

    def _schedule(self) -> tuple[jax.Array, jax.Array]:
        """θᵏ and ρᵏ of the block's own scalars; without momentum, ρᵏ is 0."""
        learned = [n for n in SCHEDULE_START if self.momentum != "none" or "theta" in n]
        free = {n: self.param(n, nn.initializers.constant(SCHEDULE_START[n]), ()) for n in learned}
        theta, rho = schedule(**(SCHEDULE_START | free), iterations=self.iterations)
        return theta, rho if self.momentum != "none" else jnp.zeros_like(rho)
