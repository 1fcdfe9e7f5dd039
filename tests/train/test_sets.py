"""Prepared sets: built, verified, read at random, refused where damaged."""

import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from command import ROOT
from made_up_files import picture, source_of, spoil, write
from PIL import Image

from fnet_jax import images
from fnet_jax.errors import InputError
from train.data import builder, prepared
from train.data.builder import DATASETS, ImagePairs
from train.data.prepared import default_data_dir, open_set
from train.data.sets import prepare


@pytest.fixture
def source(tmp_path):
    return source_of(tmp_path / "source")


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


def everything_in(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refused(*arguments, **options):
    """The lines that preparing reports, and the one with which it refuses."""
    lines = []
    with pytest.raises(InputError) as error:
        prepare(*arguments, report=lines.append, **options)
    assert "\n" not in str(error.value)
    return lines, str(error.value)


def test_what_is_read_is_what_was_given(source, data_dir):
    built = prepare("tno", source, data_dir=data_dir)
    assert built == open_set("tno", data_dir=data_dir)
    assert built == open_set(str(built.folder), data_dir=Path("elsewhere"))
    assert (built.name, built.title, built.counts, built.left_out) == ("tno", "TNO", {"test": 3}, 0)
    assert built.home == DATASETS["tno"].home
    pairs = built.pairs()
    assert [pair["name"] for pair in pairs] == ["0", "1", "2"]
    for i, pair in enumerate(pairs):
        i1, i2 = picture(i, 9 + i)
        np.testing.assert_array_equal(pair["I1"], i1)
        np.testing.assert_array_equal(pair["I2"], i2[..., None])
        assert pair["I1"].dtype == pair["I2"].dtype == np.uint8
    assert pairs[-1]["name"] == pairs[np.int64(2)]["name"] == "2"
    with pytest.raises(IndexError):
        pairs[3]
    with pytest.raises(InputError, match="has no split train; use test"):
        built.pairs("train")


def test_metadata_are_those_of_tfds(source, data_dir):
    built = prepare("tno", source, data_dir=data_dir)
    by_tfds = ImagePairs(config="tno", data_dir=data_dir)
    assert by_tfds.info.metadata["fingerprint"] == built.fingerprint
    assert {name: split.num_examples for name, split in by_tfds.info.splits.items()} == built.counts
    assert len(by_tfds.as_data_source("test")) == 3
    assert json.loads((built.folder / "dataset_info.json").read_text())["fileFormat"] == (
        "array_record"
    )


def test_splits_keep_their_order(tmp_path, data_dir):
    for split, count in (("train", 3), ("test", 2)):
        for i in range(count):
            for kind, array in zip(("vi", "ir"), picture(i), strict=True):
                write(tmp_path / f"MSRS/{split}/{kind}/{i}.png", array)
    built = prepare("msrs", tmp_path / "MSRS", data_dir=data_dir)
    assert built.counts == {"train": 3, "test": 2}
    assert [pair["name"] for pair in built.pairs()] == ["0", "1", "2", "0", "1"]
    assert [pair["name"] for pair in built.pairs("test")] == ["0", "1"]
    assert open_set("msrs", data_dir=data_dir) == built


@pytest.mark.parametrize("count", [3, 4, 5])
def test_large_sets_lie_in_several_files(tmp_path, data_dir, monkeypatch, count):
    source = source_of(tmp_path / "source", count)
    one = prepare("own", source, data_dir=data_dir, name="one")
    monkeypatch.setattr(builder, "SHARD", 2)
    several = prepare("own", source, data_dir=data_dir, name="several")
    assert len(list(several.folder.glob("*array_record*"))) == (count + 1) // 2
    assert [p["name"] for p in several.pairs()] == [p["name"] for p in one.pairs()]
    assert several.fingerprint == one.fingerprint
    assert open_set("several", data_dir=data_dir) == several


def test_fingerprint_is_of_names_and_pixels_alone(tmp_path):
    def fingerprint(name, suffix=".png", change=None):
        folder = source_of(tmp_path / name, suffix=suffix)
        if change:
            change(folder)
        return prepare("own", folder, data_dir=tmp_path / name / "out").fingerprint

    def one_level(folder):
        array = images.read(folder / "I2/1.png").copy()
        array[3, 4] ^= 1
        write(folder / "I2/1.png", array)

    def another_name(folder):
        for kind in ("I1", "I2"):
            (folder / kind / "1.png").rename(folder / kind / "11.png")

    def exchanged(folder):
        for kind in ("I1", "I2"):
            array = images.read(folder / kind / "1.png")
            write(folder / kind / "1.png", array.reshape(12, 10, *array.shape[2:]))

    png = fingerprint("png")
    assert len(png) == 64
    assert {fingerprint("again"), fingerprint("bmp", ".bmp"), fingerprint("tif", ".tif")} == {png}
    others = [fingerprint(c.__name__, change=c) for c in (one_level, another_name, exchanged)]
    assert len({png, *others}) == 4


def test_fingerprint_knows_the_split(source, data_dir):
    own, tno = (prepare(name, source, data_dir=data_dir) for name in ("own", "tno"))
    assert own.fingerprint != tno.fingerprint


def test_every_kind_of_file_becomes_eight_bits(tmp_path, data_dir):
    i1, i2 = picture(0)
    sixteen = (i2.astype(np.uint16) * 257) + np.uint16(100)  # nearer to i2 than to i2 + 1
    sixteen[i2 == 255] = 65535
    for name, one, two in [
        ("grey", i1[..., 0], i2),
        ("deep", sixteen, sixteen),
        ("colour", i1, i1),
    ]:
        write(tmp_path / f"s/I1/{name}.png", one)
        write(tmp_path / f"s/I2/{name}.png", two)
    Image.fromarray(i1).convert("RGBA").save(tmp_path / "s/I1/alpha.png")
    Image.fromarray(i2).convert("P").save(tmp_path / "s/I2/alpha.png")
    turned = Image.fromarray(i1).getexif()
    turned[0x0112] = 6
    Image.fromarray(i1).save(tmp_path / "s/I1/turned.tif", exif=turned)
    write(tmp_path / "s/I2/turned.png", np.rot90(i2, -1))
    pairs = {p["name"]: p for p in prepare("own", tmp_path / "s", data_dir=data_dir).pairs()}
    same = np.testing.assert_array_equal
    same(pairs["grey"]["I1"], np.repeat(i1[..., :1], 3, axis=2))
    same(pairs["deep"]["I2"][..., 0], i2)
    same(pairs["deep"]["I1"], np.repeat(i2[..., None], 3, axis=2))
    same(pairs["colour"]["I2"][..., 0], images.read(tmp_path / "s/I2/colour.png", grey=True))
    same(pairs["alpha"]["I1"], i1)
    same(pairs["alpha"]["I2"][..., 0], i2)
    same(pairs["turned"]["I1"], np.rot90(i1, -1))


def test_every_bad_file_is_named_and_nothing_written(source, data_dir):
    wrong = spoil(source)
    lines, error = refused("own", source, data_dir=data_dir)
    assert len(lines) == len(wrong)
    for name, message in wrong.items():
        assert sum(name in line and message in line for line in lines) == 1, name
    assert "7 files cannot be used, so no set was written; fix them, or use --skip-bad" in error
    assert not data_dir.exists()


def test_sound_pairs_may_be_written_alone(source, data_dir):
    whole = prepare("own", source, data_dir=data_dir, name="whole")
    wrong, lines = spoil(source), []
    rest = prepare(
        "own", source, data_dir=data_dir, name="rest", skip_bad=True, report=lines.append
    )
    assert len(lines) == len(wrong)
    assert (rest.counts, rest.left_out) == ({"train": 3}, 6)
    assert rest.fingerprint == whole.fingerprint
    assert open_set("rest", data_dir=data_dir) == rest


def test_a_set_without_a_sound_pair_is_refused(tmp_path, data_dir):
    for kind in ("I1", "I2"):
        (tmp_path / "s" / kind).mkdir(parents=True)
        (tmp_path / "s" / kind / "1.png").touch()
    _, error = refused("own", tmp_path / "s", data_dir=data_dir, skip_bad=True)
    assert "has no pair that can be used" in error
    assert not data_dir.exists()


def test_a_set_is_replaced_only_when_asked_and_only_by_a_whole_one(source, data_dir):
    old = prepare("own", source, data_dir=data_dir, name="mine")
    before = everything_in(data_dir)
    _, error = refused("own", source, data_dir=data_dir, name="mine")
    assert "already exists; use --overwrite" in error
    (source / "I1/0.png").write_bytes(b"")
    refused("own", source, data_dir=data_dir, name="mine", overwrite=True)
    assert everything_in(data_dir) == before
    for kind in ("I1", "I2"):
        (source / kind / "0.png").unlink()
    new = prepare("own", source, data_dir=data_dir, name="mine", overwrite=True)
    assert open_set("mine", data_dir=data_dir) == new
    assert new.counts == {"train": 2}
    assert new.fingerprint != old.fingerprint
    assert {path.parts[:3] for path in everything_in(data_dir)} == {
        ("image_pairs", "mine", "1.0.0")
    }


def test_a_failure_while_writing_leaves_the_old_set(source, data_dir):
    prepare("own", source, data_dir=data_dir, name="mine")
    before = everything_in(data_dir)

    def full_disk(items, /, *, total, desc):
        if desc.startswith("writing"):
            raise OSError(28, "No space left on device")
        return items

    _, error = refused(
        "own", source, data_dir=data_dir, name="mine", overwrite=True, progress=full_disk
    )
    assert "no space left on device" in error

    def interrupted(items, /, *, total, desc):
        if desc.startswith("reading"):
            raise KeyboardInterrupt
        return items

    with pytest.raises(KeyboardInterrupt):
        prepare("own", source, data_dir=data_dir, name="mine", overwrite=True, progress=interrupted)

    def changed(items, /, *, total, desc):
        if desc.startswith("writing"):
            write(source / "I1/0.png", picture(99)[0])
        return items

    _, error = refused(
        "own", source, data_dir=data_dir, name="mine", overwrite=True, progress=changed
    )
    assert "does not match its fingerprint" in error
    assert everything_in(data_dir) == before


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (ModuleNotFoundError("No module named 'array_record'"), "No module named 'array_record'"),
        (OSError(24, "Too many open files"), "too many open files"),
        (PermissionError(13, "Permission denied"), "permission denied"),
        (MemoryError(), "MemoryError"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_failure_of_the_machine_is_not_called_damage(
    source, data_dir, monkeypatch, failure, cause, wrapped
):
    built = prepare("own", source, data_dir=data_dir, name="mine")

    def fail(*arguments, **options):
        if wrapped:  # as TFDS does
            raise RuntimeError("Failed to construct dataset") from failure
        raise failure

    monkeypatch.setattr(prepared.tfds, "builder_from_directory", fail)
    for reading in (lambda: open_set("mine", data_dir=data_dir), built.pairs):
        with pytest.raises(InputError, match=f"cannot be read .*{cause}") as refusal:
            reading()
        assert "damaged" not in str(refusal.value)
        assert "--overwrite" not in str(refusal.value)


def test_too_many_open_files_are_not_called_damage(source, data_dir):
    """The readers themselves raise whatever they raise."""
    resource = pytest.importorskip("resource", reason="this system has no such limits")
    built = prepare("own", source, data_dir=data_dir, name="mine")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(InputError, match="too many open files") as refusal:
            built.pairs()[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert "damaged" not in str(refusal.value)
    assert built.pairs()[0]["name"] == "0"


def test_names_of_ones_own_sets(tmp_path, data_dir):
    for folder, name in [("Night 2.0", "night_2_0"), ("TNO", "own_tno"), ("2024", "own_2024")]:
        assert prepare("own", source_of(tmp_path / folder, 1), data_dir=data_dir).name == name
    source = tmp_path / "TNO"
    for dataset, name, message in [
        ("own", "tno", "--name tno is the name of a published set"),
        *(
            ("own", name, f"--name {name[:100]!r}"[:-1])
            for name in ("a/b", "", "..", "../b", "a\0b", "a\nb", "1a", "a" * 101, "a" * 5000)
        ),
        ("tno", "mine", "--name 'mine' is only for your own images"),
        ("nto", None, "unknown set nto; use one of msrs, tno"),
    ]:
        assert message in refused(dataset, source, data_dir=data_dir, name=name)[1]
    for name in ("own", "a" * 100):
        assert prepare("own", source, data_dir=data_dir, name=name).name == name
    longest = source_of(tmp_path / ("b" * 255), 1)
    assert prepare("own", longest, data_dir=data_dir).name == "b" * 100


def test_sets_that_are_not_there(source, data_dir):
    for which, remedy in [
        ("msrs", "use python -m train.prepare msrs --source FOLDER"),
        ("MSRS", "use python -m train.prepare msrs --source FOLDER"),
        ("mine", "use python -m train.prepare own --name mine --source FOLDER"),
        (str(source), f"use python -m train.prepare own --source {source}"),
    ]:
        with pytest.raises(InputError) as error:
            open_set(which, data_dir=data_dir)
        assert str(error.value).startswith(f"{which} is not prepared in {data_dir}; ")
        assert str(error.value).endswith(remedy)


@pytest.mark.parametrize("rest", [0, 100, 0.5, 0.99])
def test_record_files_cut_short_are_refused(source, data_dir, rest):
    built = prepare("own", source, data_dir=data_dir, name="mine")
    (file,) = built.folder.glob("*array_record*")
    size = file.stat().st_size
    os.truncate(file, rest if isinstance(rest, int) else int(rest * size))
    with pytest.raises(InputError, match="is damaged .*; prepare the set again with --overwrite"):
        open_set("mine", data_dir=data_dir)


@pytest.mark.parametrize("file", ["*array_record*", "metadata.json", "features.json"])
def test_sets_with_a_missing_file_are_refused(source, data_dir, file):
    built = prepare("own", source, data_dir=data_dir, name="mine")
    next(built.folder.glob(file)).unlink()
    with pytest.raises(InputError, match="is damaged .*; prepare the set again with --overwrite"):
        open_set("mine", data_dir=data_dir)


def test_a_changed_byte_never_passes(source, data_dir):
    """Whichever byte of the pairs changes, verification fails or the pixels are the same."""
    built = prepare("own", source, data_dir=data_dir, name="mine")
    (file,) = built.folder.glob("*array_record*")
    content = file.read_bytes()
    start = content.index(b"\x89PNG")
    told = 0
    for offset in range(start, start + 400, 40):
        changed = bytearray(content)
        changed[offset] ^= 0x10
        file.write_bytes(changed)
        with pytest.raises(InputError, match="is damaged|does not match its fingerprint"):
            built.verify()
        told += 1
    file.write_bytes(content)
    built.verify()
    assert told == 10


def test_pairs_go_to_processes_and_threads(source, data_dir):
    pairs = prepare("own", source, data_dir=data_dir).pairs()
    pairs[0]  # an open file must not hinder
    copy = pickle.loads(pickle.dumps(pairs))
    expected = [pair["I1"].sum() for pair in pairs]
    assert [pair["I1"].sum() for pair in copy] == expected
    order = list(range(3)) * 50
    with ThreadPoolExecutor(8) as threads:
        sums = list(threads.map(lambda i: copy[i]["I1"].sum(), order))
    assert sums == [expected[i] for i in order]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(len, (pairs,)) == 3


def test_default_data_dir(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert default_data_dir() == tmp_path
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert default_data_dir() == Path.home() / "tensorflow_datasets"


def test_preparing_is_quiet_and_needs_no_tensorflow(source, tmp_path):
    code = f"""
import sys
from pathlib import Path
from train.data import prepared, sets
from train.data.prepared import open_set
built = sets.prepare("own", Path({str(source)!r}), data_dir=Path("data"), name="mine")
open_set("mine", data_dir=Path("data")).pairs()[0]
heavy = {{"tensorflow", "jax", "torch", "cv2"}} & set(sys.modules)
assert not heavy, heavy
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list((tmp_path / "tmp").iterdir()) == []
    assert os.listdir(tmp_path / "data") == ["image_pairs"]


def test_what_a_killed_preparation_left_is_removed_by_the_next_of_any_set(source, data_dir):
    code = f"""
import os, signal
from pathlib import Path
from train.data import sets
def kill(items, /, *, total, desc):
    return os.kill(os.getpid(), signal.SIGKILL) if "writing" in desc else items

sets.prepare("own", Path({str(source)!r}), data_dir=Path({str(data_dir)!r}), name="mine",
             progress=kill)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert everything_in(data_dir)
    built = prepare("own", source, data_dir=data_dir, name="other")
    assert [path.name for path in built.folder.parents[1].iterdir()] == ["other"]
    assert {path.name for path in data_dir.rglob(".*")} == set()


def test_a_published_set(data_folder, tmp_path):
    built = prepare("tno", data_folder / "TNO", data_dir=tmp_path)
    assert built.counts == dict(DATASETS["tno"].about.paper) == {"test": 25}
    assert len({pair["I1"].shape for pair in built.pairs()}) == 11
