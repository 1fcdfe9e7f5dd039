import os
import unicodedata
from pathlib import Path

import pytest

from fnet_jax.errors import InputError
from fnet_jax.pairs.match import Pair, match, partners, sound
from fnet_jax.pairs.patterns import Patterns


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
    with pytest.raises(InputError, match="contains no image file"):
        match(images, empty)
    with pytest.raises(InputError, match="two files or two folders"):
        match(images, images / "1.png")


def test_partners_have_equal_keys():
    first = {("a", "1"): [Path("x/1.png")], ("b", "1"): [Path("y/1.png")]}
    second = {("b", "1"): [Path("z/1.tif")], ("b", "2"): [Path("z/2.tif")]}
    pairs, problems = partners(
        first, second, lambda side, key: Path("uv"[side], key[0], f"{key[1]}.*")
    )
    assert pairs == {("b", "1"): Pair(Path("y/1.png"), Path("z/1.tif"))}
    assert problems == [
        "x/1.png: has no partner 1.* in v/a; add or rename it",
        "z/2.tif: has no partner 2.* in u/b; add or rename it",
    ]


def test_names_that_differ_in_case_only_are_a_pair(tmp_path):
    one = folder(tmp_path / "vi", "A.PNG", "b.png", "É.png")
    two = folder(tmp_path / "ir", "a.png", "B.Tif", unicodedata.normalize("NFD", "é.png"))
    pairs, problems = match(one, two)
    assert [(p.name, p.i2.stem.lower()[0]) for p in pairs] == [("A", "a"), ("b", "b"), ("É", "e")]
    assert problems == []


def test_of_names_that_differ_in_case_only_none_is_chosen(tmp_path):
    one, two = folder(tmp_path / "vi", "A.png", "a.png"), folder(tmp_path / "ir", "a.png")
    pairs, problems = match(one, two)
    assert pairs == []
    assert len(problems) == 1
    assert all(str(path) in problems[0] for path in (one / "A.png", one / "a.png", two / "a.png"))
    (two / "A.png").touch()  # each has its own partner now
    pairs, problems = match(one, two)
    assert [(p.i1.name, p.i2.name) for p in pairs] == [("A.png", "A.png"), ("a.png", "a.png")]
    assert problems == []


def test_one_folder_or_file_twice_is_refused(tmp_path, monkeypatch):
    one = folder(tmp_path / "vi", "1.png", "2.png")
    (tmp_path / "link").symlink_to(one)
    (tmp_path / "3.png").hardlink_to(one / "1.png")
    monkeypatch.chdir(tmp_path)
    for again in (one, tmp_path / "link", Path("vi"), Path("./link/../vi/.")):
        with pytest.raises(InputError, match="are the same folder; use two, or --pattern"):
            match(one, again)
    for again in (one / "1.png", Path("link/1.png"), Path("3.png")):
        with pytest.raises(InputError, match="are the same file; use two different images"):
            match(one / "1.png", again)


def test_a_folder_of_links_to_the_other_has_no_pair(tmp_path):
    one, two = folder(tmp_path / "vi", "1.png", "2.png"), folder(tmp_path / "ir", "2.png")
    (two / "1.png").symlink_to("../vi/1.png")
    pairs, problems = match(one, two)
    assert [pair.name for pair in pairs] == ["2"]
    assert problems == [
        f"{one / '1.png'} and {two / '1.png'} are the same file; use two different images, "
        "or give the photo of a thermal camera alone"
    ]


def test_patterns_say_which_image_of_a_folder_is_which(tmp_path):
    one = folder(tmp_path / "all", "1_W.JPG", "1_T.JPG", "2_w.jpg", "2_T.jpg", "3_T.JPG", "x.png")
    pairs, problems = match(one, one, patterns=Patterns.of("{}_W.JPG", "{}_T.JPG"))
    assert [(p.name, p.i1.name, p.i2.name) for p in pairs] == [
        ("1", "1_W.JPG", "1_T.JPG"),
        ("2", "2_w.jpg", "2_T.jpg"),
    ]
    assert problems == [
        f"{one / '3_T.JPG'}: has no partner 3_W.JPG in {one}; add or rename it",
    ]
    with pytest.raises(InputError, match=r"contains no image \{\}_V.JPG; check --pattern"):
        match(one, one, patterns=Patterns.of("{}_W.JPG", "{}_V.JPG"))
    with pytest.raises(InputError, match="is the pattern of both I1 and I2"):
        match(one, tmp_path / "all/../all", patterns=Patterns.of("{}_T.JPG", "{}_T.JPG"))
    with pytest.raises(InputError, match="--pattern is for folders"):
        match(one / "1_W.JPG", one / "1_T.JPG", patterns=Patterns.of("{}_W.JPG", "{}_T.JPG"))


@pytest.mark.parametrize("where", ["vi", "ir"])
def test_what_is_no_file_is_named_without_opening_it(tmp_path, where):
    names = ("good.png", "loop.png", "pipe.png", "null.png")
    one, two = folder(tmp_path / "vi", *names), folder(tmp_path / "ir", *names)
    odd = tmp_path / where
    for name in names[1:]:
        (odd / name).unlink()
    (odd / "loop.png").symlink_to("loop.png")
    os.mkfifo(odd / "pipe.png")
    (odd / "null.png").symlink_to("/dev/null")
    (odd / "loop").symlink_to(".")
    pairs, problems = match(one, two)
    assert [pair.name for pair in pairs] == ["good"]
    assert problems == [
        f"{odd / 'loop.png'}: its links form a loop; remove or repair it",
        f"{odd / 'null.png'}: a device, not an image file; remove or replace it",
        f"{odd / 'pipe.png'}: a named pipe, not an image file; remove or replace it",
    ]


def test_two_pairs_of_one_name_are_told():
    pairs = [Pair(Path("a/1.png"), Path("b/1.png")), Pair(Path("c/1.jpg"), Path("d/1.png"))]
    kept, problems = sound(pairs, places=["line 2: ", "line 3: "])
    assert kept == pairs[:1]
    assert problems == [
        "line 3: c/1.jpg: its name 1 is already that of a/1.png; rename one",
    ]
