"""How programs are compiled, and that they are kept on disk between runs of a command."""

import atexit
import itertools
import os
import time
import types
import zlib
from pathlib import Path

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

    def call():
        given = {
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "JAX_COMPILATION_CACHE_DIR": "",  # not what tests share
        }
        flags = ["--ckpt", small_checkpoint, "--i1", "vi.png", "--i2", "ir.png", "--out", "out"]
        done = run("eval.fuse", *flags, "--overwrite", cwd=tmp_path, environment=given)
        assert done.returncode == 0, done.stderr
        return images.read(tmp_path / "out/vi.png"), done.stderr

    return call


def programs(folder):
    """Kept programs by name, with their bytes."""
    return {path.name: path.read_bytes() for path in folder.rglob("*-cache")}


def test_a_second_run_uses_what_the_first_compiled_unless_it_is_damaged(fuse, tmp_path):
    first, _ = fuse()
    folder = tmp_path / "cache/fnet-jax"
    kept = programs(folder)
    assert any("fuse" in name for name in kept)
    second, said = fuse()
    assert programs(folder) == kept
    np.testing.assert_array_equal(second, first)
    assert said == ""
    for (name, content), length in zip(kept.items(), itertools.cycle([100, 0])):
        (folder / name).write_bytes(content[:length])
    third, said = fuse()
    np.testing.assert_array_equal(third, first)
    assert said == ""
    assert {name: len(x) > 1000 for name, x in programs(folder).items()} == dict.fromkeys(
        kept, True
    )


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


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A folder with programs as JAX keeps them, and a process that is about to use it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    at_exit = []
    monkeypatch.setattr(atexit, "register", lambda *work: at_exit.append((work[0], work[1:])))
    values = {}
    monkeypatch.setattr(
        jax, "config", types.SimpleNamespace(values=values, update=values.__setitem__)
    )
    folder = tmp_path / "fnet-jax"
    folder.mkdir()

    def write(*names):
        for name in names:
            (folder / f"{name}-cache").write_bytes(zlib.compress(name.encode() * 99))
            (folder / f"{name}-atime").write_bytes(b"time")

    def process(*, work=lambda: None, killed=False, **settings):
        """Keeps programs as a process does from its start to its end."""
        values.clear()
        values.update(jax_compilation_cache_dir=None, jax_enable_compilation_cache=True)
        values.update(settings)
        at_exit.clear()
        compilation.keep_programs()
        work()
        for at_the_end, given in () if killed else at_exit:
            at_the_end(*given)

    return types.SimpleNamespace(folder=folder, write=write, process=process, values=values)


def names(folder):
    return {path.name.removesuffix("-cache") for path in folder.glob("*-cache")}


def flipped(content):
    return bytes([*content[:-9], content[-9] ^ 1, *content[-8:]])


@pytest.mark.parametrize("recorded", [True, False], ids=["checksum", "no checksum yet"])
@pytest.mark.parametrize("damage", [flipped, lambda content: content[:-1], lambda content: b""])
def test_damaged_programs_are_removed(kept, damage, recorded):
    kept.write("a", "b")
    if recorded:
        kept.process()
    path = kept.folder / "a-cache"
    path.write_bytes(damage(path.read_bytes()))
    kept.process(killed=True)
    assert names(kept.folder) == {"b"}
    assert not list(kept.folder.glob("a-*"))


def test_damage_that_decompresses_is_noticed_too(kept):
    kept.write("a", "b")
    kept.process()
    (kept.folder / "a-cache").write_bytes(zlib.compress(b"another program"))
    kept.process()
    assert names(kept.folder) == {"b"}


def test_a_program_that_was_compiled_again_is_kept(kept):
    kept.write("a")
    kept.process()

    def compile_again():
        old = time.time() - 3600
        os.utime(kept.folder / "a-sha256", (old, old))
        (kept.folder / "a-cache").write_bytes(zlib.compress(b"another program"))

    kept.process(work=compile_again)
    kept.process()
    assert names(kept.folder) == {"a"}


def test_what_a_killed_process_left_is_removed(kept):
    kept.write("a", "half")
    (kept.folder / "half-atime").unlink()
    for name in ("evicted-atime", "evicted-sha256"):
        (kept.folder / name).write_bytes(b"")
    kept.process()
    assert {path.name for path in kept.folder.iterdir()} - {".lockfile"} == {
        "a-cache",
        "a-atime",
        "a-sha256",
    }


def test_the_folder_is_bounded(kept):
    kept.process()
    assert kept.values["jax_compilation_cache_dir"] == str(kept.folder)
    assert kept.values["jax_compilation_cache_max_size"] == compilation.LARGEST


@pytest.mark.parametrize(
    "asked", [{"jax_enable_compilation_cache": False}, {"jax_compilation_cache_dir": "mine"}]
)
def test_what_the_user_asked_for_is_left_as_it_is(kept, asked):
    kept.folder.rmdir()
    kept.process(**asked)
    assert kept.values.items() >= asked.items()
    assert "jax_compilation_cache_max_size" not in kept.values
    assert not kept.folder.exists()


def test_without_a_folder_programs_are_not_kept(kept):
    kept.folder.rmdir()
    kept.folder.write_text("a file, not a folder", encoding="utf-8")
    kept.process()
    assert kept.values["jax_compilation_cache_dir"] is None


def test_without_a_home_programs_are_not_kept(kept, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")

    def expanduser(_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", expanduser)
    kept.process()
    assert kept.values["jax_compilation_cache_dir"] is None
