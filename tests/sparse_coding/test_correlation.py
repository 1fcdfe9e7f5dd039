import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

from fnet_jax.sparse_coding import correlation_forms
from fnet_jax.sparse_coding.correlation import correlate

SHAPES = [  # (N, H, W), channels, outputs, kernel side
    ((2, 12, 17), 1, 8, 9),
    ((1, 9, 10), 3, 8, 9),
    ((2, 13, 7), 8, 1, 9),
    ((1, 16, 11), 8, 2, 9),
    ((3, 5, 6), 8, 4, 5),
    ((2, 7, 6), 20, 1, 5),
    ((1, 8, 11), 20, 2, 5),
    ((1, 6, 7), 3, 40, 3),
    ((1, 1, 1), 8, 1, 9),
    ((1, 3, 1), 2, 2, 3),
    ((2, 4, 4), 1, 1, 1),
    ((2, 7, 9), 4, 8, 5),  # by maps, a channel at a time
    ((1, 6, 5), 6, 12, 3),  # by maps, all channels at once
    ((2, 5, 6), 6, 40, 5),  # whose gradient is summed in tiles
]


@pytest.mark.parametrize(("images", "channels", "outputs", "size"), SHAPES)
def test_equals_xla_with_gradients(rng, images, channels, outputs, size):
    x = np.float32(rng.normal(size=(*images, channels)))
    kernel = np.float32(rng.normal(size=(size, size, channels, outputs)))
    cotangent = np.float32(rng.normal(size=(*images, outputs)))

    @jax.jit
    def both(x, kernel, cotangent):
        found, pull = jax.vjp(correlate, x, kernel)  # as in training
        expected, pull_expected = jax.vjp(oracle.correlate, x, kernel)
        return (found, *pull(cotangent)), (expected, *pull_expected(cotangent))

    found, expected = both(x, kernel, cotangent)
    # Sums of up to 720 products in float32, in another order: 1e-6 relative, with a margin.
    for a, b in zip(found, expected, strict=True):
        assert oracle.relative_error(a, b) < 2e-6
    assert oracle.relative_error(jax.jit(correlate)(x, kernel), expected[0]) < 2e-6


@pytest.mark.parametrize(("batch", "channels", "outputs"), [(2, 2, 6), (1, 6, 2)])
def test_kernel_gradient_in_several_tiles(rng, monkeypatch, batch, channels, outputs):
    """Tiles of 4×3 on 11×7: they hang over both borders, and are odd in number in one image."""
    monkeypatch.setattr(correlation_forms, "SMALL_GRADIENT", 0)
    monkeypatch.setattr(correlation_forms, "TILE_ROWS", 4)
    monkeypatch.setattr(correlation_forms, "TILE_COLUMNS", 3)
    x = np.float32(rng.normal(size=(batch, 11, 7, channels)))
    kernel = np.float32(rng.normal(size=(5, 5, channels, outputs)))
    gradient = lambda f: jax.jit(jax.grad(lambda x, k: (f(x, k) ** 2).sum(), argnums=(0, 1)))
    found, expected = (gradient(f)(x, kernel) for f in (correlate, oracle.correlate))
    assert oracle.relative_error(found, expected) < 2e-6


@pytest.mark.parametrize(("channels", "outputs"), [(1, 40), (40, 2), (9, 9)])
def test_equals_the_form_of_other_platforms(rng, channels, outputs):
    x = np.float32(rng.normal(size=(2, 7, 9, channels)))
    kernel = np.float32(rng.normal(size=(5, 5, channels, outputs)))
    cotangent = np.float32(rng.normal(size=(2, 7, 9, outputs)))

    @jax.jit
    def both(x, kernel, cotangent):
        found, pull = jax.vjp(correlate, x, kernel)
        gradient = correlation_forms.plain_kernel_gradient(x, kernel, cotangent)
        return (found, pull(cotangent)[1]), (correlation_forms.plain(x, kernel), gradient)

    for found, expected in zip(*both(x, kernel, cotangent), strict=True):
        assert oracle.relative_error(found, expected) < 2e-6


def test_under_jit_vmap_and_pmap(rng):
    x = np.float32(rng.normal(size=(2, 1, 6, 6, 2)))
    kernel = np.float32(rng.normal(size=(3, 3, 2, 5)))
    gradient = jax.grad(lambda k, x: (correlate(x, k) ** 2).sum())
    expected = np.stack([gradient(kernel, x[i]) for i in range(2)])
    # The same sums in another order.
    assert oracle.relative_error(jax.jit(jax.vmap(gradient, (None, 0)))(kernel, x), expected) < 1e-6
    assert oracle.relative_error(jax.pmap(gradient, in_axes=(None, 0))(kernel, x), expected) < 1e-6


def test_shapes_that_do_not_fit_are_refused():
    image = jnp.zeros((1, 4, 4, 2))
    with pytest.raises(ValueError, match=r"\(1, 4, 4, 2\) and \(3, 3, 1, 5\)"):
        correlate(image, jnp.zeros((3, 3, 1, 5)))
    with pytest.raises(ValueError, match="odd side"):
        correlate(image, jnp.zeros((4, 4, 2, 5)))
    with pytest.raises(ValueError, match="correlate needs images"):
        correlate(image[0], jnp.zeros((3, 3, 2, 5)))


def test_float64_stays_float64(rng):
    with jax.enable_x64(True):
        x, kernel = jnp.asarray(rng.normal(size=(1, 6, 6, 3))), jnp.ones((3, 3, 3, 4))
        gradient = jax.jit(jax.grad(lambda k: (correlate(x, k) ** 2).sum()))(kernel)
        expected = jax.jit(jax.grad(lambda k: (oracle.correlate(x, k) ** 2).sum()))(kernel)
        assert gradient.dtype == np.float64
        assert oracle.relative_error(gradient, expected) < 1e-14
