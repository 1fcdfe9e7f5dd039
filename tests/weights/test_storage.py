import os

import numpy as np
import pytest

from fnet_jax.errors import InputError
from fnet_jax.weights import storage

ARRAYS = {"params": {"a": np.arange(6.0, dtype=np.float32).reshape(2, 3), "b": {"c": np.int32(3)}}}


@pytest.mark.parametrize(
    "name", ["run[1]", "a\\b", "a*", "?", "{a}", "%41#:~", " a ", "é", "a\udcff", "a\nb", "[[]"]
)
def test_every_folder_name_works(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    (tmp_path / "aX/new/params/ocdbt.process_0").mkdir(parents=True)  # which a* matches
    storage.check_folder(folder)
    assert os.listdir(folder) == []
    storage.write(folder / "new", ARRAYS, {"é": 1})
    assert os.listdir(folder) == ["new"]
    assert storage.describe(folder / "new") == {"é": 1}
    (folder / "new").rename(folder / name)  # the checkpoint itself may be called so, too
    found = storage.read(folder / name, "params")
    np.testing.assert_array_equal(found["a"], ARRAYS["params"]["a"])
    assert found["b"]["c"] == 3
    assert storage.shapes(folder / name, "params")["a"].shape == (2, 3)


def test_a_folder_that_cannot_be_reached_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "DESCRIPTORS", tmp_path / "none")
    (tmp_path / "run[1]").mkdir()
    with pytest.raises(InputError, match="use another path"):
        storage.check_folder(tmp_path / "run[1]")
    storage.check_folder(tmp_path)


def test_what_cannot_be_read_back_is_not_written(tmp_path, monkeypatch):
    """However Orbax comes to lose an array or to change it."""
    read = storage.read
    for change in (lambda found: found.pop("a"), lambda found: found["a"].__setitem__(0, 1)):

        def changed(folder, item, change=change):
            found = read(folder, item)
            found = {"a": found["a"].copy(), "b": found["b"]}
            change(found)
            return found

        monkeypatch.setattr(storage, "read", changed)
        with pytest.raises(RuntimeError, match="params/a differs from what was written"):
            storage.write(tmp_path / f"{change.__code__.co_firstlineno}{id(change)}", ARRAYS, {})


def test_no_array_is_read_for_its_shape(tmp_path):
    storage.write(tmp_path / "a", ARRAYS, {})
    for file in (tmp_path / "a/params").rglob("*"):
        if file.is_file() and file.parent.name == "d":
            assert file.stat().st_size < 2**20
    assert storage.shapes(tmp_path / "a", "params")["b"]["c"].shape == ()


def test_a_full_disk_is_called_that(tmp_path, capfd):
    """One line, nothing that a thread prints, and nothing left behind."""
    resource = pytest.importorskip("resource", reason="this system has no such limits")
    big = {"params": {"a": np.random.default_rng(0).normal(size=100_000)}}
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        with (
            pytest.raises(InputError, match="here .file too large.; remedy"),
            storage.explained("here", "remedy"),
        ):
            storage.write(tmp_path / "new", big, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == []
    assert capfd.readouterr().err == ""
    storage.write(tmp_path / "new", big, {})


def test_causes_are_those_of_the_system():
    long = "OUT_OF_RANGE: " + 'Error writing "a" in OCDBT database: ' * 30
    for error in (
        OSError(28, "No space left on device", "a"),
        ValueError(f"{long}: No space left on device [os_error_code='28'] [source locations='x']"),
    ):
        outer = RuntimeError("a thread failed")
        outer.__cause__ = error
        assert storage.cause(outer) == "no space left on device"
    assert storage.cause(MemoryError()) == "MemoryError"
