import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest

from fnet_jax.runtime import memory

CODE = """
import resource, sys
import numpy as np
from fnet_jax.runtime.memory import keep_freed
if sys.argv[1] == "keep":
    keep_freed()
def work():
    for _ in range(20):
        [np.ones(2**20) for _ in range(3)]
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this C library is not glibc")
def test_freed_pages_are_used_again():
    def faults(word):
        call = [sys.executable, "-c", CODE, word]
        return int(subprocess.run(call, capture_output=True, check=True).stdout)

    # 20 × 3 × 8 MB are 123,000 pages of 4 kB; kept, hardly any is asked for twice.
    assert faults("keep") < 1000


@pytest.fixture
def started(monkeypatch, tmp_path):
    """What ``use_huge_pages`` starts, on a system that gives huge pages to those who ask."""
    calls = []
    monkeypatch.setattr(memory.os, "execv", lambda *call: calls.append(call))
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(memory, "HUGE_PAGES", tmp_path / "enabled")
    memory.HUGE_PAGES.write_text("always [madvise] never\n")
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=0")
    return calls


def test_a_program_asks_for_huge_pages_once(started):
    memory.use_huge_pages()
    assert os.environ["GLIBC_TUNABLES"] == "glibc.malloc.check=0:glibc.malloc.hugetlb=1"
    assert started == [(sys.executable, [sys.executable, *sys.orig_argv[1:]])]
    memory.use_huge_pages()
    assert len(started) == 1


@pytest.mark.parametrize("enabled", ["[always] madvise never", "always madvise [never]", None])
def test_where_asking_changes_nothing_it_does_not(started, enabled):
    if enabled is None:
        memory.HUGE_PAGES.unlink()
    else:
        memory.HUGE_PAGES.write_text(enabled)
    memory.use_huge_pages()
    assert not started


@pytest.mark.parametrize("libc", [("glibc", "2.34"), ("", ""), ("glibc", "unknown")])
def test_without_a_glibc_that_can_it_does_not_ask(started, monkeypatch, libc):
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: libc)
    memory.use_huge_pages()
    assert not started


def test_a_program_that_is_started_again_does_its_work_once():
    code = "from fnet_jax.runtime.memory import use_huge_pages\nuse_huge_pages()\nprint('done')"
    call = [sys.executable, "-c", code]
    assert subprocess.run(call, capture_output=True, check=True).stdout.split() == [b"done"]


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """What is free on a machine with the given files of ``/proc`` and ``/sys/fs/cgroup``."""
    cpu = SimpleNamespace(platform="cpu")
    for name in ("SYSTEM_MEMORY", "OWN_GROUPS", "GROUPS"):
        monkeypatch.setattr(memory, name, tmp_path / name)

    def available(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        return memory.available(cpu)

    return available


def group(folder, limit, used, cache, *, version=2):
    names = ("max", "current") if version == 2 else ("limit_in_bytes", "usage_in_bytes")
    prefix = "" if version == 2 else "total_"
    return {
        f"{folder}__memory.{names[0]}": f"{limit}\n",
        f"{folder}__memory.{names[1]}": f"{used}\n",
        f"{folder}__memory.stat": f"anon 1\n{prefix}inactive_file {cache}\nfile 7\n",
    }


def test_free_memory_of_a_machine(machine):
    assert machine() is None
    assert machine(SYSTEM_MEMORY="MemFree: 1 kB\nMemAvailable:  3000 kB\n") == 3_072_000
    assert machine(OWN_GROUPS="0::/a/b\n") == 3_072_000
    assert machine(**group("GROUPS", "max", 5, 0)) == 3_072_000
    assert machine(**group("GROUPS__a__b", 2000, 500, 100)) == 1600  # pages of files are given up
    assert machine(**group("GROUPS__a", 1000, 500, 0)) == 500  # that of all processes in a
    assert machine(**group("GROUPS__a", 1000, 1200, 0)) == 0
    assert machine(SYSTEM_MEMORY="nonsense") == 0


def test_free_memory_under_the_older_control_groups(machine):
    machine(OWN_GROUPS="3:cpu,cpuacct:/x\n2:memory:/docker/1\n")
    assert machine(**group("GROUPS__memory", 9000, 500, 0, version=1)) == 8500  # of a container
    assert machine(**group("GROUPS__memory__docker__1", 2000, 500, 100, version=1)) == 1600


def test_free_memory_of_this_machine_is_sensible():
    free = memory.available(SimpleNamespace(platform="cpu"))
    assert platform.system() != "Linux" or 10**7 < free < 10**14


def test_free_memory_of_a_device_is_its_own():
    counted = {"bytes_limit": 1000, "bytes_in_use": 300}
    for platform_, expected in (("gpu", 700), ("tpu", 700)):
        device = SimpleNamespace(platform=platform_, memory_stats=lambda: counted)
        assert memory.available(device) == expected
    assert memory.available(SimpleNamespace(platform="gpu", memory_stats=lambda: None)) is None


def test_errors_of_too_little_memory():
    assert memory.exhausted(MemoryError())
    assert memory.exhausted(RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes."))
    assert not memory.exhausted(RuntimeError("INTERNAL: no"))
    assert not memory.exhausted(ValueError("RESOURCE_EXHAUSTED"))
