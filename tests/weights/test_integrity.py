import os
import shutil
import subprocess

import pytest

from fnet_jax.errors import DamagedError, InputError
from fnet_jax.weights import integrity

DIGEST = "0" * 64


@pytest.fixture
def checkpoint(tmp_path):
    """A folder with the files that each checkpoint has, and a list of them."""
    folder = tmp_path / "checkpoint"
    for name in integrity.LISTED:
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(name)
    integrity.write_sums(folder)
    (tmp_path / "outside").write_text("secret")
    return folder


def with_line(folder, line):
    """Adds a line to the list; returns its number."""
    content = (folder / integrity.SUMS).read_bytes()
    (folder / integrity.SUMS).write_bytes(content + line + b"\n")
    return content.count(b"\n") + 1


def test_what_was_written_is_accepted(checkpoint):
    integrity.check_files(checkpoint)
    link = checkpoint.with_name("link")
    link.symlink_to(checkpoint)
    integrity.check_files(link)
    (checkpoint / ".DS_Store").touch()
    integrity.check_files(checkpoint)


def test_sums_are_those_of_sha256sum(small_checkpoint):
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not installed")
    call = ["sha256sum", "--check", "--strict", integrity.SUMS]
    done = subprocess.run(call, cwd=small_checkpoint, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_link_inside_is_followed(checkpoint):
    (checkpoint / "meta/real").write_text("meta/metadata")
    (checkpoint / "meta/metadata").unlink()
    (checkpoint / "meta/metadata").symlink_to("real")
    integrity.check_files(checkpoint)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/dev/zero", "not a path inside the checkpoint"),
        ("../outside", "not a path inside the checkpoint"),
        ("meta/../meta/metadata", "not a path inside the checkpoint"),
        ("./meta/metadata", "not a path inside the checkpoint"),
        ("meta//metadata", "not a path inside the checkpoint"),
        ("link", "leads out of the checkpoint"),
        ("device", "leads out of the checkpoint"),
        ("folder/outside", "leads out of the checkpoint"),
        ("pipe", "not a regular file"),
        ("meta", "not a regular file"),
    ],
)
def test_only_regular_files_inside_are_opened(checkpoint, monkeypatch, name, message):
    make = {
        "link": lambda: (checkpoint / "link").symlink_to("../outside"),
        "device": lambda: (checkpoint / "device").symlink_to("/dev/zero"),
        "folder": lambda: (checkpoint / "folder").symlink_to(".."),
        "pipe": lambda: os.mkfifo(checkpoint / "pipe"),
    }
    make.get(name.split("/")[0], lambda: None)()
    number = with_line(checkpoint, f"{DIGEST}  {name}".encode())
    opened = []
    monkeypatch.setattr(integrity, "sha256", lambda path: opened.append(path) or DIGEST)
    lines = (checkpoint / integrity.SUMS).read_text().splitlines()
    (checkpoint / integrity.SUMS).write_text("".join(f"{DIGEST}{x[64:]}\n" for x in lines))
    with pytest.raises(DamagedError, match=f"(line {number}: |checkpoint/).*{message}"):
        integrity.check_files(checkpoint)
    assert {path.name for path in opened} <= {"metadata", "_METADATA"}


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"",
        b"0" * 63 + b"g  meta/metadata",
        b"0" * 65 + b"  meta/metadata",
        b"0" * 64 + b" meta/metadata",
        b"0" * 64 + b"  ",
        b"0" * 64 + b"  a\x00b",
        b"0" * 64 + b"  a\xffb\r",
        b"0" * 64 + b"  meta/metadata",
        b"\\" + b"0" * 64 + b"  meta/metadata",
    ],
)
def test_lines_that_are_none_are_refused_by_number(checkpoint, line):
    number = with_line(checkpoint, line)
    with_line(checkpoint, f"{DIGEST}  last".encode())
    with pytest.raises(DamagedError, match=f"line {number}: "):
        integrity.check_files(checkpoint)


@pytest.mark.parametrize("place", ["params/manifest.ocdbt", "meta/d", "a"])
def test_files_that_are_not_listed_are_regular_ones_inside_too(checkpoint, place):
    """Else what reads the checkpoint would hang at a pipe, or read what is not in it."""
    (checkpoint / place).symlink_to("nowhere")  # which nothing can read
    integrity.check_files(checkpoint)
    (checkpoint / place).unlink()
    os.mkfifo(checkpoint / place)
    with pytest.raises(DamagedError, match=f"{place} is not a regular file"):
        integrity.check_files(checkpoint)
    (checkpoint / place).unlink()
    for target in ("/dev/zero", checkpoint.parent / "outside", checkpoint.parent):
        (checkpoint / place).symlink_to(target)
        with pytest.raises(DamagedError, match=f"{place} leads out of the checkpoint"):
            integrity.check_files(checkpoint)
        (checkpoint / place).unlink()


def test_lists_that_cannot_be_used(checkpoint):
    sums = checkpoint / integrity.SUMS
    text = sums.read_text()
    sums.write_text(text.splitlines()[0] + "\n")
    with pytest.raises(DamagedError, match="does not list params/_METADATA"):
        integrity.check_files(checkpoint)
    sums.write_text("0" * (integrity.LARGEST_LIST + 1))
    with pytest.raises(DamagedError, match="too long"):
        integrity.check_files(checkpoint)
    sums.unlink()
    with pytest.raises(DamagedError, match="is missing; the checkpoint is damaged"):
        integrity.check_files(checkpoint)
    sums.symlink_to("/dev/zero")
    with pytest.raises(DamagedError, match="leads out"):
        integrity.check_files(checkpoint)
    sums.unlink()
    os.mkfifo(sums)
    with pytest.raises(DamagedError, match="not a regular file"):
        integrity.check_files(checkpoint)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(13, "Permission denied"), "permission denied"),
        (OSError(24, "Too many open files"), "cannot be read .too many open files"),
        (OSError(5, "Input/output error"), "cannot be read .input/output error"),
    ],
)
def test_other_failures_are_not_called_damage(checkpoint, monkeypatch, error, message):
    def failing(path):
        raise error

    monkeypatch.setattr(integrity, "sha256", failing)
    with pytest.raises(InputError, match=message) as found:
        integrity.check_files(checkpoint)
    assert not isinstance(found.value, DamagedError)
    assert "damaged" not in str(found.value)
