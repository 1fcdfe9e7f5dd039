"""Eqs. 25 and 26."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_values import inverse_of, stage1_loss, stage2_loss

from fnet_jax import images
from fnet_jax.networks import losses
from fnet_jax.networks.fnet import FNet
from fnet_jax.sparse_coding.lzsc import LZSC
from fnet_jax.weights import official

stage1, stage2, ssim = map(jax.jit, (losses.stage1, losses.stage2, losses.ssim))


@pytest.fixture
def batch(rng):
    return [jnp.asarray(rng.uniform(size=(2, 20, 24, 1)), jnp.float32) for _ in range(4)]


def literal_filter(image, kernel, border):
    """One image (H, W) correlated with a 2-D kernel, pixel by pixel, in float64."""
    r = kernel.shape[0] // 2
    padded = np.pad(np.asarray(image, np.float64), r, mode=border)
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape)
    return (windows * kernel).sum(axis=(2, 3))


SOBEL_X = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


def test_derivatives_are_those_of_sobel(batch):
    image = batch[0]
    for n in range(len(image)):
        one = image[n, ..., 0]
        x, y = (literal_filter(one, k / 8, "edge") for k in (SOBEL_X, SOBEL_X.T))
        np.testing.assert_allclose(losses.sobel(image)[n], np.stack([x, y], 2), atol=1e-6)
        x, y = (literal_filter(one, k, "constant") for k in (SOBEL_X, SOBEL_X.T))
        np.testing.assert_allclose(losses.edges(image)[n, ..., 0], abs(x) + abs(y), atol=1e-5)


def test_ssim_is_that_of_the_definition(batch):
    t = np.arange(-5, 6)
    window = np.exp(-(t[:, None] ** 2 + t**2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for a, b in zip(np.float64(batch[0][..., 0]), np.float64(batch[1][..., 0]), strict=True):
        mean = lambda x: literal_filter(x, window, "constant")
        ma, mb = mean(a), mean(b)
        va, vb, cov = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
        values.append(
            (2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))
        )
    # float32 against float64
    np.testing.assert_allclose(ssim(batch[0], batch[1]), np.mean(values), atol=1e-5)


def test_perfect_results_cost_nothing(batch):
    I1, I2 = batch[:2]
    total, terms = stage1(I1, I2, I1, I2)
    assert total == 0
    assert terms.keys() == {"I1_intensity", "I1_gradient", "I2_intensity", "I2_gradient"}
    total, terms = stage2(I1, I1, I1)
    assert terms["intensity"] == terms["gradient"] == 0
    assert abs(terms["ssim"]) < 1e-4  # 15 times the rounding of 1


def test_terms_sum_to_the_total(batch):
    for total, terms in (stage1(*batch), stage2(*batch[:3])):
        np.testing.assert_allclose(sum(terms.values()), total, rtol=1e-6)
        assert total > 0


def test_the_stronger_source_weighs_more(batch):
    flat, textured = jnp.full_like(batch[0], 0.5), batch[1]
    # w of the flat source is what its zero border gives it: far from ½
    _, follows_texture = stage2(textured, flat, textured)
    _, follows_flat = stage2(flat, flat, textured)
    assert follows_texture["ssim"] < follows_flat["ssim"]


def test_images_without_edges_give_finite_losses_and_gradients():
    black = jnp.zeros((1, 8, 8, 1))
    loss = lambda If: losses.stage2(If, black, black)[0]
    value, gradient = jax.jit(jax.value_and_grad(loss))(black)
    assert value == 0
    assert jnp.isfinite(gradient).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 2)])
def test_any_size(size):
    images = jnp.linspace(0, 1, 2 * size[0] * size[1]).reshape(2, *size, 1)
    assert jnp.isfinite(stage2(images, images**2, 1 - images)[0])
    assert jnp.isfinite(stage1(images, images, images**2, images)[0])


def test_a_batch_on_two_devices_has_the_loss_of_the_whole(batch):
    If, I1, I2 = batch[:3]
    I2 = I2.at[0].multiply(0.2)  # the halves have other weights than the whole
    whole, _ = stage2(If, I1, I2)
    spread = jax.pmap(lambda *x: losses.stage2(*x, axis_name="devices")[0], axis_name="devices")(
        *(x[:, None] for x in (If, I1, I2))
    )
    np.testing.assert_allclose(spread.mean(), whole, rtol=1e-5)
    alone = np.mean([stage2(*(x[i : i + 1] for x in (If, I1, I2)))[0] for i in (0, 1)])
    assert abs(alone - whole) > 1e-3  # so that the line above says something


# The values that PyTorch gave for the authors' definitions; the file says what computed them.


@pytest.fixture(scope="module")
def golden(official_folder):
    return json.loads((official_folder / "losses_golden.json").read_text())


@pytest.fixture(scope="module")
def weights(official_folder):
    return official.convert(official.read(official_folder / "FNet.npz"))


@pytest.fixture(scope="module")
def crops(golden, data_folder):
    def crop(folder, place):
        levels = images.read(data_folder / "TNO" / folder / place["file"], grey=True)
        y, x, size = place["row"], place["column"], place["size"]
        return levels[y : y + size, x : x + size, None] / 255

    return [np.stack([crop(f, place) for place in golden["batch"]]) for f in ("vi", "ir")]


def norm(gradient, free):
    """Norm of a gradient with respect to theirs: their slopes are −sp, +sp of our free ones."""
    return float(np.linalg.norm(np.asarray(gradient).ravel()) / (1 if free is None else free))


def norms(gradients, params):
    """Norms of FNet's or IFNet's gradients by the authors' names."""
    tree, values = gradients["params"], params["params"]
    found = {}
    for theirs, code in {**official.BLOCKS, "x1": "x1", "x2": "x2"}.items():
        ours = FNet.block_name(code)
        if ours not in tree:
            continue
        for name, their_name in official.SCALARS.items():
            free = None  # d(sp(w))/dw = σ(w): the chain rule from our parameter to theirs
            if name.startswith("w_"):
                free = float(jax.nn.sigmoid(values[ours][name]))
            found[f"{theirs}.{their_name}"] = norm(tree[ours][name], free)
        for their_name, name in zip(official.BANKS, LZSC().filters(1), strict=True):
            found[f"{theirs}.{their_name}.weight"] = norm(tree[ours][name], None)
    decoders = zip(official.DECODERS, FNet.DECODERS, strict=True)
    filters = {f"{theirs}.weight": ours for theirs, ours in decoders}
    filters |= {"x1.D": "D_x1", "x2.D": "D_x2"}
    return found | {
        theirs: norm(tree[ours], None) for theirs, ours in filters.items() if ours in tree
    }


@pytest.mark.slow  # half a minute; tests/test_golden.py holds our own values in float64
def test_losses_and_gradients_are_the_published_ones_in_float64(golden, weights, crops):
    with jax.enable_x64(True):
        fnet = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), weights)
        params = {"fnet": fnet, "ifnet": inverse_of(fnet)}
        I1, I2 = (jnp.asarray(image, jnp.float64) for image in crops)
        for loss, expected in ((stage1_loss, golden["stage1"]), (stage2_loss, golden["stage2"])):
            step = jax.jit(jax.value_and_grad(loss, has_aux=True))
            (total, terms), gradients = step(params, I1, I2)
            check_terms(total, terms, expected, rtol=1e-5)
            recorded = expected.get("gradient_norms") or {
                **expected["fnet_gradient_norms"],
                **expected["ifnet_gradient_norms"],
            }
            found = norms(gradients["fnet"], fnet) | norms(gradients["ifnet"], params["ifnet"])
            assert recorded.keys() <= found.keys()
            for name, value in recorded.items():
                np.testing.assert_allclose(found[name], value, rtol=1e-5, err_msg=name)


def check_terms(total, terms, expected, *, rtol):
    np.testing.assert_allclose(total, expected["total"], rtol=rtol)
    if "source1" in expected:
        for i in (1, 2):
            source = terms[f"I{i}_intensity"] + terms[f"I{i}_gradient"]
            np.testing.assert_allclose(source, expected[f"source{i}"], rtol=rtol)
    else:
        for name in ("intensity", "gradient", "ssim"):
            np.testing.assert_allclose(terms[name], expected[f"{name}_weighted"], rtol=rtol)


def test_losses_are_the_published_ones_in_float32(golden, weights, crops):
    params = {"fnet": weights, "ifnet": inverse_of(weights)}
    I1, I2 = (jnp.asarray(image, jnp.float32) for image in crops)
    for loss, expected in ((stage1_loss, golden["stage1"]), (stage2_loss, golden["stage2"])):
        # rounding moves the losses by about 2e-5
        check_terms(*jax.jit(loss)(params, I1, I2), expected, rtol=1e-4)


def test_terms_may_be_left_out(rng):
    If, I1, I2 = (jnp.asarray(rng.uniform(size=(2, 16, 16, 1)), jnp.float32) for _ in range(3))
    _, terms = stage2(If, I1, I2)
    for name in terms:
        total, left = jax.jit(functools.partial(losses.stage2, without=[name]))(If, I1, I2)
        assert left.keys() == terms.keys() - {name}
        np.testing.assert_allclose(total, sum(left.values()), rtol=1e-6)
        for other in left:  # compiled apart: rounding
            np.testing.assert_allclose(left[other], terms[other], rtol=1e-6)
    message = "unknown term in colour: use some of intensity, gradient, ssim"
    with pytest.raises(ValueError, match=message):
        losses.stage2(If, I1, I2, without=["colour"])
