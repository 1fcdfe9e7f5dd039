"""The compiled engine, against the block that XLA computes."""

import functools
import shutil
import subprocess
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

from fnet_jax.sparse_coding.correlation import correlate
from fnet_jax.sparse_coding.lcsc import LCSC
from fnet_jax.sparse_coding.lzsc import LZSC
from fnet_jax.sparse_coding.native import binding, coding

SOURCES = Path(binding.__file__).parent
needs_engine = pytest.mark.skipif(bool(binding.missing()), reason=binding.missing())


def job(rng, *, size=(30, 41), channels=2, outputs=2, **settings):
    """A block with parameters that keep its values near 1, images, and filters that draw."""
    coder = LZSC(**({"features": 5, "iterations": 2, "kernel_size": 9} | settings))
    params = oracle.tame(oracle.drawn(coder, channels=channels))["params"]
    e = jnp.asarray(rng.uniform(size=(2, *size, channels)), jnp.float32)
    filters = jnp.asarray(rng.normal(size=(*coder.down_shape(outputs),)) / 20, jnp.float32)
    return coder, params, e, filters


@functools.partial(jax.jit, static_argnums=0)
def by_xla(coder, params, e, filters, mask, theta_scale):
    u, _ = coder.apply({"params": params}, e, mask=mask, theta_scale=theta_scale)
    drawn = correlate(u, filters)
    return drawn if mask is None else drawn * mask


@functools.partial(jax.jit, static_argnums=0)
def drawn(coder, params, prepared, e, mask, theta_scale):
    return coding.drawn(coder, params, prepared, e, mask=mask, theta_scale=theta_scale)


def by_engine(coder, params, e, filters, mask, theta_scale):
    prepared = coding.prepared(coder, jax.tree.map(np.asarray, params), np.asarray(filters))
    return drawn(coder, params, prepared, e, mask, theta_scale)


def check(coder, params, e, filters, mask=None, theta_scale=1.0):
    wanted = by_xla(coder, params, e, filters, mask, theta_scale)
    found = by_engine(coder, params, e, filters, mask, theta_scale)
    assert found.shape == wanted.shape
    bound = 1e-5 * max(1, float(jnp.abs(wanted).max()))
    if jnp.abs(found - wanted).max() > bound:
        # The sigmoidal threshold has a step at 0, on whose other side rounding may lie: then both
        # are as far from what float64 gives.
        with jax.enable_x64(True):
            double = functools.partial(jax.tree.map, lambda x: jnp.asarray(x, jnp.float64))
            exact = by_xla(coder, *map(double, (params, e, filters)), mask, theta_scale)
        off = [float(jnp.abs(x - exact).max()) for x in (found, wanted)]
        assert off[0] < bound + 3 * off[1]
        assert jnp.mean(jnp.abs(found - exact) > bound) < 1e-3


@needs_engine
@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 1, "features": 1, "iterations": 0, "channels": 1, "outputs": 1},
        {"kernel_size": 3, "features": 11, "iterations": 3, "channels": 1},
        {"kernel_size": 5, "features": 17, "threshold": "soft", "outputs": 1},
        {"kernel_size": 7, "features": 9, "threshold": "hard", "momentum": "none"},
        {"features": 64, "iterations": 4, "size": (49, 70)},
        {"momentum": "polyak", "iterations": 3, "alpha": 0.9, "gamma": 50.0},
        {"shared": True, "iterations": 3, "channels": 1},
        {"kernel_size": 3, "shared": True, "momentum": "polyak", "threshold": "soft"},
    ],
    ids=lambda settings: "-".join(f"{k[0]}{v}" for k, v in settings.items()),
)
def test_it_is_the_block_of_every_setting(rng, settings):
    check(*job(rng, **settings))


@needs_engine
@pytest.mark.parametrize("size", [(1, 1), (1, 33), (25, 2), (24, 32), (5, 97), (73, 64)])
@pytest.mark.parametrize("kernel_size", [3, 9])
def test_any_size(rng, size, kernel_size):
    check(*job(rng, size=size, kernel_size=kernel_size, features=4, iterations=1))


@needs_engine
@pytest.mark.slow
@pytest.mark.parametrize("size", [(400, 400), (399, 257), (211, 400)])
@pytest.mark.parametrize("kernel_size", [3, 9])
def test_large_sizes(rng, size, kernel_size):
    check(*job(rng, size=size, kernel_size=kernel_size, features=4, iterations=2))


@needs_engine
@pytest.mark.parametrize("kernel_size", [3, 9])
def test_masks_and_scaled_thresholds(rng, kernel_size):
    given = job(rng, kernel_size=kernel_size, size=(60, 80))
    rows, columns = np.arange(60) < 21, np.arange(80) < 37  # tiles without a pixel are among them
    mask = jnp.asarray(rows[:, None] & columns)[None, :, :, None]
    check(*given, mask=mask)
    holes = jnp.asarray(rng.uniform(size=(2, 60, 80, 1)) < 0.7)
    check(*given, mask=holes, theta_scale=3.0)


@needs_engine
@pytest.mark.parametrize("instructions", ["avx512", "avx2", "baseline"])
@pytest.mark.parametrize("kernel_size", [3, 9])
def test_all_sets_of_instructions(rng, monkeypatch, instructions, kernel_size):
    monkeypatch.setenv("FNET_INSTRUCTIONS", instructions)
    if binding.missing() or binding.instructions() != instructions:
        pytest.skip(f"this machine has no {instructions}")
    check(*job(rng, kernel_size=kernel_size, features=12))


@needs_engine
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("threshold", ["sigmoidal", "soft"])
def test_what_is_no_number_stays_none(rng, value, threshold):
    coder, params, e, filters = job(rng, threshold=threshold)
    found = by_engine(coder, params, e.at[0, 7, 9, 0].set(value), filters, None, 1.0)
    assert not np.isfinite(found[0, 7, 9]).any()
    np.testing.assert_array_equal(  # the other image of the batch
        found[1], by_engine(coder, params, e, filters, None, 1.0)[1]
    )


@needs_engine
def test_it_is_the_same_each_time(rng):
    given = (*job(rng, size=(100, 90)), None, 1.0)
    np.testing.assert_array_equal(by_engine(*given), by_engine(*given))


def test_what_it_cannot_do_has_a_reason(monkeypatch):
    assert "larger than 9×9" in coding.unable(LZSC(kernel_size=11))
    assert "quasi-hyperbolic" in coding.unable(LZSC(momentum="quasi-hyperbolic"))
    assert "LCSC" in coding.unable(LCSC())
    assert coding.unable(LZSC()) == binding.missing()
    monkeypatch.setattr(binding, "library", lambda: None)
    assert "was not built; build it with a C++ compiler: pip install" in coding.unable(LZSC())
    monkeypatch.setattr(binding, "library", lambda: Path(__file__))
    binding._loaded.cache_clear()
    try:
        assert "test_native.py cannot be loaded" in coding.unable(LZSC())
    finally:
        binding._loaded.cache_clear()


def built(folder, compiler, *flags):
    """The check without Python, compiled."""
    if not shutil.which(compiler):
        pytest.skip(f"there is no {compiler}")
    program = folder / "check"
    source = Path(__file__).with_name("native_check.cpp")
    warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-psabi"]  # vectors are never passed
    call = [compiler, "-std=c++17", *warnings, *flags, f"-I{SOURCES}", source, "-o", program]
    subprocess.run([*map(str, call), "-pthread"], check=True)
    return program


@pytest.mark.slow
@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
def test_sanitizers_find_nothing(tmp_path, sanitizer):
    program = built(
        tmp_path, "g++", "-O1", "-g", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all"
    )
    ran = []
    for instructions in ("avx512", "avx2", "baseline"):
        done = subprocess.run([program, instructions], capture_output=True, text=True)
        if "no such instructions" not in done.stdout:
            assert done.returncode == 0, done.stdout + done.stderr
            ran.append(instructions)
    assert ran


@pytest.mark.slow
def test_neon_computes_the_same(tmp_path):
    """Cross-compiled, under an emulator: packages g++-aarch64-linux-gnu and qemu-user of Debian."""
    program = built(tmp_path, "aarch64-linux-gnu-g++", "-O2", "-static")
    if not shutil.which("qemu-aarch64"):
        pytest.skip("there is no qemu-aarch64")
    done = subprocess.run(["qemu-aarch64", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("baseline: ")


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_compilers_agree(tmp_path, compiler):
    program = built(tmp_path, compiler, "-O3")
    assert subprocess.run([program]).returncode == 0


@needs_engine
def test_other_types_are_refused(rng):
    coder, params, e, filters = job(rng)
    with pytest.raises(ValueError, match="needs float32 images: got float16"):
        by_engine(coder, params, e.astype(jnp.float16), filters, None, 1.0)
