import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import SMALL

from fnet_jax.errors import InputError
from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.ifnet import IFNet
from fnet_jax.sparse_coding.lzsc import LZSC
from fnet_jax.weights import checkpoints


def test_round_trip(small_network, tmp_path):
    network, params = small_network
    checkpoints.save(tmp_path / "a/b", network, params, source={"kind": "test"})
    found, found_params, meta = checkpoints.load(tmp_path / "a/b")
    assert found == network
    jax.tree.map(np.testing.assert_array_equal, found_params, params)
    assert meta["source"] == {"kind": "test"}
    assert meta["checksums"] == checkpoints.checksums(params)
    assert os.listdir(tmp_path / "a") == ["b"]


@pytest.mark.parametrize("channels", [1, 2])
def test_every_network_can_be_kept(tmp_path, channels):
    image = np.zeros((1, 8, 8, channels), np.float32)
    network = LZSC(**SMALL) if channels == 2 else IFNet(**SMALL)
    params = network.init(jax.random.key(0), image)
    checkpoints.save(tmp_path / "a", network, params)
    assert checkpoints.load(tmp_path / "a", network=type(network).__name__)[0] == network


def test_nothing_is_lost_by_saving(small_network, small_checkpoint, tmp_path):
    network, params = small_network
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.png").touch()
    for overwrite in (False, True):
        with pytest.raises(InputError, match="is there already and is no checkpoint"):
            checkpoints.save(tmp_path / "photos", network, params, overwrite=overwrite)
    assert (tmp_path / "photos/a.png").exists()
    with pytest.raises(InputError, match="is there already; give --overwrite"):
        checkpoints.save(small_checkpoint, network, params)

    (tmp_path / "empty").mkdir()
    checkpoints.save(tmp_path / "empty", network, params)
    other = jax.tree.map(lambda x: x + 1, params)
    checkpoints.save(tmp_path / "empty", network, other, overwrite=True)
    jax.tree.map(np.testing.assert_array_equal, checkpoints.load(tmp_path / "empty")[1], other)
    assert sorted(os.listdir(tmp_path)) == ["empty", "photos"]


def test_wrong_paths_are_refused_with_the_remedy(tmp_path):
    (tmp_path / "FNet.npz").touch()
    (tmp_path / "folder").mkdir()
    for name, message in [
        ("gone", "no such checkpoint"),
        ("FNet.npz", "is a file, a checkpoint is a folder"),
        ("folder", "no checkpoint of a network of this project"),
    ]:
        with pytest.raises(InputError, match=f"{name}: {message}.*eval.import_official"):
            checkpoints.load(tmp_path / name)


def test_another_network_is_refused(tmp_path):
    network = IFNet(**SMALL)
    params = network.init(jax.random.key(0), np.zeros((1, 8, 8, 1), np.float32))
    checkpoints.save(tmp_path / "a", network, params)
    with pytest.raises(InputError, match="holds IFNet, FNet is needed"):
        checkpoints.load(tmp_path / "a")


def test_arrays_that_do_not_fit_are_refused(small_network, tmp_path):
    network, params = small_network
    checkpoints.save(tmp_path / "shape", FNet(**{**SMALL, "features": 5}), params)
    with pytest.raises(InputError, match=r"D_u1 has shape \(5, 5, 4, 1\), .* \(5, 5, 5, 1\)"):
        checkpoints.load(tmp_path / "shape")
    checkpoints.save(tmp_path / "more", FNet(**{**SMALL, "iterations": 3}), params)
    with pytest.raises(InputError, match="lacks lzsc_c/W_d_3"):
        checkpoints.load(tmp_path / "more")
    checkpoints.save(tmp_path / "less", FNet(**{**SMALL, "iterations": 1}), params)
    with pytest.raises(InputError, match="no such array"):
        checkpoints.load(tmp_path / "less")


def edit_meta(path, change):
    file = path / "meta" / "metadata"
    meta = json.loads(file.read_text())
    change(meta)
    file.write_text(json.dumps(meta))
    sums = path / checkpoints.SUMS
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    lines = [line for line in sums.read_text().splitlines() if not line.endswith("meta/metadata")]
    sums.write_text("\n".join([*lines, f"{digest}  meta/metadata"]))


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
    with pytest.raises(InputError, match="cannot be written .*No space left"):
        checkpoints.save(tmp_path / "a", network, other, overwrite=True)
    monkeypatch.undo()
    jax.tree.map(np.testing.assert_array_equal, checkpoints.load(tmp_path / "a")[1], params)
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda meta: meta.update(format=99), "newer version"),
        (lambda meta: meta["settings"].update(depth=3), "not understood.*depth"),
        (lambda meta: meta["settings"].update(kernel_size=4), "not understood.*kernel_size"),
        (lambda meta: meta.pop("settings"), "not understood"),
        (lambda meta: meta.pop("checksums"), "not understood"),
        (lambda meta: meta["checksums"].update({"D_u1": "0"}), "D_u1 does not have the recorded"),
    ],
)
def test_wrong_descriptions_are_refused(small_network, tmp_path, change, message):
    checkpoints.save(tmp_path / "a", *small_network)
    edit_meta(tmp_path / "a", change)
    with pytest.raises(InputError, match=message):
        checkpoints.load(tmp_path / "a")


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
            with pytest.raises(InputError) as error:
                checkpoints.load(tmp_path / "a")
            assert str(tmp_path / "a") in str(error.value)
            assert "again" in str(error.value)
            assert "\n" not in str(error.value)
        file.write_bytes(content)
    checkpoints.load(tmp_path / "a")
    (tmp_path / "a/.DS_Store").touch()  # what a file manager leaves behind does no harm
    checkpoints.load(tmp_path / "a")


def test_sums_are_those_of_sha256sum(small_checkpoint):
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not installed")
    call = ["sha256sum", "--check", "--strict", checkpoints.SUMS]
    done = subprocess.run(call, cwd=small_checkpoint, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
