import os

import pytest

from fnet_jax import images
from fnet_jax.errors import InputError


def test_images_are_found_by_their_names_whatever_they_are(tmp_path):
    for name in ("b.PNG", "a.jpeg", ".c.png", "d.txt", "夜\n.tif", os.fsdecode(b"\xff.bmp")):
        (tmp_path / name).touch()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "lost.png").symlink_to("gone")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "linked.png").symlink_to("folder.png")
    assert [path.name for path in images.find(tmp_path)] == [
        *("a.jpeg", "b.PNG", "device.png", "loop.png", "lost.png", "pipe.png"),
        *("夜\n.tif", os.fsdecode(b"\xff.bmp")),
    ]


def test_a_link_that_may_not_be_followed_is_left_to_the_reader(tmp_path, monkeypatch):
    (tmp_path / "a.png").touch()

    class Closed(os.PathLike):
        name = "a.png"

        def is_dir(self):
            raise PermissionError

        def __fspath__(self):
            return str(tmp_path / self.name)

    class Entries(list):
        __enter__ = lambda self: self
        __exit__ = lambda self, *_: None

    monkeypatch.setattr(os, "scandir", lambda _: Entries([Closed()]))
    assert images.find(tmp_path) == [tmp_path / "a.png"]


def test_folders_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    for name in ("gone", "loop"):
        with pytest.raises(InputError, match=f"{name}: cannot be read .*check its permissions"):
            images.find(tmp_path / name)
