import jax
import numpy as np
import pytest

from fnet_jax import Fuser, InputError, images
from fnet_jax.fusing.batch import fuse_pairs
from fnet_jax.pairs.match import Pair


@pytest.fixture
def fuser(small_network):
    return Fuser(*small_network)


def pairs_of(tmp_path, rng, count):
    for i in range(count):
        for name in ("vi", "ir"):
            (tmp_path / name).mkdir(exist_ok=True)
            levels = rng.integers(0, 256, (10 + i, 12), dtype=np.uint8)
            images.write(tmp_path / f"{name}/{i}.png", levels)
    return [Pair(tmp_path / f"vi/{i}.png", tmp_path / f"ir/{i}.png") for i in range(count)]


def test_it_works_as_it_is_asked_for_files(fuser, tmp_path, rng):
    written = fuse_pairs(fuser, pairs_of(tmp_path, rng, 3), tmp_path / "out")
    assert next(written) == tmp_path / "out/0.png"
    assert not (tmp_path / "out/2.png").exists()
    assert list(written) == [tmp_path / "out/1.png", tmp_path / "out/2.png"]
    for i in range(3):
        i1, i2 = (images.read(tmp_path / f"{name}/{i}.png") for name in ("vi", "ir"))
        np.testing.assert_array_equal(images.read(tmp_path / f"out/{i}.png"), fuser.fuse(i1, i2))


def test_devices_share_the_pairs(fuser, tmp_path, rng):
    pairs, told = pairs_of(tmp_path, rng, 7), []
    fusers = fuser.on_local_devices(5)
    assert [f.device for f in fusers] == jax.local_devices()  # two, which conftest.py asks for
    written = fuse_pairs(fusers, pairs, tmp_path / "out", report=told.append)
    assert next(written).name == "0.png"
    pairs[6].i2.unlink()  # read ahead are 1, 2 and 3
    assert [path.name for path in written] == [f"{i}.png" for i in range(1, 6)]
    assert told == [f"{pairs[6].i2}: no such file; check the name"]
    assert all(f.shapes for f in fusers)
    for i in range(6):
        i1, i2 = (images.read(tmp_path / f"{name}/{i}.png") for name in ("vi", "ir"))
        np.testing.assert_array_equal(images.read(tmp_path / f"out/{i}.png"), fuser.fuse(i1, i2))
    assert len(fuser.on_local_devices(1)) == 1


def test_an_error_of_a_program_comes_through_from_a_device(fuser, tmp_path, rng, monkeypatch):
    monkeypatch.setattr(Fuser, "fuse", lambda *_, **__: 1 / 0)
    written = fuse_pairs(fuser.on_local_devices(2), pairs_of(tmp_path, rng, 3), tmp_path / "out")
    with pytest.raises(ZeroDivisionError):
        list(written)


def test_what_is_known_beforehand_is_told_beforehand(fuser, tmp_path, rng):
    pairs, told, shown = pairs_of(tmp_path, rng, 4), [], []
    images.write(pairs[1].i2, np.zeros((3, 3), np.uint8), overwrite=True)
    pairs[2].i1.unlink()

    def progress(todo):
        shown.append((list(todo), list(told)))
        return todo

    written = list(
        fuse_pairs(fuser, pairs, tmp_path / "out", report=told.append, progress=progress)
    )
    assert [path.name for path in written] == ["0.png", "3.png"]
    assert shown == [([pairs[0], pairs[3]], told)]
    assert len(told) == 2
    assert "is 12×11 but" in told[0]
    assert "2.png: no such file" in told[1]


def test_a_file_that_vanishes_meanwhile_stops_no_other(fuser, tmp_path, rng):
    pairs, told = pairs_of(tmp_path, rng, 3), []
    written = fuse_pairs(fuser, pairs, tmp_path / "out", report=told.append)
    next(written)
    pairs[1].i1.unlink()
    assert [path.name for path in written] == ["2.png"]
    assert told == [f"{pairs[1].i1}: no such file; check the name"]


def test_nothing_starts_where_nothing_can_be_written(fuser, tmp_path, rng):
    pairs = pairs_of(tmp_path, rng, 1)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written to"):
        next(fuse_pairs(fuser, pairs, tmp_path / "file"))
    for folder in ("vi", "ir", "vi/../ir"):
        with pytest.raises(InputError, match="is a folder of source images"):
            next(fuse_pairs(fuser, pairs, tmp_path / folder, suffix=".jpg"))
    assert fuser.compilations == 0
