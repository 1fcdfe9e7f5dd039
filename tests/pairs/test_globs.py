import os

import pytest

from fnet_jax.errors import InputError
from fnet_jax.pairs.globs import is_glob
from fnet_jax.pairs.match import match


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def paired(folder, i1, i2):
    pairs, problems = match(folder / i1, folder / i2)
    found = [(str(p.i1.relative_to(folder)), str(p.i2.relative_to(folder)), p.name) for p in pairs]
    return found, problems


def test_decorated_names_in_one_folder(tmp_path):
    touch(tmp_path, "n/1_rgb.png", "n/1_nir.png", "n/2_rgb.png", "n/2_nir.jpg", "n/3_rgb.png")
    found, problems = paired(tmp_path, "n/*_rgb.png", "n/*_nir.*")
    assert found == [
        ("n/1_rgb.png", "n/1_nir.png", "1"),
        ("n/2_rgb.png", "n/2_nir.jpg", "2"),
    ]
    assert problems == [
        f"{tmp_path}/n/3_rgb.png: has no partner *_nir.* in {tmp_path}/n; add or rename it"
    ]


def test_equal_names_in_many_folders(tmp_path):
    touch(tmp_path, "s0/vi/1.png", "s0/ir/1.jpg", "s1/vi/1.png", "s1/ir/1.png", "s1/ir/x.txt")
    assert paired(tmp_path, "s*/vi/*", "s*/ir/*")[0] == [
        ("s0/vi/1.png", "s0/ir/1.jpg", "0_1"),
        ("s1/vi/1.png", "s1/ir/1.png", "1_1"),
    ]
    assert paired(tmp_path, "**/vi/*.png", "**/ir/*")[0] == [
        ("s0/vi/1.png", "s0/ir/1.jpg", "s0_1"),
        ("s1/vi/1.png", "s1/ir/1.png", "s1_1"),
    ]


def test_a_folder_for_each_scene(tmp_path):
    touch(tmp_path, "day/rgb.png", "day/heat.png", "night/rgb.png", "night/heat.png")
    assert [name for *_, name in paired(tmp_path, "*/rgb.png", "*/heat.png")[0]] == ["day", "night"]


def test_some_images_of_a_folder(tmp_path):
    touch(tmp_path, "vi/0001.png", "vi/0002.png", "vi/1001.png", "ir/0001.png", "ir/0002.png")
    found, problems = paired(tmp_path, "vi/000?.png", "ir")
    assert found == [
        ("vi/0001.png", "ir/0001.png", "0001"),
        ("vi/0002.png", "ir/0002.png", "0002"),
    ]
    assert problems == []
    assert len(paired(tmp_path, "vi/[0-9]*1.png", "ir/*1.png")[0]) == 1
    assert len(paired(tmp_path, "vi/[!1]*.png", "ir/*")[0]) == 2


def test_globs_are_relative_too(here):
    touch(here, "vi/1_a.png", "ir/1_b.png")
    pairs, _ = match(*map(here.joinpath().__class__, ("vi/*_a.png", "ir/*_b.png")))
    assert [str(pair.i1) for pair in pairs] == ["vi/1_a.png"]


def test_a_name_with_brackets_is_no_glob(tmp_path):
    touch(tmp_path, "vi[1]/1.png", "ir[1]/1.png")
    assert not is_glob(tmp_path / "vi[1]")
    assert is_glob(tmp_path / "vi[2]")
    assert len(paired(tmp_path, "vi[1]", "ir[1]")[0]) == 1


def test_globs_that_cannot_be_used(tmp_path):
    touch(tmp_path, "vi/1.png", "ir/1.png")
    for i1, i2, message in [
        ("vi/*.jpg", "ir/*", r"\*.jpg matches no image"),
        ("vi/*", "vi/*.png", "are the same files"),
        ("vi/*", "ir/1.png", "is not a folder; pair a glob with a folder or a glob"),
        ("vi/[9-1].png", "ir/*", "is not a glob"),
    ]:
        with pytest.raises(InputError, match=message):
            match(tmp_path / i1, tmp_path / i2)


def test_loops_and_closed_folders_stop_nothing(tmp_path, monkeypatch):
    touch(tmp_path, "a/vi/1.png", "a/ir/1.png", "closed/vi/2.png")
    (tmp_path / "a/again").symlink_to("..")
    (tmp_path / "self").symlink_to("self")
    scandir = os.scandir

    def closed(path):
        if str(path).endswith("closed/vi"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    found, problems = paired(tmp_path, "**/vi/*", "**/ir/*")
    assert [name for *_, name in found] == ["a_1"]
    assert problems == [
        f"{tmp_path}/closed/vi: cannot be read (permission denied); check its permissions"
    ]
