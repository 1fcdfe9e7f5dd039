"""Checkpoints of a run: what is kept, what comes back, and what is refused."""

import json
import os
import shutil

import jax
import numpy as np
import pytest
from conftest import SMALL

from fnet_jax.errors import InputError
from fnet_jax.networks.fnet import FNet
from fnet_jax.networks.start import initial_params
from fnet_jax.weights import checkpoints, integrity, storage
from train.data.batches import batches
from train.run import saving, steps
from train.run.saving import Saver, restore, restore_position

NETWORK = FNet(**SMALL)
OPTIMIZER = steps.make_optimizer(1e-4)


def state(step, *, network=NETWORK):
    """The state of a run at a step, whose weights depend on it."""
    fresh = jax.device_get(steps.create({"fnet": initial_params(network, step)}, OPTIMIZER))
    return fresh.replace(step=np.int32(step))


@pytest.fixture(scope="module")
def states():
    return [state(step) for step in range(5)]


@pytest.fixture
def data():
    pairs = [{name: np.full((6, 6), i, np.uint8) for name in ("I1", "I2")} for i in range(7)]
    return batches(pairs, batch=1, crop=4, seed=0)


def save(folder, data, *states, losses=(3.0, 1.0, 2.0, 4.0), keep=9):
    saver = Saver(folder, keep=keep)
    try:
        for now, loss in zip(states, losses, strict=False):
            next(data)
            saver.save(now, NETWORK, data, record={"stage": "stage1"}, validation_loss=loss)
    finally:
        saver.close()
    return saver


def same(one, other):
    return all(jax.tree.leaves(jax.tree.map(lambda a, b: a.tobytes() == b.tobytes(), one, other)))


def test_a_run_goes_on_where_it_was(tmp_path, states, data):
    saver = save(tmp_path / "run", data, *states[1:4])
    assert saver.newest == 3
    batch = next(data)  # which the iterator was asked for after it was saved
    found, meta, path = restore(tmp_path / "run", states[0], pytest.fail)
    assert path == tmp_path / "run/3"
    assert same(found, states[3])
    assert meta["source"] == {"kind": "training", "step": 3, "stage": "stage1"}
    restore_position(path, data)
    np.testing.assert_array_equal(next(data)["index"], batch["index"])
    assert Saver(tmp_path / "run", keep=1).newest == 3
    network, params, _ = checkpoints.load(path, FNet)
    assert network == NETWORK
    assert same(params, states[3].ema["fnet"])


def test_the_newest_and_the_best_are_kept_when_a_run_goes_on(tmp_path, states, data):
    save(tmp_path, data, *states[1:4], keep=1)
    assert set(checkpoints.steps(tmp_path)) == {2, 3}
    save(tmp_path, data, states[4], losses=[9.0], keep=1)
    assert set(checkpoints.steps(tmp_path)) == {2, 4}
    assert sorted(os.listdir(tmp_path)) == ["2", "4"]


def test_checkpoints_of_earlier_versions_are_understood(tmp_path, states, data):
    """They had a PRNG key in their state and the validation loss in an item of its own."""
    save(tmp_path, data, states[2])
    arrays = {**storage.read(tmp_path / "2", "state"), "key": np.array([0, 7], np.uint32)}
    meta = storage.describe(tmp_path / "2")
    meta["state_checksums"] = integrity.checksums({"state": arrays})
    del meta[saving.VALIDATION]
    shutil.rmtree(tmp_path / "2")
    storage.write(tmp_path / "2", {"state": arrays, "params": states[2].ema["fnet"]}, meta)
    (tmp_path / "2/metrics").mkdir()
    (tmp_path / "2/metrics/metrics").write_text(json.dumps({saving.VALIDATION: 0.5}))
    integrity.write_sums(tmp_path / "2")
    found, _, path = restore(tmp_path, states[0], pytest.fail)
    assert path == tmp_path / "2"
    assert same(found, states[2])
    save(tmp_path, data, *states[3:], losses=[2.0, 2.0], keep=1)
    assert set(checkpoints.steps(tmp_path)) == {2, 4}  # the best, and the newest


@pytest.mark.parametrize("name", ["run[1]", "a\\b", "a*b?", "a\udcff"])
def test_every_workdir_works(tmp_path, states, data, name):
    save(tmp_path / name / "checkpoints", data, *states[1:3])
    found, _, path = restore(tmp_path / name / "checkpoints", states[0], pytest.fail)
    assert same(found, states[2])
    restore_position(path, data)
    assert checkpoints.find(tmp_path / name) == path
    assert same(checkpoints.load(tmp_path / name, FNet)[1], states[2].ema["fnet"])


def test_a_workdir_that_cannot_be_used_is_refused_at_the_start(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/run cannot be used \(not a directory\)"):
        Saver(tmp_path / "file/run", keep=1)
    monkeypatch.setattr(storage, "read", lambda folder, item: {})
    with pytest.raises(InputError, match="checkpoints cannot be kept in .*differs from what was"):
        Saver(tmp_path / "run", keep=1)
    assert os.listdir(tmp_path / "run") == []


def test_what_killed_runs_left_is_removed(tmp_path, states, data):
    save(tmp_path, data, states[1])
    for name in (".fnet-jax-writing/abc", "5.orbax-checkpoint-tmp", "6.orbax-checkpoint-tmp-17"):
        (tmp_path / name / "state").mkdir(parents=True)
    Saver(tmp_path, keep=1).close()
    assert os.listdir(tmp_path) == ["1"]


def test_a_full_disk_is_one_line_and_keeps_the_last_checkpoint(tmp_path, states, data, capfd):
    resource = pytest.importorskip("resource", reason="this system has no such limits")
    save(tmp_path, data, states[1])
    saver = Saver(tmp_path, keep=1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        saver.save(states[2], NETWORK, data, record={}, validation_loss=1.0)
        with pytest.raises(
            InputError, match=r"no checkpoint can be written to .* \(file too large\)"
        ) as error:
            saver.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(error.value)
    assert "--resume" in str(error.value)
    assert capfd.readouterr().err == ""
    assert os.listdir(tmp_path) == ["1"]
    assert saver.newest == 1
    assert same(restore(tmp_path, states[0], pytest.fail)[0], states[1])


def test_the_state_of_other_networks_is_refused_by_name(tmp_path, states, data, monkeypatch):
    save(tmp_path, data, states[1])
    monkeypatch.setattr(storage, "read", None)
    other = state(0, network=FNet(**{**SMALL, "features": 3}))
    with pytest.raises(
        InputError, match=r"ema/fnet/params/D_u1 has shape \(5, 5, 4, 1\) instead of \(5, 5, 3, 1\)"
    ):
        restore(tmp_path, other, pytest.fail)


def test_weights_that_are_not_finite_are_not_saved(tmp_path, states, data):
    wrong = jax.tree.map(np.array, states[1])
    wrong.ema["fnet"]["params"]["G_c"][0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="G_c contains NaN or infinity"):
        save(tmp_path, data, wrong)
    assert os.listdir(tmp_path) == []


def test_arrays_that_changed_are_damage_and_other_failures_are_not(
    tmp_path, states, data, monkeypatch
):
    save(tmp_path / "run", data, *states[1:3])
    read = storage.read

    def failing(checkpoint, item):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(storage, "read", failing)
    with pytest.raises(InputError, match="cannot be read .too many open files.; its files are"):
        restore(tmp_path / "run", states[0], pytest.fail)
    assert set(checkpoints.steps(tmp_path / "run")) == {1, 2}

    def changed(checkpoint, item):
        found = read(checkpoint, item)
        return found if checkpoint.name == "1" else jax.tree.map(lambda x: x + 1, found)

    monkeypatch.setattr(storage, "read", changed)
    said = []
    assert same(restore(tmp_path / "run", states[0], said.append)[0], states[1])
    assert len(said) == 1
    assert "does not have the recorded checksum" in said[0]
    assert sorted(os.listdir(tmp_path / "damaged")) == ["2-0"]
