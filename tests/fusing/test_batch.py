import threading
import time

import jax
import numpy as np
import pytest

from fnet_jax import Fuser, InputError, images
from fnet_jax.fusing.batch import fuse_pairs
from fnet_jax.fusing.loading import Loader
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
    pairs, told = pairs_of(tmp_path, rng, 6), []
    written = fuse_pairs(fuser, pairs, tmp_path / "out", report=told.append)
    next(written)
    pairs[4].i1.unlink()
    assert [path.name for path in written] == ["1.png", "2.png", "3.png", "5.png"]
    assert told == [f"{pairs[4].i1}: no such file; check the name"]


def test_a_fused_image_that_cannot_be_written_stops_no_other(fuser, tmp_path, rng):
    pairs, told = pairs_of(tmp_path, rng, 6), []
    written = fuse_pairs(fuser, pairs, tmp_path / "out", report=told.append)
    next(written)
    (tmp_path / "out/4.png").touch()  # by somebody else, meanwhile
    assert [path.name for path in written] == ["1.png", "2.png", "3.png", "5.png"]
    assert len(told) == 1
    assert "4.png" in told[0]
    assert (tmp_path / "out/4.png").read_bytes() == b""


def test_reading_and_writing_overlap_with_fusing(tmp_path, rng, monkeypatch, fuser):
    """Each of the three waits until both others have begun with a pair of their own."""
    pairs, meeting = pairs_of(tmp_path, rng, 5), threading.Barrier(3)

    def meets(work, turns):
        def met(*given, **options):
            if next(turns):
                meeting.wait(20)
            return work(*given, **options)

        return met

    # Met three times: while pair 1 is fused, pair 2 is read and pair 0 is written, and so on.
    monkeypatch.setattr(Loader, "load", meets(Loader.load, iter([False] * 2 + [True] * 3)))
    monkeypatch.setattr(Fuser, "fuse", meets(Fuser.fuse, iter([False, *[True] * 3, False])))
    monkeypatch.setattr(
        "fnet_jax.images.write", meets(images.write, iter([True] * 3 + [False] * 2))
    )
    written = list(fuse_pairs(fuser, pairs, tmp_path / "out"))
    assert [path.name for path in written] == [f"{i}.png" for i in range(5)]


def test_few_pairs_are_in_memory(tmp_path, rng, monkeypatch, fuser):
    pairs, lock, now, most = pairs_of(tmp_path, rng, 12), threading.Lock(), [0], [0]
    load, write = Loader.load, images.write

    def counted_load(*given):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        return load(*given)

    def counted_write(path, *given, **options):
        time.sleep(0.01)  # so that what can be ahead of it is
        write(path, *given, **options)
        with lock:
            now[0] -= 1

    monkeypatch.setattr(Loader, "load", counted_load)
    monkeypatch.setattr("fnet_jax.images.write", counted_write)
    assert len(list(fuse_pairs(fuser, pairs, tmp_path / "out"))) == 12
    assert 1 < most[0] <= 4  # one is read, one fused, one written, and one waits to be


@pytest.mark.parametrize("devices", [1, 2])
def test_an_interruption_leaves_whole_files_and_no_thread(
    fuser, tmp_path, rng, monkeypatch, devices
):
    pairs, fuse, fused = pairs_of(tmp_path, rng, 9), Fuser.fuse, []

    def interrupted(*given, **options):
        fused.append(given)
        if len(fused) == 5:
            raise KeyboardInterrupt
        return fuse(*given, **options)

    monkeypatch.setattr(Fuser, "fuse", interrupted)
    before, written = set(threading.enumerate()), []
    paths = fuse_pairs(fuser.on_local_devices(devices), pairs, tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        written.extend(paths)
    assert set(threading.enumerate()) <= before
    assert len(written) < 5
    there = sorted((tmp_path / "out").iterdir())
    assert set(written) <= set(there)
    assert not [path for path in there if path.name.startswith(".")]
    for path in there:
        assert images.read(path).shape == images.read(tmp_path / "vi" / path.name).shape


def test_too_little_memory_for_one_pair_stops_no_other(fuser, tmp_path, rng, monkeypatch):
    pairs, told, fuse = pairs_of(tmp_path, rng, 3), [], Fuser.fuse
    errors = {
        10: MemoryError("12×10 pixels need about 9.0 GB of memory, but only 1.0 GB are free"),
        11: RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes."),
    }

    def failing(self, i1, i2, **options):
        if len(i1) in errors:
            raise errors[len(i1)]
        return fuse(self, i1, i2, **options)

    monkeypatch.setattr(Fuser, "fuse", failing)
    written = list(fuse_pairs(fuser, pairs, tmp_path / "out", report=told.append))
    assert [path.name for path in written] == ["2.png"]
    assert told[0].startswith(f"{pairs[0].i1}: not enough memory (12×10 pixels need about 9.0 GB")
    assert told[1] == f"{pairs[1].i1}: not enough memory; use --tile 1024, or a smaller number"


def test_nothing_starts_where_nothing_can_be_written(fuser, tmp_path, rng):
    pairs = pairs_of(tmp_path, rng, 1)
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    for name in ("file", "loop", "loop/folder"):
        with pytest.raises(InputError, match="cannot be written"):
            next(fuse_pairs(fuser, pairs, tmp_path / name))
    for folder in ("vi", "ir", "vi/../ir"):
        with pytest.raises(InputError, match="is a folder of source images"):
            next(fuse_pairs(fuser, pairs, tmp_path / folder, suffix=".jpg"))
    assert fuser.compilations == 0
