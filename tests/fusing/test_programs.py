import gc
import logging
import weakref

import jax
import numpy as np
import pytest

from fnet_jax.fusing.programs import Programs


@pytest.fixture
def run(small_network):
    """Runs the program for images of a size, in arrays as large."""
    network, params = small_network

    def run(programs, height, width):
        array = np.zeros((1, height, width, 1), np.float32)
        return programs("fuse", params, array, array, np.array([height, width], np.int32))

    run.programs = lambda **options: Programs(network, jax.local_devices()[-1], **options)
    return run


def test_programs_run_on_their_device(run):
    programs = run.programs()
    assert run(programs, 8, 16).devices() == {jax.local_devices()[-1]}
    assert programs.shapes("fuse") == [(8, 16)]
    assert programs.shapes("unique") == []


def test_those_not_used_for_longest_go(run, caplog):
    programs = run.programs(most=2)
    with caplog.at_level(logging.INFO, "fnet_jax"):
        run(programs, 8, 8)
        run(programs, 8, 16)
        assert programs.full
        run(programs, 8, 8)
        assert programs.compiled == 2
        run(programs, 16, 8)  # takes the place of 8×16
    assert programs.shapes("fuse") == [(8, 8), (16, 8)]
    assert len(programs) == 2
    assert programs.compiled == 3
    lines = [record.message for record in caplog.records]
    assert lines[-1] == "compilation 3: fuse, 8×16 (width×height)"
    assert len(lines) == 3


def test_what_goes_leaves_memory(run, small_network):
    network, params = small_network
    programs = run.programs(most=1)
    array, size = jax.ShapeDtypeStruct((1, 8, 8, 1), np.float32), np.array([8, 8], np.int32)
    gone = weakref.ref(programs.get("fuse", params, array, array, size))
    assert gone() is not None
    run(programs, 8, 16)
    gc.collect()
    assert gone() is None
