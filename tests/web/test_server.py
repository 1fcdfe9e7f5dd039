"""The command as a process, its address and its private folder."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
from command import ROOT
from web_client import NEEDED, Client

from fnet_jax.cli import web

try:
    from fnet_jax.web import server
except ModuleNotFoundError:
    server = None
needs_server = pytest.mark.skipif(server is None, reason=NEEDED)


@pytest.fixture
def start(tmp_path):
    """Starts the command with a temporary folder of its own; gives it and its client."""
    started = []

    def call(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "fnet_jax", "web", "--no-open", "--size", "xxxs", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        address = process.stdout.readline().strip()
        return process, Client(address, tmp_path)

    yield call
    for process in started:
        process.kill()
        process.communicate()


def private(folder):
    return sorted(folder.glob(f"{server.PREFIX}*"))


@needs_server
@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_the_private_folder_goes_with_its_process_or_with_the_next(start, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        first, client = start("--port", str(taken))
    assert client.host.startswith("127.0.0.1:")
    assert int(client.host.partition(":")[2]) != taken
    assert client.get("api/about").status == 200
    assert client.upload(b"private", "a.png").status == 200
    (folder,) = private(tmp_path)
    assert folder.stat().st_mode & 0o077 == 0  # of this user alone
    first.kill()
    first.communicate()
    assert private(tmp_path) == [folder]
    assert {path.name for path in tmp_path.iterdir()} == {folder.name}
    os.utime(folder, (time.time() - 60,) * 2)  # a younger one may be of a process that starts

    second, client = start("--port", "0")
    assert folder not in private(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500), dtype=np.uint8)
    key = client.upload(noise, "a.png").json["file"]
    waiting = http.client.HTTPConnection(client.host)
    waiting.connect()
    asked = json.dumps({"i1": key, "i2": client.upload(noise).json["file"], "size": "base"})
    waiting.request("POST", f"{client.base}api/pairs", body=asked)  # which takes seconds
    time.sleep(0.2)
    second.send_signal(signal.SIGTERM)
    out, err = second.communicate(timeout=5)
    assert (second.returncode, err) == (143, "stopped; the page is closed\n")
    assert private(tmp_path) == []
    with pytest.raises((OSError, http.client.HTTPException)):
        waiting.getresponse()
    waiting.close()


@needs_server
def test_another_port_is_taken_where_one_is_in_use():
    with server.listening("127.0.0.1", 0) as one:
        port = one.getsockname()[1]
        with server.listening("127.0.0.1", port) as two:
            assert two.getsockname()[1] not in (0, port)


@needs_server
def test_a_host_that_is_none_of_this_machine_is_one_line(capsys):
    for host in ("192.0.2.1", "no such host"):
        assert web.main(["--no-open", "--host", host]) == 1
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith(f"error: --host {host}: ")
        assert line.endswith("; use 127.0.0.1")


@needs_server
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_loopback_has_several_names(host):
    found = server.addresses(host, 80)
    assert {"127.0.0.1:80", "localhost:80", "[::1]:80"} == {*found}


@needs_server
def test_another_host_is_only_itself():
    assert server.addresses("192.0.2.1", 80) == ["192.0.2.1:80"]


@needs_server
def test_all_interfaces_are_reached_by_the_names_of_this_machine():
    found = server.addresses("0.0.0.0", 80)
    assert f"{socket.gethostname().lower()}:80" in found
    assert "127.0.0.1:80" in found
    assert not any("0.0.0.0" in name for name in found)


@pytest.fixture
def served(monkeypatch):
    """What would be served, instead of serving it."""
    calls = []

    def serve(host, port, *, limits, size, opened):
        calls.append((host, port, limits, size))
        opened("http://127.0.0.1:1/token/")

    monkeypatch.setattr("fnet_jax.web.server.serve", serve)
    monkeypatch.setattr("webbrowser.open", calls.append)
    return calls


@needs_server
def test_the_address_is_printed_and_opened_unless_told_otherwise(served, capsys):
    assert web.main([]) == 0
    assert capsys.readouterr() == ("http://127.0.0.1:1/token/\n(press Ctrl-C to stop)\n", "")
    assert served[-1] == "http://127.0.0.1:1/token/"
    assert web.main(["--no-open"]) == 0
    assert served[-1] != "http://127.0.0.1:1/token/"


@needs_server
def test_limits_are_flags(served):
    web.main(["--no-open", "--max-pixels", "1000", "--max-megabytes", "3", "--size", "base"])
    ((_, _, limits, size),) = served
    assert (limits.pixels, limits.bytes, size) == (1000, 3 * 2**20, "base")


@needs_server
def test_other_hosts_than_this_one_are_warned_of(served, capsys):
    for host in ("127.0.0.1", "localhost"):
        web.main(["--no-open", "--host", host])
        assert capsys.readouterr().err == ""
    web.main(["--no-open", "--host", "0.0.0.0"])
    line = "warning: --host 0.0.0.0: other machines can reach this page; it is not encrypted\n"
    assert capsys.readouterr().err == line


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_a_missing_package_is_one_line_with_the_remedy(monkeypatch, capsys, package):
    found = {"starlette": "there", "uvicorn": "there"} | {package: None}
    monkeypatch.setattr(web.importlib.util, "find_spec", found.get)
    assert web.main(["--no-open"]) == 1
    line = f"error: {package} is not installed; run pip install 'fnet-jax[web]'\n"
    assert capsys.readouterr() == ("", line)


@needs_server
def test_the_token_is_long_and_differs():
    tokens = set()
    for _ in range(3):
        with server.listening("127.0.0.1", 0) as listener:
            made = server.prepared("127.0.0.1", listener, None, limits=server.Limits(), size="xxxs")
            tokens.add(urlsplit(made[1]).path.strip("/"))
    assert len(tokens) == 3
    assert min(map(len, tokens)) >= 22  # 128 bits
