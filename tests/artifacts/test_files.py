import errno
import io
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from command import ROOT

from fnet_jax.artifacts import drafts
from fnet_jax.artifacts.files import (
    read_text,
    replace_file,
    replace_folder,
    replace_text,
    sha256,
    writable,
)
from fnet_jax.errors import InputError

WRITING = drafts.WRITING


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fill(folder, text):
    (folder / "one").write_text(text, encoding="utf-8")
    (folder / "below").mkdir()
    (folder / "below/two").write_text(text, encoding="utf-8")


def content(folder):
    return {(folder / name).read_text(encoding="utf-8") for name in ("one", "below/two")}


def test_text_is_written_in_utf_8_and_replaces_what_is_there(tmp_path):
    for text in ("old and longer\n", "µ ↑\n"):
        replace_text(tmp_path / "a.md", text)
        assert (tmp_path / "a.md").read_bytes() == text.encode("utf-8")
    assert names(tmp_path) == ["a.md"]


@pytest.fixture
def full_disk(monkeypatch):
    def fsync(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path, full_disk):
    (tmp_path / "a.md").write_text("precious", encoding="utf-8")
    for name in ("a.md", "b.md"):
        with pytest.raises(OSError, match="No space left"):
            replace_text(tmp_path / name, "new text")
    assert (tmp_path / "a.md").read_text(encoding="utf-8") == "precious"
    assert names(tmp_path) == ["a.md"]


def test_a_folder_that_cannot_be_written_whole_stays_as_it_was(tmp_path, full_disk):
    (tmp_path / "a").mkdir()
    fill(tmp_path / "a", "precious")
    for name in ("a", "b"):
        with pytest.raises(OSError, match="No space left"), replace_folder(tmp_path / name) as new:
            fill(new, "new")
    assert content(tmp_path / "a") == {"precious"}
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "two renames"])
def test_a_folder_is_replaced_only_if_asked(tmp_path, monkeypatch, exchange):
    if not exchange:

        def impossible(one, two):
            raise OSError(errno.EINVAL, "Invalid argument")

        monkeypatch.setattr(drafts, "_exchange", impossible)
    (tmp_path / "a").mkdir()  # empty
    with replace_folder(tmp_path / "a", overwrite=False) as new:
        fill(new, "first")
    with (
        pytest.raises(FileExistsError),
        replace_folder(tmp_path / "a", overwrite=False) as new,
    ):
        fill(new, "second")
    assert content(tmp_path / "a") == {"first"}
    (tmp_path / "a/three").touch()
    with replace_folder(tmp_path / "a") as new:
        fill(new, "second")
    assert content(tmp_path / "a") == {"second"}
    assert names(tmp_path / "a") == ["below", "one"]
    with pytest.raises(FileNotFoundError), replace_folder(tmp_path / "a") as new:
        fill(new / "missing", "third")
    assert content(tmp_path / "a") == {"second"}
    assert names(tmp_path) == ["a"]


def test_a_file_is_replaced_only_if_asked(tmp_path):
    with replace_file(tmp_path / "a", overwrite=False) as file:
        file.write(b"first")
    with pytest.raises(FileExistsError), replace_file(tmp_path / "a", overwrite=False) as file:
        file.write(b"second")
    assert (tmp_path / "a").read_bytes() == b"first"
    with pytest.raises(NotADirectoryError), replace_folder(tmp_path / "a"):
        pass
    assert (tmp_path / "a").read_bytes() == b"first"
    assert names(tmp_path) == ["a"]


def test_links_are_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    for name in ("a", "b"):
        (tmp_path / name).symlink_to(f"disk/{name}")
    replace_text(tmp_path / "a", "text")
    for text in ("first", "second"):
        with replace_folder(tmp_path / "b") as new:
            fill(new, text)
    assert (tmp_path / "disk/a").read_text(encoding="utf-8") == "text"
    assert content(tmp_path / "disk/b") == {"second"}
    assert all((tmp_path / name).is_symlink() for name in ("a", "b"))


# Children are killed at any point of their writing. Forked by a process of its own, which is small.
KILLED = """
import os, random, signal, sys, time
from pathlib import Path
from fnet_jax.artifacts.files import replace_folder, replace_text
from fnet_jax.artifacts.drafts import WRITING

folder, random = Path(sys.argv[1]), random.Random(0)
os.fsync = lambda _: None  # a disk may take longer for it than a child lives

def write(number):
    text = f"{number} " * 1000
    replace_text(folder / "text", text)
    with replace_folder(folder / "folder") as new:
        for name in ("one", "two"):
            (new / name).write_text(text, encoding="utf-8")

write(0)
interrupted = 0
for kill in range(80):
    child = os.fork()
    if not child:
        number = 0
        while True:
            write(number := number + 1)
    time.sleep(random.random() * 0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    texts = [(folder / name).read_text(encoding="utf-8")
             for name in ("text", "folder/one", "folder/two")]
    assert all(text == f"{text.split()[0]} " * 1000 for text in texts), texts
    assert texts[1] == texts[2]
    interrupted += (folder / WRITING).exists()
write(1)
assert interrupted > 20, interrupted
assert sorted(path.name for path in folder.iterdir()) == ["folder", "text"]
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a folder is missing for a moment")
def test_old_or_new_survives_a_kill_and_leftovers_are_removed(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=True, env=environment)


INTERRUPTED = """
import os, sys, threading, time
from pathlib import Path
from fnet_jax.artifacts import drafts
from fnet_jax.artifacts.files import replace_folder, replace_text

def write(number):
    folder = Path(sys.argv[1]) / str(number % 2)
    while True:
        replace_text(folder / f"{number}.txt", "text")
        with replace_folder(folder / f"{number}") as new:
            (new / "text").write_text("text")

for number in range(6):
    threading.Thread(target=write, args=(number,), daemon=True).start()
time.sleep(float(sys.argv[2]))
drafts.remove_own()
time.sleep(0.05)
os._exit(0)
"""


@pytest.mark.parametrize("after", [0, 0.01, 0.02, 0.05, 0.1])
def test_threads_of_an_interrupted_process_leave_nothing(tmp_path, after):
    for folder in ("0", "1"):
        (tmp_path / folder).mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    call = [sys.executable, "-c", INTERRUPTED, tmp_path, after]
    subprocess.run(list(map(str, call)), check=True, env=environment)
    assert list(tmp_path.glob(f"*/{WRITING}")) == []


def test_what_a_killed_process_left_is_removed_and_an_old_folder_put_back(tmp_path):
    left = tmp_path / WRITING / "of a killed process"
    for name in ("gone", "there"):
        (left / "old" / name).mkdir(parents=True)
        fill(left / "old" / name, "old")
    (tmp_path / WRITING / "text.md").write_text("half", encoding="utf-8")
    (tmp_path / "there").mkdir()
    fill(tmp_path / "there", "new")
    replace_text(tmp_path / "a.md", "text")
    assert names(tmp_path) == ["a.md", "gone", "there"]
    assert content(tmp_path / "gone") == {"old"}
    assert content(tmp_path / "there") == {"new"}


def test_what_others_are_writing_is_left_alone(tmp_path):
    with replace_folder(tmp_path / "a") as new:
        fill(new, "a")
        with replace_file(tmp_path / "b") as file:
            file.write(b"b")
            replace_text(tmp_path / "c", "c")
        assert content(new) == {"a"}
    assert names(tmp_path) == ["a", "b", "c"]
    assert content(tmp_path / "a") == {"a"}


def test_a_name_that_is_no_utf_8_is_written_as_far_as_it_is(tmp_path):
    replace_text(tmp_path / "a.md", f"name: {chr(0xDCFF)}.png")
    assert (tmp_path / "a.md").read_text(encoding="utf-8") == "name: ?.png"


def test_failures_to_write_name_the_file_and_what_to_do(tmp_path):
    (tmp_path / "file").touch()
    for name, why in {
        "gone/a.md": "no such file or directory",
        "file/a.md": "not a directory",
        "n" * 300: "file name too long",
        ".": "is a directory",
    }.items():
        path = tmp_path / name
        with (
            pytest.raises(InputError) as failed,
            writable(path, remedy="use another --out"),
        ):
            replace_text(path, "text")
        assert str(failed.value) == (
            f"{path}: cannot be written ({why}); check space and permissions there, or use "
            f"another --out"
        )
    for name in ("a\0b", "\ud800"):
        with (
            pytest.raises(InputError, match=r"^'.*': not a file name \(.*\); use another --out$"),
            writable(tmp_path / name, remedy="use another --out"),
        ):
            pytest.fail("a name that cannot be is not tried")


def test_failures_to_look_are_named_too(tmp_path):
    path = tmp_path / ("n" * 300)
    with (
        pytest.raises(InputError, match=r"n: cannot be written \(file name too long\)"),
        writable(path, remedy="use another --out"),
    ):
        path.exists()


def test_failures_without_a_number_are_named_too(tmp_path):
    with (
        pytest.raises(InputError, match=r"cannot be written \(not writable\)"),
        writable(tmp_path, remedy="use another --out"),
    ):
        raise io.UnsupportedOperation("not writable")


def test_other_errors_are_left_alone(tmp_path):
    with pytest.raises(KeyError), writable(tmp_path, remedy="use another --out"):
        raise KeyError
    with (
        pytest.raises(InputError, match="^as it is$"),
        writable(tmp_path, remedy="use another --out"),
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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes and devices with names")
def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").write_text("é", encoding="utf-8")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match="Not a regular file|Is a directory"):
            read_text(path)
    assert read_text(tmp_path / "text") == "é"


def test_the_folder_of_drafts_may_go_while_another_thread_looks_at_it(tmp_path, monkeypatch):
    """It is there when a thread wants to make it, and removed by another before it is used."""
    mkdir, times = os.mkdir, []

    def too_late(path, *more, **how):
        if Path(path).name == drafts.WRITING and not times:
            times.append(path)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        mkdir(path, *more, **how)

    monkeypatch.setattr(os, "mkdir", too_late)
    replace_text(tmp_path / "a.txt", "whole")
    assert times
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_file_in_the_place_of_the_folder_of_drafts_is_an_error(tmp_path):
    (tmp_path / drafts.WRITING).write_text("mine", encoding="utf-8")
    with pytest.raises(OSError):  # noqa: PT011 - of which kind, systems differ
        replace_text(tmp_path / "a.txt", "whole")
    assert [path.name for path in tmp_path.iterdir()] == [drafts.WRITING]


def test_a_folder_that_lets_nothing_be_made_ends_in_an_error(tmp_path, monkeypatch):
    """As /proc does, which says that what is to be made is not there."""

    def refuse(path, *_):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(FileNotFoundError):
        replace_text(tmp_path / "a.txt", "text")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def aged(path, seconds=60):
    os.utime(path, (time.time() - seconds,) * 2, follow_symlinks=False)
    return path


def test_a_scratch_folder_is_private_and_goes_at_the_end(temporary):
    with drafts.scratch(prefix="a-") as folder:
        (folder / "file").touch()
        assert folder.parent == temporary
        assert os.name != "posix" or folder.stat().st_mode & 0o077 == 0
    assert names(temporary) == []


@pytest.mark.skipif(drafts.fcntl is None, reason="needs locks")
def test_scratch_folders_of_killed_processes_are_removed_and_no_others(temporary):
    for name in ("a-killed", "a-young", "b-other"):
        (temporary / name).mkdir()
        fill(temporary / name, "x")
        aged(temporary / name, 0 if name == "a-young" else 60)
    (temporary / "a-file").touch()
    aged(temporary / "a-file")
    (temporary / "a-link").symlink_to("b-other")
    aged(temporary / "a-link")
    (temporary / "a-killed/link").symlink_to(temporary / "b-other")
    aged(temporary / "a-killed")
    with drafts.scratch(prefix="a-") as running:
        aged(running)
        drafts.remove_scratch("a-")
        assert names(temporary) == sorted([running.name, "a-file", "a-link", "a-young", "b-other"])
    assert content(temporary / "b-other") == {"x"}
    aged(temporary / "a-young")
    drafts.remove_scratch("a-")
    assert names(temporary) == ["a-file", "a-link", "b-other"]
