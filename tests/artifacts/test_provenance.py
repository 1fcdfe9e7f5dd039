import datetime
import platform
import re
import time

import numpy as np
import pytest

from fnet_jax.artifacts.files import sha256
from fnet_jax.artifacts.provenance import (
    NETWORK,
    SCORING,
    fingerprint,
    fingerprint_of,
    today,
    versions,
)
from fnet_jax.version import __version__


@pytest.fixture
def files(tmp_path):
    """Three files and their names."""
    for name in "abc":
        (tmp_path / name).write_bytes(name.encode() * 10)
    return [(name, tmp_path / name) for name in "abc"]


def test_versions_are_those_installed():
    found = versions("numpy", "no-such-package")
    assert list(found) == ["fnet-jax", "Python", "numpy", "no-such-package"]
    assert found["fnet-jax"] == __version__
    assert found["Python"] == platform.python_version()
    assert found["numpy"] == np.__version__
    assert found["no-such-package"] == "unknown"
    assert "unknown" not in versions(*SCORING, *NETWORK).values()


def test_fingerprints_do_not_depend_on_order_nor_on_where_files_lie(files, tmp_path):
    one = fingerprint(files)
    assert re.fullmatch("[0-9a-f]{64}", one)
    assert fingerprint(reversed(files)) == one
    (tmp_path / "elsewhere").mkdir()
    moved = [(name, path.rename(tmp_path / "elsewhere" / f"{name}{name}")) for name, path in files]
    assert fingerprint(moved) == one
    assert fingerprint_of({name: sha256(path) for name, path in moved}) == one


def test_fingerprints_change_with_a_byte_a_name_a_file_and_who_is_who(files, tmp_path):
    (a, file_a), (b, file_b), c = files
    seen = {
        fingerprint(files),
        fingerprint([("d", file_a), (b, file_b), c]),
        fingerprint([(a, file_b), (b, file_a), c]),
        fingerprint(files[:2]),
        fingerprint([*files, ("d", file_a)]),
        fingerprint([]),
    }
    file_a.write_bytes(b"aaaaaaaaab")
    seen.add(fingerprint(files))
    file_a.write_bytes(b"")
    seen.add(fingerprint(files))
    file_a.unlink()
    seen.add(fingerprint(files))  # unreadable is not empty, nor left out
    assert len(seen) == 9


def test_the_date_is_that_of_utc(monkeypatch):
    for zone in ("Etc/GMT+12", "Etc/GMT-14"):  # one of them has another date at any time
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        before, found, after = _utc(), today(), _utc()
        assert before <= found <= after
    monkeypatch.undo()
    time.tzset()


def _utc():
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
