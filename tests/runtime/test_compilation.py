"""How programs are compiled, and that they are kept on disk between runs of a command."""

import os
import time
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from command import run

from fnet_jax import images
from fnet_jax.runtime import compilation


@pytest.fixture
def fuse(tmp_path, small_checkpoint, rng):
    """Runs ``eval.fuse`` on a pair with a cache folder of its own; returns what it wrote."""
    for name in ("vi", "ir"):
        images.write(tmp_path / f"{name}.png", rng.integers(0, 256, (40, 50), np.uint8))

    def call(**environment):
        given = {
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "JAX_COMPILATION_CACHE_DIR": "",  # not what tests share
            **environment,
        }
        flags = ["--ckpt", small_checkpoint, "--i1", "vi.png", "--i2", "ir.png", "--out", "out"]
        done = run("eval.fuse", *flags, "--overwrite", cwd=tmp_path, environment=given)
        assert done.returncode == 0, done.stderr
        return images.read(tmp_path / "out/vi.png"), done.stderr

    return call


def programs(folder):
    """Kept programs by name, with their bytes."""
    return {path.name: path.read_bytes() for path in folder.rglob("*-cache")}


def test_a_second_run_uses_what_the_first_compiled(fuse, tmp_path):
    first, _ = fuse()
    kept = programs(tmp_path / "cache/fnet-jax")
    assert any(name.startswith("jit__fuse_inside") for name in kept)
    second, said = fuse()
    assert programs(tmp_path / "cache/fnet-jax") == kept
    np.testing.assert_array_equal(second, first)
    assert said == ""
    for path in (tmp_path / "cache/fnet-jax").rglob("*-cache"):
        path.write_bytes(path.read_bytes()[:100])  # a damaged program is compiled anew
    third, _ = fuse()
    np.testing.assert_array_equal(third, first)


def test_nothing_is_kept_where_that_is_asked_or_impossible(fuse, tmp_path):
    fuse(JAX_ENABLE_COMPILATION_CACHE="false")
    assert not (tmp_path / "cache").exists()
    (tmp_path / "cache").write_text("a file, not a folder")
    fuse()
    (tmp_path / "cache").unlink()
    fuse(JAX_COMPILATION_CACHE_DIR=str(tmp_path / "mine"))
    assert not (tmp_path / "cache").exists()


def test_a_cpu_compiles_with_options_that_its_compiler_knows(small_network):
    network, params = small_network
    options = compilation.options(jax.devices("cpu")[0])
    assert options
    image = jnp.zeros((1, 8, 8, 1))
    apply = lambda params, image: network.apply(params, image, image)[0]
    plain, fast = (jax.jit(apply, compiler_options=o)(params, image) for o in (None, options))
    # The same sums, compiled in another way.
    np.testing.assert_allclose(fast, plain, atol=1e-6)


def test_other_platforms_keep_their_own_options():
    assert compilation.options(types.SimpleNamespace(platform="gpu")) is None


def test_what_a_killed_process_left_is_removed(tmp_path, monkeypatch):
    old = time.time() - 3600
    for name in ("whole", "half", "being_written"):
        (tmp_path / f"fnet-jax/{name}-cache").parent.mkdir(exist_ok=True)
        (tmp_path / f"fnet-jax/{name}-cache").write_bytes(b"program")
    (tmp_path / "fnet-jax/whole-atime").write_bytes(b"time")
    for name in ("whole", "half"):
        os.utime(tmp_path / f"fnet-jax/{name}-cache", (old, old))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    told = {"jax_compilation_cache_dir": None, "jax_enable_compilation_cache": True}
    monkeypatch.setattr(jax, "config", types.SimpleNamespace(values=told, update=told.__setitem__))
    for evicts in (None, "found"):  # where JAX does not evict, it writes no times
        monkeypatch.setattr(compilation.importlib.util, "find_spec", lambda _, found=evicts: found)
        told["jax_compilation_cache_dir"] = None
        compilation.keep_programs()
        left = set(programs(tmp_path)) - {"whole-cache", "being_written-cache"}
        assert left == (set() if evicts else {"half-cache"})
        assert ("jax_compilation_cache_max_size" in told) == bool(evicts)
    assert set(programs(tmp_path)) == {"whole-cache", "being_written-cache"}
