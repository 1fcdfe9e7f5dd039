"""'Same' correlation between few image channels and many feature maps.

Arrays are NHWC, kernels HWIO, of odd size and stride 1, with zeros outside the image and no bias:
the only convolution of FNet and IFNet. :mod:`fnet_jax.sparse_coding.correlation_forms` has forms
of the same sums that are faster than XLA's plain convolution. The gradient with respect to the
input is this correlation again, with the kernel turned around.

Products are computed in full float32 on every platform unless ``jax.default_matmul_precision`` or
:mod:`fnet_jax.runtime.precision` says otherwise; sums always are.
"""

import jax
import jax.numpy as jnp
from jax import lax

from fnet_jax.runtime import precision
from fnet_jax.sparse_coding import correlation_forms as forms
from fnet_jax.sparse_coding.operators import adjoint


def correlate(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Correlates images with a bank of filters, keeping height and width.

    ``out[n, y, x, o] = Σ_{i,j,c} image[n, y + i − r, x + j − r, c] · kernel[i, j, c, o]`` with
    r = (size − 1) / 2 and zeros outside the image. Differentiable in reverse mode.

    Args:
        x: images or feature maps, shape (N, H, W, C).
        kernel: filters, shape (size, size, C, O), size odd.

    Returns:
        Array of shape (N, H, W, O), computed in the type of ``x``.

    Raises:
        ValueError: shapes do not fit, or the size is even or not square.
    """
    _check(x, kernel)
    return _correlate(x, jnp.asarray(kernel, x.dtype))


@jax.custom_vjp
def _correlate(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.platform_dependent(*_factors(x, kernel), cpu=_on_cpu, default=_on_gpu)


def _check(x: jax.Array, kernel: jax.Array) -> None:
    if x.ndim != 4 or kernel.ndim != 4 or x.shape[3] != kernel.shape[2]:
        raise ValueError(
            f"correlate needs images (N, H, W, C) and a kernel (size, size, C, O): "
            f"got {x.shape} and {kernel.shape}"
        )
    if kernel.shape[0] != kernel.shape[1] or kernel.shape[0] % 2 == 0:
        raise ValueError(f"the kernel must be square with an odd side: got {kernel.shape}")


def _factors(*arrays: jax.Array) -> tuple[jax.Array, ...]:
    """The factors of products, rounded to bfloat16 if that is set; not all forms do that."""
    if not precision.rounds_to_bfloat16():
        return arrays
    return tuple(lax.reduce_precision(x, exponent_bits=8, mantissa_bits=7) for x in arrays)


def _on_cpu(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return (forms.form(kernel.shape) or forms.plain)(x, kernel)


def _on_cpu_while_training(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return (forms.form_for_training(kernel.shape) or forms.plain)(x, kernel)


def _on_gpu(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return (forms.form_on_gpu(kernel.shape) or forms.plain)(x, kernel)


def _while_training(x: jax.Array, kernel: jax.Array) -> jax.Array:
    factors = _factors(x, kernel)
    return lax.platform_dependent(*factors, cpu=_on_cpu_while_training, default=_on_gpu)


def _forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _while_training(x, kernel), (x, kernel)


def _backward(
    residuals: tuple[jax.Array, jax.Array], cotangent: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    kernel_gradient = lax.platform_dependent(
        *_factors(x, kernel, cotangent),
        cpu=forms.kernel_gradient,
        default=forms.plain_kernel_gradient,
    )
    return _while_training(cotangent, adjoint(kernel)), kernel_gradient


_correlate.defvjp(_forward, _backward)
