"""How precisely filters are multiplied. The tests run on CPUs, on which TF32 is float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fnet_jax import Fuser
from fnet_jax.errors import InputError
from fnet_jax.fusing.engine import chosen
from fnet_jax.networks.fnet import FNet
from fnet_jax.runtime.engines import PRECISIONS
from fnet_jax.runtime.precision import multiplying
from fnet_jax.sparse_coding.correlation import correlate

SHAPES = [(3, 3, 1, 5), (3, 3, 6, 2), (9, 9, 1, 64), (9, 9, 64, 1), (5, 5, 12, 12)]


def rounded(x):
    return x.astype(jnp.bfloat16).astype(jnp.float32)


def arrays(rng, shape):
    size, _, inputs, outputs = shape
    x = rng.standard_normal((1, 12, 14, inputs)).astype(np.float32)
    kernel = rng.standard_normal(shape).astype(np.float32) / size
    cotangent = rng.standard_normal((1, 12, 14, outputs)).astype(np.float32)
    return x, kernel, cotangent


@pytest.mark.parametrize("shape", SHAPES)
def test_bf16_is_float32_of_rounded_factors(rng, shape):
    x, kernel, _ = arrays(rng, shape)
    expected = correlate(rounded(x), rounded(kernel))
    with multiplying("bf16"):
        found = correlate(x, kernel)
    assert found.dtype == np.float32
    # The sums are float32 in another order.
    np.testing.assert_allclose(found, expected, atol=1e-5 * float(jnp.abs(expected).max()))
    assert float(jnp.abs(found - correlate(x, kernel)).max()) > 1e-4  # rounding is seen


@pytest.mark.parametrize("shape", SHAPES[:2])
def test_gradients_are_rounded_as_well(rng, shape):
    x, kernel, cotangent = arrays(rng, shape)

    def gradients(x, kernel, cotangent):
        return jax.vjp(correlate, x, kernel)[1](cotangent)

    exact = gradients(x, kernel, cotangent)
    with multiplying("bf16"):
        found = gradients(x, kernel, cotangent)
    for one, other, factors in zip(
        found, exact, (gradients(rounded(x), rounded(kernel), rounded(cotangent))), strict=True
    ):
        scale = float(jnp.abs(other).max())
        np.testing.assert_allclose(one, factors, atol=1e-5 * scale)
        assert float(jnp.abs(one - other).max()) > 1e-4 * scale


def test_the_setting_of_jax_is_obeyed_and_float32_is_the_default(rng):
    x, kernel, _ = arrays(rng, SHAPES[-1])  # a plain convolution
    lowered = {}
    for name in (None, "highest", "tensorfloat32", "bfloat16"):
        with jax.default_matmul_precision(name):
            lowered[name] = jax.jit(lambda x, k: correlate(x, k)).lower(x, kernel).as_text()
    assert lowered[None] == lowered["highest"]
    assert "HIGHEST" in lowered["highest"]
    assert "HIGHEST" not in lowered["tensorfloat32"]
    assert "bf16" in lowered["bfloat16"]


def test_a_fuser_has_a_precision(rng, small_network):
    pair = rng.integers(0, 256, (2, 20, 24), np.uint8)
    pair = pair.astype(np.float32) / 255
    fused = {
        precision: Fuser(*small_network, engine="xla", precision=precision).fuse(*pair)
        for precision in PRECISIONS
    }
    np.testing.assert_array_equal(fused["tf32"], fused["highest"])
    # Near 0 the threshold is a step, so that single pixels of noise may jump.
    assert 0 < np.abs(fused["bf16"] - fused["highest"]).mean() < 0.01
    with pytest.raises(InputError, match="precision 'half': use highest, tf32, bf16"):
        Fuser(*small_network, precision="half")


def test_the_compiled_engine_multiplies_in_float32_only():
    cpu = jax.local_devices()[0]
    assert chosen(FNet(), cpu, precision="bf16") == "xla"
    with pytest.raises(InputError, match="multiplies in float32, and the precision is bf16"):
        chosen(FNet(), cpu, "native", precision="bf16")
