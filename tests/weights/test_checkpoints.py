import hashlib
import json
import os
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import SMALL

from fnet_jax.errors import DamagedError, InputError
from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.ifnet import IFNet
from fnet_jax.sparse_coding.lcsc import LCSC
from fnet_jax.sparse_coding.lzsc import LZSC
from fnet_jax.weights import checkpoints, integrity, storage


def test_round_trip(small_network, tmp_path):
    network, params = small_network
    checkpoints.save(tmp_path / "a/b", network, params, source={"kind": "test"})
    found, found_params, meta = checkpoints.load(tmp_path / "a/b", FNet)
    assert found == network
    jax.tree.map(np.testing.assert_array_equal, found_params, params)
    assert {type(x) for x in jax.tree.leaves(found_params)} == {np.ndarray}
    assert meta["source"] == {"kind": "test"}
    assert meta["checksums"] == integrity.checksums(params)
    assert os.listdir(tmp_path / "a") == ["b"]


@pytest.mark.parametrize(
    ("network", "channels"),
    [
        (IFNet(**SMALL), 1),
        (LZSC(**SMALL), 2),
        (LCSC(features=3, kernel_size=3), 3),
        (LZSC(**SMALL | {"shared": True, "momentum": "none"}), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_network_and_block_can_be_kept(tmp_path, network, channels):
    params = network.init(jax.random.key(0), np.zeros((1, 8, 8, channels), np.float32))
    checkpoints.save(tmp_path / "a", network, params)
    found, found_params, _ = checkpoints.load(tmp_path / "a", type(network))
    assert found == network
    jax.tree.map(np.testing.assert_array_equal, found_params, params)


def test_nothing_is_lost_by_saving(small_network, small_checkpoint, tmp_path):
    network, params = small_network
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.png").touch()
    os.mkfifo(tmp_path / "pipe")
    for name in ("photos", "pipe", "photos/a.png"):
        for overwrite in (False, True):
            with pytest.raises(InputError, match="already exists and is not a checkpoint; use"):
                checkpoints.save(tmp_path / name, network, params, overwrite=overwrite)
    assert (tmp_path / "photos/a.png").exists()
    with pytest.raises(InputError, match="already exists; use --overwrite"):
        checkpoints.save(small_checkpoint, network, params)

    (tmp_path / "empty").mkdir()
    checkpoints.save(tmp_path / "empty", network, params)
    other = jax.tree.map(lambda x: x + 1, params)
    checkpoints.save(tmp_path / "empty", network, other, overwrite=True)
    found = checkpoints.load(tmp_path / "empty", FNet)[1]
    jax.tree.map(np.testing.assert_array_equal, found, other)
    assert sorted(os.listdir(tmp_path)) == ["empty", "photos", "pipe"]


def test_wrong_paths_are_refused_with_the_remedy(tmp_path):
    (tmp_path / "FNet.npz").touch()
    (tmp_path / "folder").mkdir()
    for name, message in [
        ("gone", "does not exist"),
        ("FNet.npz", "is not a checkpoint folder"),
        ("folder", "is not a checkpoint of this project"),
    ]:
        with pytest.raises(InputError, match=f"{name} {message}.*eval.import_official"):
            checkpoints.load(tmp_path / name, FNet)
    with pytest.raises(InputError, match="file name too long"):
        checkpoints.load(tmp_path / ("a" * 300), FNet)


def test_another_network_is_refused(tmp_path):
    network = IFNet(**SMALL)
    params = network.init(jax.random.key(0), np.zeros((1, 8, 8, 1), np.float32))
    checkpoints.save(tmp_path / "a", network, params)
    with pytest.raises(InputError, match="holds IFNet, not FNet"):
        checkpoints.load(tmp_path / "a", FNet)


def edit_meta(path, change):
    """Changes what a checkpoint says of itself, and the list of checksums with it."""
    file = path / "meta" / "metadata"
    text = file.read_text()
    meta = json.loads(text)
    changed = change(meta)
    file.write_text(changed if isinstance(changed, str) else json.dumps(meta))
    sums = path / integrity.SUMS
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    lines = [line for line in sums.read_text().splitlines() if not line.endswith("meta/metadata")]
    sums.write_text("\n".join([*lines, f"{digest}  meta/metadata"]) + "\n")


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("features", 5, r"D_u1 has shape \(5, 5, 4, 1\), the network needs \(5, 5, 5, 1\)"),
        ("features", 4096, r"D_u1 has shape \(5, 5, 4, 1\), the network needs \(5, 5, 4096, 1\)"),
        ("iterations", 3, r"lzsc_c/W_d_3 of shape \(5, 5, 4, 2\) is missing"),
        ("iterations", 1, r"it has lzsc_c/W_d_2 of shape \(5, 5, 4, 2\), the network does not"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_unread(
    small_network, tmp_path, monkeypatch, setting, value, message
):
    network, params = small_network
    wrong = FNet(**{**SMALL, setting: value})
    with pytest.raises(InputError, match=message):
        checkpoints.save(tmp_path / "wrong", wrong, params)
    assert os.listdir(tmp_path) == []
    checkpoints.save(tmp_path / "a", network, params)
    edit_meta(tmp_path / "a", lambda meta: meta["settings"].update({setting: value}))
    monkeypatch.setattr(storage, "read", None)
    with pytest.raises(InputError, match=f"a does not fit its network: {message}"):
        checkpoints.load(tmp_path / "a", FNet)


def test_a_failure_keeps_the_old_checkpoint(small_network, tmp_path, monkeypatch):
    network, params = small_network
    checkpoints.save(tmp_path / "a", network, params)

    rename = Path.rename

    def failing(self, target):
        if self.name == "new":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    other = jax.tree.map(lambda x: x + 1, params)
    with pytest.raises(InputError, match="cannot be written .*no space left"):
        checkpoints.save(tmp_path / "a", network, other, overwrite=True)
    monkeypatch.undo()
    found = checkpoints.load(tmp_path / "a", FNet)[1]
    jax.tree.map(np.testing.assert_array_equal, found, params)
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda meta: meta.update(format=99), "written by a newer fnet_jax"),
        (lambda meta: meta.update(format="1"), "cannot be used"),
        (lambda meta: meta["settings"].update(depth=3), "cannot be used.*depth"),
        (lambda meta: meta["settings"].update(kernel_size=4), "cannot be used.*kernel_size"),
        (lambda meta: meta["settings"].update(features=4.0), "cannot be used.*features.* 4.0"),
        (lambda meta: meta["settings"].update(gamma=float("nan")), "cannot be used.*gamma.* nan"),
        (lambda meta: meta["settings"].update(alpha=None), "cannot be used.*alpha.* None"),
        (lambda meta: meta["settings"].update(shared={}), "cannot be used.*shared"),
        (lambda meta: meta.update(settings=[1]), "cannot be used.*settings is not a JSON object"),
        (lambda meta: meta.pop("settings"), "cannot be used.*it lacks 'settings'"),
        (lambda meta: meta.pop("checksums"), "cannot be used.*it lacks 'checksums'"),
        (lambda meta: "[]", "cannot be used"),
        (lambda meta: "{", "cannot be used"),
        (lambda meta: "[" * 100_000, "cannot be used"),
        (lambda meta: meta["checksums"].update({"D_u1": "0"}), "D_u1 does not have the recorded"),
    ],
)
def test_wrong_descriptions_are_refused(small_network, tmp_path, change, message):
    checkpoints.save(tmp_path / "a", *small_network)
    edit_meta(tmp_path / "a", change)
    with pytest.raises(InputError, match=message) as error:
        checkpoints.load(tmp_path / "a", FNet)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(
    small_network, tmp_path, monkeypatch, value
):
    network, params = small_network
    wrong = jax.tree.map(np.array, params)
    wrong["params"]["lzsc_c"]["W_u_2"][1, 2, 1, 0] = value
    with pytest.raises(InputError, match="lzsc_c/W_u_2 contains NaN or infinity"):
        checkpoints.save(tmp_path / "a", network, wrong)
    assert os.listdir(tmp_path) == []
    with monkeypatch.context() as patch:  # as a version that did not look would have
        patch.setattr(checkpoints, "check_finite", lambda where, params: None)
        checkpoints.save(tmp_path / "a", network, wrong)
    with pytest.raises(InputError, match="lzsc_c/W_u_2 contains NaN or infinity"):
        checkpoints.load(tmp_path / "a", FNet)


def test_no_damage_gets_past(small_network, tmp_path, rng):
    """Any file cut short, with one bit flipped or gone: the checkpoint is refused by name."""
    checkpoints.save(tmp_path / "a", *small_network)
    files = [path for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert len(files) > 5
    for file in files:
        content = file.read_bytes()
        flipped = bytearray(content)
        flipped[rng.integers(len(content))] ^= 1 << rng.integers(8)
        for damaged in (content[: len(content) // 2], bytes(flipped), None):
            file.unlink()
            if damaged is not None:
                file.write_bytes(damaged)
            with pytest.raises(DamagedError) as error:
                checkpoints.load(tmp_path / "a", FNet)
            assert str(tmp_path / "a") in str(error.value)
            assert "again" in str(error.value)
            assert "\n" not in str(error.value)
        file.write_bytes(content)
    checkpoints.load(tmp_path / "a", FNet)
    (tmp_path / "a/.DS_Store").touch()  # what a file manager leaves behind does no harm
    checkpoints.load(tmp_path / "a", FNet)


def test_what_orbax_cannot_read_is_one_line(small_network, tmp_path, rng, capfd):
    """Content that was never right, under checksums that are."""
    checkpoints.save(tmp_path / "a", *small_network)
    files = [path for path in (tmp_path / "a/params").rglob("*") if path.is_file()]
    refused = 0
    for file in files:
        content = file.read_bytes()
        file.write_bytes(content[: rng.integers(len(content))])
        integrity.write_sums(tmp_path / "a")
        try:
            checkpoints.load(tmp_path / "a", FNet)
        except InputError as error:
            assert str(error).startswith(
                (f"{tmp_path / 'a'} ", f"the network description in {tmp_path / 'a'} ")
            )
            assert "\n" not in str(error)
            refused += 1
        file.write_bytes(content)
    assert refused >= 2
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["AssertionError", "too many open files", "no memory"])
def test_only_checksums_say_that_a_checkpoint_is_damaged(small_checkpoint, monkeypatch, name):
    def failing(*arguments, **options):
        raise {
            "AssertionError": AssertionError(),
            "too many open files": OSError(24, "Too many open files"),
            "no memory": MemoryError("no memory"),
        }[name]

    monkeypatch.setattr(storage, "read", failing)
    with pytest.raises(InputError, match=f"cannot be read .{name}.; its files are intact") as error:
        checkpoints.load(small_checkpoint, FNet)
    assert "damaged" not in str(error.value)
    assert not isinstance(error.value, DamagedError)


def test_too_many_open_files_are_called_that(small_checkpoint):
    resource = pytest.importorskip("resource", reason="this system has no such limits")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    try:
        used = os.open(os.devnull, os.O_RDONLY)
        held.append(used)
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, before[1]))
        with pytest.raises(InputError, match="cannot be read .too many open files") as error:
            checkpoints.load(small_checkpoint, FNet)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        os.close(used)
    assert "damaged" not in str(error.value)
