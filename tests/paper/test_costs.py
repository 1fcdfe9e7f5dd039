"""What fusing costs, measured in a process of its own."""

import json

import jax
import pytest
from conftest import SMALL

from fnet_jax.errors import InputError
from fnet_jax.fusing.fuser import Fuser
from fnet_jax.paper import costs
from fnet_jax.weights import checkpoints


@pytest.fixture(scope="module")
def measured(small_checkpoint):
    return costs.measure(small_checkpoint, side=32, repeats=1)


def test_parameters_and_filters_are_counted(measured, small_network):
    _, params = small_network
    assert measured.side == 32
    assert measured.parameters == sum(array.size for array in jax.tree.leaves(params))
    # Filters are kernel × kernel × in × out, the only parameters with four axes.
    filters = [array for array in jax.tree.leaves(params) if array.ndim == 4]
    assert all(array.shape[:2] == (SMALL["kernel_size"],) * 2 for array in filters)
    expected = sum(2 * 32 * 32 * 5 * 5 * array.shape[2] * array.shape[3] for array in filters)
    assert measured.flops_of_filters == expected


def test_operations_are_those_of_the_compiled_program(measured, small_network):
    assert measured.flops == Fuser(*small_network).flops((32, 32))
    # Beside the filters: thresholds and sums, a few operations per value of a feature map.
    assert 1 / 2 < measured.flops / measured.flops_of_filters < 2


def test_time_and_memory_are_measured(measured):
    assert 0 < measured.seconds < 60
    assert measured.seconds + measured.compile_seconds > 0
    assert 5e7 < measured.peak_bytes < 1e11  # Python with JAX is more than 50 MB
    assert "CPU core" in measured.devices


def test_described_is_strict_json(measured):
    text = json.dumps(measured.described(), allow_nan=False)
    assert costs.Costs(**json.loads(text)) == measured


def test_a_damaged_checkpoint_is_named_through_the_process(small_network, tmp_path):
    checkpoints.save(tmp_path / "ckpt", *small_network)
    for file in (tmp_path / "ckpt/params").rglob("d/*"):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(InputError, match="has changed since it was written"):
        costs.measure(tmp_path / "ckpt", side=8, repeats=1)
