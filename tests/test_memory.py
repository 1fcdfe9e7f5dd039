import platform
import subprocess
import sys

import pytest

CODE = """
import resource, sys
import numpy as np
from fnet_jax.memory import keep_freed
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
