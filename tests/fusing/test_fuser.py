from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

import fnet_jax
from fnet_jax import Fuser
from fnet_jax.fusing import plan
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
    alone = np.asarray(jax.jit(fuser.network.apply)(fuser.params, I1, I2)[0])[0]
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


def test_nothing_is_compiled_twice(small_network, rng):
    """Counted by JAX, so that no program of another making escapes."""
    compiled = []

    def listen(event, *_, **__):
        compiled.extend([event] if event == "/jax/core/compile/backend_compile_duration" else [])

    fuser = Fuser(*small_network)
    fuser.fuse(*images(rng, 20, 30))
    fuser.decompose(*images(rng, 20, 30))
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        for size in ((20, 30), (21, 31), (32, 32), (1, 1)):  # all in an array of 32×32
            fuser.fuse(*images(rng, *size))
            fuser.fuse(np.float64(images(rng, *size)[0] / 255), images(rng, *size)[1])
        fuser.decompose(*images(rng, 18, 32), theta_scale=2.0)
        Fuser(*small_network).prepare([(20, 30), (500, 600)])
        assert compiled == []
        assert fuser.compilations == 2
        fuser.fuse(*images(rng, 40, 30))
        assert len(compiled) == 1
        assert fuser.compilations == 3
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def test_threads_share_a_fuser(fuser, rng):
    pairs = [images(rng, 20 + 13 * (i % 4), 30) for i in range(12)]
    alone = Fuser(fuser.network, fuser.params)
    expected = [alone.fuse(*pair) for pair in pairs]
    shared = Fuser(fuser.network, fuser.params)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda pair: shared.fuse(*pair), pairs))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert shared.compilations == len(shared.shapes) <= 4


def test_doubles_of_jax_change_nothing(small_network, rng):
    """Parameters of twice the precision, in a JAX that keeps it, as with JAX_ENABLE_X64=1."""
    network, params = small_network
    i1, i2 = images(rng, 20, 23)
    single = Fuser(network, params)
    with jax.enable_x64(True):
        double = Fuser(network, jax.tree.map(lambda x: jnp.asarray(x, np.float64), params))
        assert {str(x.dtype) for x in jax.tree.leaves(double.params)} == {"float32"}
        fused, found = double.fuse(i1 / 255.0, i2), double.decompose(i1, i2, theta_scale=2)
        double.tile = 16
        tiled = double.fuse(i1 / 255.0, i2)
    np.testing.assert_array_equal(fused, single.fuse(i1 / 255.0, i2))
    np.testing.assert_allclose(tiled, fused, atol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, found, single.decompose(i1, i2, theta_scale=2))


def test_too_little_memory_is_said_beforehand(fuser, rng, monkeypatch):
    monkeypatch.setattr("fnet_jax.runtime.memory.available", lambda device: 10_000)
    with pytest.raises(MemoryError, match="30×30 pixels need about .* GB are free"):
        fuser.fuse(*images(rng, 30, 30))
    with pytest.raises(MemoryError, match="30×30 pixels need about"):
        fuser.decompose(*images(rng, 30, 30))
    monkeypatch.setattr("fnet_jax.runtime.memory.available", lambda device: None)
    fuser.fuse(*images(rng, 30, 30))


def test_large_images_are_cut(small_network, rng, monkeypatch):
    network, params = small_network
    i1, i2 = images(rng, 70, 90)
    whole = Fuser(network, params, engine="xla").fuse(i1, i2)  # test_engine.py has the other one
    asked = Fuser(network, params, tile=40, engine="xla")
    np.testing.assert_array_equal(asked.fuse(i1, i2), whole)
    assert asked.shapes == []
    assert asked.fuse(i1[:40, :40], i2[:40, :40]).shape == (40, 40, 3)
    assert len(asked.shapes) == 1  # fused whole

    needed = plan.to_fuse((70, 90), network, plan.Limits(np.inf, np.inf)).bytes
    monkeypatch.setattr("fnet_jax.runtime.memory.available", lambda device: needed)
    chosen = Fuser(network, params, engine="xla")
    chosen.prepare([(70, 90)])
    np.testing.assert_array_equal(chosen.fuse(i1, i2), whole)
    assert chosen.shapes == []


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


def test_optional_arguments_are_named(fuser):
    with pytest.raises(TypeError):
        fuser.fuse(np.zeros((4, 4)), np.zeros((4, 4)), "grey")


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
