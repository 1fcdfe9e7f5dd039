"""Which engine fuses, and that all give the same image."""

import logging
import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import pytest

from fnet_jax import Fuser, pairs
from fnet_jax.errors import InputError
from fnet_jax.fusing.engine import chosen, unable
from fnet_jax.images import read
from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.sizes import SIZES
from fnet_jax.sparse_coding.native import binding

SAMPLES = Path(pairs.__file__).parent / "samples"
needs_engine = pytest.mark.skipif(bool(binding.missing()), reason=binding.missing())


def images(rng, *size):
    return rng.integers(0, 256, (2, *size), dtype=np.uint8)


def test_the_argument_counts_before_the_variable(monkeypatch):
    cpu, network = jax.local_devices()[0], FNet()
    monkeypatch.delenv("FNET_INSTRUCTIONS", raising=False)
    best = "xla" if unable(network, cpu) or binding.instructions() == "baseline" else "native"
    monkeypatch.delenv("FNET_ENGINE", raising=False)
    assert chosen(network, cpu) == chosen(network, cpu, "auto") == best
    monkeypatch.setenv("FNET_ENGINE", "xla")
    assert chosen(network, cpu) == "xla"
    assert chosen(network, cpu, "auto") == best
    monkeypatch.setenv("FNET_ENGINE", "fast")
    with pytest.raises(InputError, match="FNET_ENGINE 'fast': use auto, xla, native"):
        chosen(network, cpu)
    with pytest.raises(InputError, match="engine 'fast'"):
        chosen(network, cpu, "fast")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"kernel_size": 11}, "9×9"), ({"momentum": "quasi-hyperbolic"}, "momentum")],
)
def test_what_the_engine_cannot_do_xla_does(settings, reason, caplog):
    cpu, network = jax.local_devices()[0], FNet(**settings)
    with caplog.at_level(logging.INFO):
        assert chosen(network, cpu) == "xla"
    assert reason in caplog.text
    with pytest.raises(InputError, match=reason):
        chosen(network, cpu, "native")


@needs_engine
@pytest.mark.skipif(platform.machine() != "x86_64", reason="is about x86")
def test_without_avx2_xla_is_faster(monkeypatch, caplog):
    cpu, network = jax.local_devices()[0], FNet()
    monkeypatch.setenv("FNET_INSTRUCTIONS", "baseline")
    with caplog.at_level(logging.INFO):
        assert chosen(network, cpu, "auto") == "xla"
    assert "without AVX2" in caplog.text
    assert chosen(network, cpu, "native") == "native"
    monkeypatch.setenv("FNET_INSTRUCTIONS", "mmx")
    with pytest.raises(InputError, match="FNET_INSTRUCTIONS"):
        chosen(network, cpu, "native")


@needs_engine
@pytest.mark.parametrize("size", SIZES)
def test_shipped_weights_fuse_to_the_same_image(size, rng):
    native, xla = (Fuser.pretrained(size, engine=engine) for engine in ("native", "xla"))
    shown = [images(rng, 75, 98)]
    for name in ("synthetic_night_street.png", "synthetic_pet_mri.png"):
        shown.append([read(SAMPLES / kind / name) for kind in ("I1", "I2")])
    # Black, from where transforms would bring rounding to a threshold that steps at 0.
    texture, row = images(rng, 90, 130)[0], np.arange(130)
    bars, dot = np.where(np.arange(90)[:, None] < 30, 0, texture), np.zeros_like(texture)
    dot[40, 60] = 255
    decay = np.broadcast_to(np.uint8(255 * np.exp(-row / 12)), texture.shape)
    shown += [(bars, texture), (bars, bars[::-1]), (dot, dot), (decay, decay[:, ::-1])]
    for i1, i2 in shown:
        one, other = (fuser.fuse(i1[:90, :130], i2[:90, :130]) for fuser in (native, xla))
        difference = np.abs(one.astype(int) - other)
        assert difference.max() <= 1
        assert np.mean(difference == 0) >= 0.999


@needs_engine
def test_tiles_and_larger_arrays_change_nothing(small_network, rng):
    i1, i2 = images(rng, 70, 90)
    whole = Fuser(*small_network, engine="native")
    expected = whole.fuse(i1, i2)
    for other in ({"engine": "xla"}, {"engine": "native", "tile": 33}):
        found = Fuser(*small_network, **other).fuse(i1, i2)
        np.testing.assert_allclose(found.astype(int), expected, atol=1)  # sums in another order
        assert np.mean(found == expected) > 0.999
    shared = Fuser(*small_network, engine="native")
    shared.prepare([(70, 90), (300, 20), (5, 200)])
    np.testing.assert_array_equal(shared.fuse(i1, i2), expected)
    assert len(shared.shapes) == 1


@needs_engine
def test_fusers_in_two_threads_are_independent(small_network, rng):
    shown = [images(rng, 60, 80) for _ in range(8)]
    expected = [Fuser(*small_network, engine="native").fuse(*pair) for pair in shown]
    fusers = [Fuser(*small_network, engine="native") for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda k: fusers[k % 2].fuse(*shown[k]), range(8)))
    np.testing.assert_array_equal(found, expected)


def test_an_engine_of_a_newer_jax_is_not_used_and_that_is_said(monkeypatch, caplog):
    def refused():
        raise jax.errors.JaxRuntimeError("the handler's API version is incompatible")

    monkeypatch.setattr(binding, "library", lambda: Path("_engine.so"))
    monkeypatch.setattr(binding, "_loaded", refused)
    assert chosen(FNet(), jax.devices("cpu")[0], "auto") == "xla"
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "_engine.so was built with a newer JAX than" in record.message
    with pytest.raises(InputError, match="was built with a newer JAX"):
        chosen(FNet(), jax.devices("cpu")[0], "native")
