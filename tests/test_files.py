import hashlib

import pytest

from fnet_jax.errors import InputError
from fnet_jax.files import replace_text, sha256, writable


def test_text_replaces_what_is_there(tmp_path):
    path = tmp_path / "a.txt"
    for text in ("first", "zweiter: ≤ ü"):
        replace_text(path, text)
        assert path.read_text(encoding="utf-8") == text
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_what_cannot_be_written_is_named(tmp_path):
    path = tmp_path / "nowhere" / "a.txt"
    with (
        pytest.raises(InputError, match=r"a\.txt: cannot be written .*; .*, or pray"),
        writable(path, remedy="pray"),
    ):
        replace_text(path, "text")


def test_checksum_of_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
