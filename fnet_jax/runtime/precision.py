"""How precisely filters are multiplied, where a GPU has faster products than those of float32.

The setting is JAX's own, ``jax.default_matmul_precision``, with one difference: where nothing is
set, filters are multiplied in float32. Sums are float32 in any case. ``docs/gpu.md`` has what each
precision changes in fused images.
"""

from contextlib import AbstractContextManager

import jax
from jax import lax

from fnet_jax.runtime.engines import BF16, HIGHEST, TF32

SETTING = "jax_default_matmul_precision"
NAMES = {HIGHEST: "highest", TF32: "tensorfloat32", BF16: "bfloat16"}  # of ours, in JAX


def multiplying(precision: str) -> AbstractContextManager[None]:
    """A context in which this thread traces programs that multiply with a precision.

    Args:
        precision: one of :data:`~fnet_jax.runtime.engines.PRECISIONS`.
    """
    return jax.default_matmul_precision(NAMES[precision])


def rounds_to_bfloat16() -> bool:
    """Whether factors are to be rounded to bfloat16, which XLA does not do to float32."""
    return jax.config.values[SETTING] == NAMES[BF16]


def of_products() -> lax.Precision | None:
    """The ``precision`` of an operation of XLA; None where the setting decides."""
    return None if jax.config.values[SETTING] else lax.Precision.HIGHEST
