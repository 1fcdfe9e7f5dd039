import os
import platform
import subprocess
import sys

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
