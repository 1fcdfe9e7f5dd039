"""Every linear operator has the adjoint that it claims: ⟨A x, y⟩ = ⟨x, Aᵀ y⟩."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fnet_jax.networks import losses
from fnet_jax.sparse_coding import correlation_forms
from fnet_jax.sparse_coding.correlation import correlate
from fnet_jax.sparse_coding.operators import adjoint
from fnet_jax.sparse_coding.unrolled import keep_inside

SHAPES = [  # (N, H, W), and a kernel (size, size, C, O) of each form: few and many, either way
    ((2, 12, 7), (5, 5, 1, 8)),
    ((1, 6, 7), (3, 3, 3, 40)),
    ((1, 7, 12), (3, 3, 8, 1)),
    ((1, 9, 11), (5, 5, 8, 2)),
    ((2, 5, 6), (3, 3, 20, 4)),
    ((1, 1, 3), (3, 3, 9, 9)),
    ((2, 4, 3), (5, 5, 2, 40)),  # so large that the gradient is summed in tiles
    ((2, 4, 3), (5, 5, 40, 2)),
]


def adjointness_test(rng, A, x, *claimed):
    """Asserts that the transpose of ``A`` by JAX, and each that is claimed, is its adjoint.

    Args:
        rng: decides y.
        A: a linear function of an array.
        x: an array that it takes, in float64.
        claimed: functions of an array such as ``A`` returns.
    """
    y = rng.normal(size=jax.eval_shape(A, x).shape)

    @jax.jit
    def all_of_them(x, y):
        Ax, pull = jax.vjp(A, x)
        return Ax, [*pull(y), *(back(y) for back in claimed)]

    Ax, pulled = all_of_them(x, y)
    assert Ax.dtype == y.dtype == np.float64
    scale = np.linalg.norm(Ax) * np.linalg.norm(y)
    for back in pulled:
        assert back.shape == x.shape
        # Sums of thousands of products in float64.
        assert abs(np.vdot(Ax, y) - np.vdot(x, back)) < 1e-12 * scale


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize(("images", "shape"), SHAPES)
def test_correlations_in_every_form(rng, images, shape):
    x, kernel = (rng.normal(size=s) for s in ((*images, shape[2]), shape))
    back = partial(correlate, kernel=adjoint(kernel))
    adjointness_test(rng, partial(correlate, kernel=kernel), x, back)
    gradients = (correlation_forms.plain_kernel_gradient, correlation_forms.kernel_gradient)
    weighed = [partial(g, x, kernel) for g in gradients]
    adjointness_test(rng, partial(correlate, x), kernel, *weighed)
    forms = (
        correlation_forms.plain,
        correlation_forms.form(shape),
        correlation_forms.form_for_training(shape),
        correlation_forms.form_on_gpu(shape),
    )
    for form in filter(None, forms):
        adjointness_test(rng, lambda x, form=form: form(x, kernel), x, back)


def test_a_correlation_inside_a_mask(rng):
    x, kernel = (rng.normal(size=s) for s in ((2, 5, 6, 2), (3, 3, 2, 4)))
    inside = jnp.zeros((1, 5, 6, 1)).at[:, :3, :-1].set(1)
    adjointness_test(
        rng,
        lambda x: correlate(keep_inside(x, inside), kernel),
        x,
        lambda y: keep_inside(correlate(y, adjoint(kernel)), inside),
    )


def test_decoders_of_a_network_and_its_tied_dictionaries(rng, small_network):
    network, params = small_network
    u = rng.normal(size=(1, 9, 8, network.features))
    for name in network.DECODERS:
        G = np.float64(params["params"][name])
        adjointness_test(
            rng, partial(correlate, kernel=G), u, partial(correlate, kernel=adjoint(G))
        )
    W = {code: rng.normal(size=(3, 3, n, network.features)) for code, n in network.CODES.items()}
    tied = network.tied(W)
    for code, channels in network.CODES.items():
        block = tied[network.block_name(code)]
        e = rng.normal(size=(1, 9, 8, channels))
        for k, name in network.coder(parent=None).reads().items():
            up, down = (partial(correlate, kernel=block[n]) for n in (f"W_e_{k}", name))
            adjointness_test(rng, up, e, down)


def test_the_derivatives_of_the_loss(rng):
    adjointness_test(rng, losses.sobel, rng.normal(size=(2, 7, 6, 1)))
