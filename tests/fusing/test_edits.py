import jax
import numpy as np
import pytest

from fnet_jax import Fuser, InputError
from fnet_jax.fusing import edits as what_if
from fnet_jax.fusing.edits import CODES, Edit, Feature, decode
from fnet_jax.images import color
from fnet_jax.sparse_coding.correlation import correlate


@pytest.fixture(scope="module")
def fuser(small_network):
    network, params = small_network
    # Filters small enough that the fused image is not mostly clipped.
    return Fuser(network, jax.tree.map(lambda x: 0.5 * x if x.ndim == 4 else x, params))


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(3)
    return rng.random((17, 22), np.float32), rng.random((17, 22), np.float32)


@pytest.fixture(scope="module")
def found(fuser, pair):
    return fuser.decompose(*pair)


def test_no_edit_changes_nothing(fuser, pair, found):
    np.testing.assert_array_equal(decode(found, fuser.params, Edit()), found["If"])
    # Another compiled program, which sums in another order.
    np.testing.assert_allclose(
        what_if.fuse(fuser, *pair, Edit()), fuser.fuse(*pair), rtol=0, atol=1e-5
    )


def test_colour_and_type_stay(fuser, rng):
    i1 = rng.integers(0, 256, (9, 8, 3), dtype=np.uint8)
    i2 = rng.integers(0, 256, (9, 8), dtype=np.uint8)
    for mode in color.MODES:
        edited, fused = (
            what_if.fuse(fuser, i1, i2, Edit(), color=mode),
            fuser.fuse(i1, i2, color=mode),
        )
        assert edited.dtype == np.uint8
        assert np.abs(edited.astype(int) - fused).max() <= 1  # rounding of nearly equal floats


def test_scales_act_on_the_parts(fuser, found):
    parts = {code: found[f"If_{code}"] for code in CODES}
    edited = decode(found, fuser.params, Edit(u1=0.5, u2=-2, c=0))
    expected = 0.5 * parts["u1"] - 2 * parts["u2"]
    np.testing.assert_allclose(edited, expected, atol=1e-5)
    nothing = decode(found, fuser.params, Edit(u1=0, u2=0, c=0))
    np.testing.assert_allclose(nothing, 0, atol=1e-5)


def test_the_image_is_linear_in_the_scales(fuser, found):
    def image(scale):
        edit = Edit(c=scale, features=(Feature("u1", 2, scale),))
        return decode(found, fuser.params, edit)

    middle = 0.5 * (image(0.0) + image(3.0))
    np.testing.assert_allclose(image(1.5), middle, atol=1e-5)


@pytest.mark.parametrize("code", CODES)
def test_all_features_together_are_the_code(fuser, found, code):
    each = tuple(Feature(code, j, 0.25) for j in range(fuser.network.features))
    np.testing.assert_allclose(
        decode(found, fuser.params, Edit(features=each)),
        decode(found, fuser.params, Edit(**{code: 0.25})),
        atol=1e-5,
    )


def test_one_feature_is_its_map_and_filter(fuser, found):
    G = np.asarray(fuser.params["params"]["G_u2"])
    alone = correlate(found["u2"][None, ..., 1:2], G[:, :, 1:2])[0]
    edited = decode(found, fuser.params, Edit(features=(Feature("u2", 1, 0.0),)))
    np.testing.assert_allclose(found["If"] - edited, alone, atol=1e-5)
    # A code's scale and its features' scales multiply, and so do scales of one feature.
    both = Edit(u2=3, features=(Feature("u2", 1, 2.0), Feature("u2", 1, 0.0)))
    expected = found["If"] + 2 * found["If_u2"] - 3 * np.asarray(alone)
    np.testing.assert_allclose(decode(found, fuser.params, both), expected, atol=1e-5)


def test_theta_scale_multiplies_every_threshold(fuser, pair, found):
    other = fuser.decompose(*pair, theta_scale=2.5)
    for code in CODES:
        block = f"lzsc_{code}"
        np.testing.assert_allclose(other[block]["theta"], 2.5 * found[block]["theta"], rtol=1e-6)
        np.testing.assert_array_equal(other[block]["rho"], found[block]["rho"])
    assert np.abs(other["u1"] - found["u1"]).max() > 1e-3
    same = fuser.decompose(*pair, theta_scale=1.0)
    jax.tree.map(np.testing.assert_array_equal, same, found)


def test_thresholds_above_everything_leave_nothing(fuser, pair):
    nothing = fuser.decompose(*pair, theta_scale=1e3)
    for code in CODES:
        assert np.abs(nothing[code]).max() < 1e-6
    edited = what_if.fuse(fuser, *pair, Edit(theta_scale=1e3))
    np.testing.assert_allclose(edited, 0, atol=1e-5)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Edit(u1=np.nan), "the scale of u1 is nan"),
        (Edit(theta_scale=-1), "the scale of theta is -1"),
        (Edit(features=(Feature("u1", 4, 0),)), "feature u1:4 does not exist; .* features 0 to 3"),
        (Edit(features=(Feature("u1", -1, 0),)), "feature u1:-1 does not"),
        (Edit(features=(Feature("x1", 0, 0),)), "feature x1:0 does not"),
        (Edit(features=(Feature("c", 0, np.inf),)), "the scale of c:0 is inf"),
        (Edit(u1=-2e6), r"the scale of u1 is -2e\+06; use a number from -1e\+06 to 1e\+06"),
        (Edit(features=(Feature("c", 0, 1e4), Feature("c", 0, 1e3))), r"of c:0 is 1e\+07"),
    ],
)
def test_edits_that_do_not_fit(fuser, pair, found, edit, message):
    with pytest.raises(InputError, match=message):
        what_if.fuse(fuser, *pair, edit)
    with pytest.raises(InputError, match=message):
        decode(found, fuser.params, edit)
