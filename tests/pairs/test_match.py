import unicodedata
from pathlib import Path

import pytest

from fnet_jax.errors import InputError
from fnet_jax.pairs.match import Pair, match, partners


def folder(path, *names):
    path.mkdir()
    for name in names:
        (path / name).touch()
    return path


def test_by_stem_never_by_position(tmp_path):
    one = folder(tmp_path / "vi", "1.png", "2.png", "4.JPG", "notes.txt", ".hidden.png")
    two = folder(tmp_path / "ir", "2.tif", "3.png", "4.png")
    pairs, problems = match(one, two)
    assert [(p.i1.name, p.i2.name, p.name) for p in pairs] == [
        ("2.png", "2.tif", "2"),
        ("4.JPG", "4.png", "4"),
    ]
    assert len(problems) == 2
    assert problems[0].startswith(f"{one / '1.png'}: has no partner 1.* in {two}")
    assert problems[1].startswith(f"{two / '3.png'}: has no partner 3.* in {one}")


def test_accents_are_matched_however_they_are_written(tmp_path):
    one = folder(tmp_path / "vi", unicodedata.normalize("NFC", "café.png"))
    two = folder(tmp_path / "ir", unicodedata.normalize("NFD", "café.png"))
    pairs, problems = match(one, two)
    assert len(pairs) == 1
    assert problems == []


def test_two_files_of_one_stem_are_listed(tmp_path):
    one, two = folder(tmp_path / "a", "1.png", "1.jpg"), folder(tmp_path / "b", "1.png")
    pairs, problems = match(one, two)
    assert pairs == []
    assert len(problems) == 1
    assert "1.jpg, 1.png, 1.png" in problems[0]


def test_files_need_no_common_name(tmp_path):
    folder(tmp_path / "a", "day.png", "heat.png")
    pairs, problems = match(tmp_path / "a/day.png", tmp_path / "a/heat.png")
    assert pairs[0].name == "day"
    assert problems == []


def test_unusable_paths_are_refused(tmp_path):
    images, empty = folder(tmp_path / "a", "1.png"), folder(tmp_path / "b", "1.txt")
    with pytest.raises(InputError, match="no such file or directory; use a file or a folder"):
        match(images, tmp_path / "c")
    with pytest.raises(InputError, match="holds no image file"):
        match(images, empty)
    with pytest.raises(InputError, match="two files or two folders"):
        match(images, images / "1.png")


def test_partners_have_equal_keys():
    first = {("a", "1"): [Path("x/1.png")], ("b", "1"): [Path("y/1.png")]}
    second = {("b", "1"): [Path("z/1.tif")], ("b", "2"): [Path("z/2.tif")]}
    pairs, problems = partners(first, second, lambda side, key: Path("uv"[side], *key))
    assert pairs == {("b", "1"): Pair(Path("y/1.png"), Path("z/1.tif"))}
    assert problems == [
        "x/1.png: has no partner 1.* in v/a; add or rename it",
        "z/2.tif: has no partner 2.* in u/b; add or rename it",
    ]
