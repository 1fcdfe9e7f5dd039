import ml_dtypes
import numpy as np
import pytest

from fnet_jax import Fuser, InputError
from fnet_jax.fusing.inputs import separate
from fnet_jax.images import color


@pytest.fixture
def pair(rng):
    shape = (9, 11)
    return rng.integers(0, 256, (*shape, 3), np.uint8), rng.integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("mode", color.MODES)
def test_the_way_there_and_back(pair, mode):
    inputs = separate(*pair, color=mode)
    assert inputs.size == (9, 11)
    for image in (inputs.I1, inputs.I2):
        assert image.dtype == np.float32
        assert image.shape == (9, 11)
    luma, recombine = color.separate(pair[0], mode)
    np.testing.assert_array_equal(inputs.I1, luma)
    expected = color.from_unit(recombine(luma), np.dtype(np.uint8))
    np.testing.assert_array_equal(inputs.image(inputs.I1), expected)


@pytest.mark.parametrize(
    "dtype",
    ["f2", "f4", "f8", "g", ">f4", "bfloat16", "float8_e4m3fn", "float8_e5m2"],
)
def test_any_floating_type_is_taken_and_given_back(pair, dtype):
    given = (pair[0] / 255).astype(dtype)
    inputs, expected = separate(given, given), separate(given.astype(np.float32), pair[1])
    np.testing.assert_array_equal(inputs.I1, expected.I1)
    fused = inputs.image(inputs.I1)
    assert fused.dtype == given.dtype
    assert inputs.I2.dtype == np.float32
    # Both round to the type, whose numbers below 1 are at most an eighth apart.
    np.testing.assert_allclose(fused.astype(float), given.astype(float), atol=0.125)


def test_other_types_of_integers_and_containers(pair):
    i1, i2 = pair
    expected = separate(i1, i2)
    for other in (i2[..., None], np.stack([i2] * 3, axis=2), i2.astype(np.uint16) * 257,
                  (i2.astype(np.uint16) * 257).astype(">u2"), np.float32(i2) / 255,
                  np.ma.masked_array(i2), (i2 / 255).tolist()):  # fmt: skip
        np.testing.assert_allclose(separate(i1, other).I2, expected.I2, atol=1e-7)


@pytest.mark.parametrize(
    ("i1", "i2", "message"),
    [
        (np.zeros((4, 5)), np.zeros((5, 4)), "i1 is 5×4, i2 is 4×5; register them"),
        (np.zeros((4, 5, 4)), np.zeros((4, 5)), r"i1 has shape \(4, 5, 4\)"),
        (np.zeros((4, 5)), np.zeros(4), r"i2 has shape \(4,\)"),
        (np.zeros((0, 5)), np.zeros((0, 5)), "i1 has shape"),
        (np.zeros((4, 5)), np.full((4, 5), np.nan), "i2 contains NaN"),
        (np.full((4, 5), np.inf), np.zeros((4, 5)), "i1 contains NaN or infinity"),
        (np.full((4, 5), np.nan, ml_dtypes.bfloat16), np.zeros((4, 5)), "i1 contains NaN"),
        (np.full((4, 5), 200.0), np.zeros((4, 5)), r"i1 contains values from 200 to 200; scale"),
        (np.full((4, 5), 1e300), np.zeros((4, 5)), r"i1 contains values from 1e\+300"),
        (np.zeros((4, 5)), np.full((4, 5), -3, ml_dtypes.bfloat16), "i2 contains values from -3"),
        (np.zeros((4, 5)), np.zeros((4, 5), int), "i2 has type int64; convert it to uint8"),
        (np.zeros((4, 5), np.int8), np.zeros((4, 5)), "i1 has type int8"),
        (np.zeros((4, 5), np.uint32), np.zeros((4, 5)), "i1 has type uint32"),
        (np.zeros((4, 5), ml_dtypes.uint4), np.zeros((4, 5)), "i1 has type uint4"),
        (np.zeros((4, 5), bool), np.zeros((4, 5)), "i1 has type bool"),
        (np.zeros((4, 5), complex), np.zeros((4, 5)), "i1 has type complex128"),
        (np.zeros((4, 5), object), np.zeros((4, 5)), "i1 has type object"),
        (np.zeros((4, 5), "M8[s]"), np.zeros((4, 5)), "i1 has type datetime64"),
        ("visible.png", np.zeros((4, 5)), "i1 has type <U11"),
        (None, np.zeros((4, 5)), "i1 has type object"),
        ([[0.0], [0.0, 1.0]], np.zeros((4, 5)), "i1 is not an array"),
        (np.zeros((4, 5)), np.ma.masked_array(np.zeros((4, 5)), np.eye(4, 5)), "i2 has masked"),
    ],
)
def test_unusable_images_are_named(small_network, i1, i2, message):
    fuser = Fuser(*small_network)
    for function in (separate, fuser.fuse, fuser.decompose):
        with pytest.raises(InputError, match=message) as caught:
            function(i1, i2)
        assert "\n" not in str(caught.value)
    assert fuser.compilations == 0


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="'sepia'"):
        separate(np.zeros((4, 4)), np.zeros((4, 4)), color="sepia")
