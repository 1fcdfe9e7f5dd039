import sys
from pathlib import Path

import pytest

from eval.downstream import process
from fnet_jax.errors import InputError


def test_lines_come_as_they_are_printed(tmp_path):
    lines = []
    call = [sys.executable, "-c", "print('one'); print('two')"]
    process.run(call, tmp_path, what="it", each=lines.append)
    assert lines == ["one", "two"]
    assert (tmp_path / process.LOG).read_text(encoding="utf-8") == "one\ntwo\n"


def test_a_failure_is_told_with_the_last_lines(tmp_path):
    code = "import sys; print('fine'); print('no memory', file=sys.stderr); sys.exit(3)"
    message = r"it failed with status 3: fine \| no memory; see .*log\.txt"
    with pytest.raises(InputError, match=message):
        process.run([sys.executable, "-c", code], tmp_path, what="it")


def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="make downstream"):
        process.run([tmp_path / "python"], tmp_path, what="it")


def test_a_program_ends_with_what_waits_for_it(tmp_path):
    """An error in what takes its lines, such as Ctrl-C, does not leave it running."""
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    pids = []

    def each(line):
        pids.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process.run([sys.executable, "-c", code], tmp_path, what="it", each=each)
    assert not Path(f"/proc/{pids[0]}").exists()


def test_versions_are_those_of_the_interpreter():
    found = process.versions(Path(sys.executable), ["numpy", "pillow"])
    import numpy

    assert found["numpy"] == numpy.__version__
    assert set(found) == {"Python", "numpy", "pillow"}
    with pytest.raises(InputError, match="lacks nothing-like-this; run make downstream"):
        process.versions(Path(sys.executable), ["numpy", "nothing-like-this"])
