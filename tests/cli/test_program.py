"""How commands start and end: Ctrl-C and SIGTERM at any time, in processes of their own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import ROOT

# Commands as small as possible, for no test has the time to wait for JAX.
COMMAND = """
import hashlib, os, signal, sys, time
from fnet_jax.cli.console import finish, say
from fnet_jax.runtime.pool import Pool


def work():
    kind = sys.argv[1]
    if kind == "input":
        from fnet_jax.errors import InputError
        raise InputError("x.png: not an image")
    if kind == "system":
        open("no such\\nfolder/x.png", encoding="utf-8")
    if kind == "package":
        import a_package_that_nobody_has.part
    if kind == "encoding":
        say(sys.getfilesystemencoding())
        return 0
    if kind == "pool":
        with Pool(2) as pool:
            futures = [pool.submit(time.sleep, 60) for _ in range(2)]
            say("ready")
            futures[0].result()
    say("ready")
    if kind == "sleep":
        time.sleep(60)
    if kind == "writing":
        import pathlib
        from fnet_jax.artifacts.files import replace_file, replace_folder
        with replace_folder(pathlib.Path("set")) as new, replace_file(pathlib.Path("a.txt")):
            (new / "part").write_text("x", encoding="utf-8")
            say("ready")
            time.sleep(60)
    if kind == "swallow":
        try:
            while True:
                time.sleep(0.01)
        except BaseException:
            time.sleep(60)
    if kind == "compute":  # for minutes, without an instruction of Python
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
    if kind == "program":  # another one, which is waited for
        import pathlib
        from eval.downstream import process
        other = [sys.executable, "-c", "import time; time.sleep(60)"]
        process.run(other, pathlib.Path("."), what="another")
    if kind == "redirected":
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        time.sleep(60)
    if kind == "own handler":
        signal.signal(signal.SIGINT, lambda *_: say("noted"))
        time.sleep(1)
        return 7
    if kind == "exit":
        import atexit
        atexit.register(time.sleep, 60)
    return 0


def main():
    return finish(work, stopped="what is there is whole")
"""

STARTED = """
from fnet_jax.cli.start import run

if __name__ == "__main__":
    run("little_command")
"""


@pytest.fixture(autouse=True)
def hang_up():
    """SIGHUP as a terminal gives it to programs, where nohup has started the tests."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def start(tmp_path):
    """Starts the little command in a group of its own; waits until it is ready."""
    (tmp_path / "little_command.py").write_text(COMMAND, encoding="utf-8")
    (tmp_path / "started.py").write_text(STARTED, encoding="utf-8")
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    started = []

    def call(kind, *, ready=True):
        process = subprocess.Popen(
            [sys.executable, "-m", "started", kind],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        if ready:
            assert process.stdout.readline() == "ready\n"
        return process

    yield call
    for process in started:
        process.kill()


def interrupted(process):
    """Status, output and errors of a command after Ctrl-C, which all processes of a group get."""
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


@pytest.mark.parametrize("kind", ["sleep", "swallow", "compute", "redirected", "exit", "program"])
def test_sigterm_ends_a_command_and_what_it_started(start, kind):
    process = start(kind)
    process.send_signal(signal.SIGTERM)  # to it alone, as kill and schedulers do
    out, err = process.communicate(timeout=30)  # until the pipes of all processes are closed
    assert (process.returncode, out, err) == (143, "", "stopped; what is there is whole\n")


def test_a_closed_terminal_ends_a_command_unless_that_is_ignored(start, monkeypatch):
    process = start("program")
    process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=30)[1] == "stopped; what is there is whole\n"
    assert process.returncode == 129
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as of nohup, which programs inherit
    try:
        process = start("sleep")
    finally:
        signal.signal(signal.SIGHUP, before)
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=0.5)


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_what_is_half_written_is_removed_at_the_end(start, tmp_path, how):
    before = {*tmp_path.iterdir()}
    process = start("writing")
    process.send_signal(getattr(signal, how))
    process.communicate(timeout=30)
    assert {path for path in tmp_path.iterdir() if path.name != "__pycache__"} <= before


@pytest.mark.parametrize("kind", ["sleep", "swallow", "compute", "pool", "redirected", "exit"])
def test_an_interruption_is_one_line_and_130(start, kind):
    process = start(kind)
    begin = time.monotonic()
    assert interrupted(process) == (130, "", "stopped; what is there is whole\n")
    assert time.monotonic() - begin < 10


def test_many_interruptions_are_one(start):
    process = start("pool")
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
    assert process.communicate() == ("", "stopped; what is there is whole\n")
    assert process.returncode == 130


def test_a_command_may_handle_interruptions_itself(start):
    process = start("own handler")
    time.sleep(0.3)
    assert interrupted(process) == (7, "noted\n", "")


def test_without_an_interruption_a_command_returns_its_status(start):
    process = start("input", ready=False)
    assert process.communicate(timeout=30) == ("", "error: x.png: not an image\n")
    assert process.returncode == 1


def test_a_missing_package_is_one_line_that_says_how_to_get_it(start):
    process = start("package", ready=False)
    line = "error: a_package_that_nobody_has is not installed; run pip install -e '.[train]'\n"
    assert process.communicate(timeout=30) == ("", line)
    assert process.returncode == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs a locale of ASCII")
def test_names_are_utf8_in_every_locale(start, monkeypatch):
    for name, value in (("LC_ALL", "C"), ("PYTHONUTF8", "0"), ("PYTHONCOERCECLOCALE", "0")):
        monkeypatch.setenv(name, value)
    process = start("encoding", ready=False)
    assert process.communicate(timeout=30) == ("utf-8\n", "")


def test_a_failure_of_the_system_is_one_line_that_names_the_file(start):
    process = start("system", ready=False)
    line = (
        r"error: no such\nfolder/x.png: no such file or directory; check the name and permissions"
    )
    assert process.communicate(timeout=30) == ("", f"{line}\n")
    assert process.returncode == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc to see the first instruction")
@pytest.mark.parametrize(
    ("delay", "call"),
    [
        (0.0, ["train.stage1", "--workdir", "runs", "--data", "synthetic"]),
        (0.1, ["eval.explain", "--samples", "--out", "out"]),
        (0.4, ["eval.explain", "--samples", "--out", "out"]),
        (0.9, ["eval.fuse", "--samples", "--out", "out"]),
    ],
)
def test_commands_are_interrupted_from_their_first_instruction(tmp_path, delay, call):
    process = subprocess.Popen(
        [sys.executable, "-m", *call],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while "SigBlk:\t0000000000000000" in status_of(process) and threads_of(process) == 1:
        assert process.poll() is None  # Python itself is starting
    time.sleep(delay)
    status, out, err = interrupted(process)
    assert (status, out) == (130, "")
    assert err.startswith("stopped; ")
    assert err.count("\n") == 1


def status_of(process):
    return Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")


def threads_of(process):
    return len(list(Path(f"/proc/{process.pid}/task").iterdir()))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_pool_ends_with_its_process(start, how):
    process = start("pool")
    process.send_signal(how)
    process.communicate(timeout=30)  # until the pipes of all processes are closed
    assert process.returncode == {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 143}[how]
