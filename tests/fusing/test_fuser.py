import jax
import numpy as np
import oracle
import pytest

import fnet_jax
from fnet_jax import FNet, Fuser, InputError
from fnet_jax.fusing import fuser as fuser_module
from fnet_jax.images import color


@pytest.fixture(scope="module")
def fuser(small_network):
    network, params = small_network
    # Filters small enough that the fused image is not mostly clipped.
    return Fuser(network, jax.tree.map(lambda x: 0.5 * x if x.ndim == 4 else x, params))


def images(rng, height, width):
    i1 = rng.integers(0, 256, size=(height, width, 3), dtype=np.uint8)
    return i1, rng.integers(0, 256, size=(height, width), dtype=np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 1), (9, 10), (33, 31)])
def test_any_size_equals_the_network_alone(fuser, rng, size):
    _, i2 = images(rng, *size)
    i1 = i2[::-1, ::-1]
    I1, I2 = (x[None, ..., None].astype(np.float32) / 255 for x in (i1, i2))
    alone = np.asarray(fuser.network.apply(fuser.params, I1, I2)[0])[0]
    inside = fuser.decompose(i1, i2)["If"]
    assert oracle.relative_error(inside, alone) < 1e-5  # float32, sums in another order
    fused = fuser.fuse(i1.astype(np.float32) / 255, i2)
    np.testing.assert_allclose(fused, np.clip(alone[..., 0], 0, 1), atol=1e-5)


def test_many_sizes_share_compilations(small_network, rng):
    sizes = [(10 + i, 20 + (7 * i) % 23) for i in range(50)]
    assert len(set(sizes)) == 50
    with_plan, without = Fuser(*small_network), Fuser(*small_network)
    assert len(with_plan.prepare(sizes)) == 1  # so small that waste never pays a compilation
    for size in sizes:
        i1, i2 = images(rng, *size)
        np.testing.assert_array_equal(with_plan.fuse(i1, i2), without.fuse(i1, i2))
    assert with_plan.compilations == 1
    assert without.compilations == len(without.shapes) <= 5
    with_plan.fuse(*images(rng, 70, 70))  # an image outside the plan
    assert with_plan.compilations == 2
    assert with_plan.prepare([(1000, 1200)]) == [(1008, 1200)]
    with_plan.fuse(*images(rng, 9, 9))  # a plan for large images does not make small ones slow
    assert max(map(np.prod, with_plan.shapes)) < 100 * 100


def test_too_little_memory_is_told_beforehand(fuser, rng, monkeypatch):
    monkeypatch.setattr(fuser_module, "_available_memory", lambda: 10_000)
    with pytest.raises(MemoryError, match="30×30 pixels need about .* GB are free"):
        fuser.fuse(*images(rng, 30, 30))
    with pytest.raises(MemoryError, match="30×30 pixels need about"):
        fuser.decompose(*images(rng, 30, 30))
    monkeypatch.setattr(fuser_module, "_available_memory", lambda: None)
    fuser.fuse(*images(rng, 30, 30))


def test_memory_is_estimated_from_what_the_program_holds(fuser):
    """XLA's own count for a compiled program, within a fifth."""
    network, side = FNet(), 64
    image = jax.ShapeDtypeStruct((1, side, side, 1), np.float32)
    params = jax.eval_shape(network.init, jax.random.key(0), image, image)
    size = jax.ShapeDtypeStruct((2,), np.int32)
    other = Fuser(network, None)
    held = other._fuse.lower(params, image, image, size).compile().memory_analysis()
    estimate = fuser_module.MAPS_ALIVE * 4 * network.features * side**2
    assert 0.8 < estimate / held.temp_size_in_bytes < 1.2


def test_types_and_shapes(fuser, rng):
    i1, i2 = images(rng, 12, 14)
    assert fuser.fuse(i1, i2).shape == (12, 14, 3)
    assert fuser.fuse(i1, i2).dtype == np.uint8
    assert fuser.fuse(i1, i2, color="grey").shape == (12, 14)
    assert fuser.fuse(i1[..., 0], i2, color="limited").shape == (12, 14, 3)
    assert fuser.fuse(i1[..., :1], i2[..., None]).shape == (12, 14)
    deep = i1[..., 0].astype(np.uint16) * 257
    assert fuser.fuse(deep, i2).dtype == np.uint16
    for dtype in (np.float32, np.float64, np.float16):
        assert fuser.fuse((i1 / 255).astype(dtype), i2).dtype == dtype
    # The same picture at 8 and 16 bits: equal up to the rounding of 8 bits.
    coarse = fuser.fuse(i1[..., 0], i2).astype(float)
    np.testing.assert_allclose(fuser.fuse(deep, i2) / 257, coarse, atol=0.51)


def test_the_second_image_may_have_another_type(fuser, rng):
    i1, i2 = images(rng, 8, 8)
    expected = fuser.fuse(i1, i2)
    deep = i2.astype(np.uint16) * 257
    for other in (np.stack([i2] * 3, axis=2), deep, deep.astype(">u2"), np.float32(i2) / 255):
        np.testing.assert_array_equal(fuser.fuse(i1, other), expected)


def test_decompose(fuser, rng):
    i1, i2 = images(rng, 11, 13)
    found = fuser.decompose(i1, i2, color="grey")
    assert found["u1"].shape == found["c"].shape == (11, 13, 4)
    assert found["If"].shape == found["I1_hat"].shape == (11, 13, 1)
    assert found["lzsc_c"]["theta"].shape == (3,)
    assert len(found["lzsc_u2"]["u"]) == 3
    assert all(isinstance(x, np.ndarray) for x in jax.tree.leaves(found))
    total = found["If_u1"] + found["If_u2"] + found["If_c"]
    np.testing.assert_allclose(total, found["If"], atol=1e-5)  # float32, another order
    np.testing.assert_array_equal(
        color.from_unit(np.clip(found["If"][..., 0], 0, 1), i1.dtype),
        fuser.fuse(i1, i2, color="grey"),
    )


def test_sources_stay_as_they_are(fuser, rng):
    i1, i2 = images(rng, 9, 9)
    before = i1.copy(), i2.copy()
    fuser.fuse(i1, i2)
    np.testing.assert_array_equal(i1, before[0])
    np.testing.assert_array_equal(i2, before[1])


@pytest.mark.parametrize(
    ("i1", "i2", "message"),
    [
        (np.zeros((4, 5)), np.zeros((5, 4)), "i1 is 5×4, i2 is 4×5"),
        (np.zeros((4, 5, 4)), np.zeros((4, 5)), r"i1 has shape \(4, 5, 4\)"),
        (np.zeros((4, 5)), np.zeros(4), r"i2 has shape \(4,\)"),
        (np.zeros((0, 5)), np.zeros((0, 5)), "i1 has shape"),
        (np.zeros((4, 5)), np.full((4, 5), np.nan), "i2 holds NaN"),
        (np.full((4, 5), np.inf), np.zeros((4, 5)), "i1 holds NaN or infinity"),
        (np.full((4, 5), 200.0), np.zeros((4, 5)), r"i1 holds values from 200 to 200; scale"),
        (np.zeros((4, 5)), np.zeros((4, 5), int), "i2 is int64; give uint8"),
        (np.zeros((4, 5), complex), np.zeros((4, 5)), "i1 is complex128"),
        (np.zeros((4, 5), bool), np.zeros((4, 5)), "i1 is bool"),
    ],
)
def test_bad_arrays_are_refused(fuser, i1, i2, message):
    for function in (fuser.fuse, fuser.decompose):
        with pytest.raises(InputError, match=message):
            function(i1, i2)


def test_unknown_colour_mode_is_refused(fuser):
    with pytest.raises(ValueError, match="'sepia'"):
        fuser.fuse(np.zeros((4, 4)), np.zeros((4, 4)), color="sepia")
    with pytest.raises(TypeError):
        fuser.fuse(np.zeros((4, 4)), np.zeros((4, 4)), "grey")  # keyword only


def test_from_checkpoint(small_network, small_checkpoint, rng):
    i1, i2 = images(rng, 8, 8)
    expected = Fuser(*small_network).fuse(i1, i2)
    np.testing.assert_array_equal(Fuser.from_checkpoint(small_checkpoint).fuse(i1, i2), expected)


def test_public_names():
    for name in fnet_jax.__all__:
        assert getattr(fnet_jax, name) is not None
    assert set(fnet_jax.__all__) <= set(dir(fnet_jax))
    with pytest.raises(AttributeError, match="no attribute 'Unet'"):
        fnet_jax.Unet  # noqa: B018
