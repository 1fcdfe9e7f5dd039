import errno
from pathlib import Path

import pytest

from fnet_jax.artifacts.files import replace_text, sha256, writable
from fnet_jax.errors import InputError


def test_text_is_written_in_utf_8_and_replaces_what_is_there(tmp_path):
    for text in ("old and longer\n", "µ ↑\n"):
        replace_text(tmp_path / "a.md", text)
        assert (tmp_path / "a.md").read_bytes() == text.encode("utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["a.md"]


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path, monkeypatch):
    replace_text(tmp_path / "a.md", "precious")
    whole = Path.write_bytes

    def until_the_disk_is_full(path, data):
        whole(path, data[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", until_the_disk_is_full)
    for name in ("a.md", "b.md"):
        with pytest.raises(OSError, match="No space left"):
            replace_text(tmp_path / name, "new text")
    assert (tmp_path / "a.md").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["a.md"]


def test_a_name_that_is_no_utf_8_is_written_as_far_as_it_is(tmp_path):
    replace_text(tmp_path / "a.md", f"name: {chr(0xDCFF)}.png")
    assert (tmp_path / "a.md").read_text() == "name: ?.png"


def test_failures_to_write_name_the_file_and_what_to_do(tmp_path):
    path = tmp_path / "gone/a.md"
    with (
        pytest.raises(InputError) as failed,
        writable(path, remedy="give another --out"),
    ):
        replace_text(path, "text")
    assert str(failed.value) == (
        f"{path}: cannot be written (No such file or directory); check space and permissions "
        "there, or give another --out"
    )


def test_other_errors_are_left_alone(tmp_path):
    with pytest.raises(KeyError), writable(tmp_path, remedy="give another --out"):
        raise KeyError
    with (
        pytest.raises(InputError, match="^as it is$"),
        writable(tmp_path, remedy="give another --out"),
    ):
        raise InputError("as it is")


def test_checksums_are_sha_256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    # The example of FIPS 180-2, appendix B.1
    assert sha256(tmp_path / "a") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    with pytest.raises(FileNotFoundError):
        sha256(tmp_path / "b")
